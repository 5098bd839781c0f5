"""requests calls servers that fail."""

import requests
from opentelemetry.instrumentation.requests import RequestsInstrumentor

from tests.instrumentations import peers
from tests.instrumentations.recording import Recorder

recorder = Recorder()
RequestsInstrumentor().instrument()


def get(url: str) -> None:
    with recorder.application():
        requests.get(url, timeout=0.2)


with peers.http() as http:
    recorder.play(
        {
            "404": lambda: get(f"{http.answering}/404"),
            "503": lambda: get(f"{http.answering}/503"),
            "refused": lambda: get(http.refusing),
            "timeout": lambda: get(http.silent),
            "no such name": lambda: get("http://shop.invalid"),
        }
    )
