"""urllib calls servers that fail."""

import urllib.request

from opentelemetry.instrumentation.urllib import URLLibInstrumentor

from tests.instrumentations import peers
from tests.instrumentations.recording import Recorder

recorder = Recorder()
URLLibInstrumentor().instrument()


def get(url: str) -> None:
    with recorder.application():
        urllib.request.urlopen(url, timeout=0.2)


with peers.http() as http:
    recorder.play(
        {
            "404": lambda: get(f"{http.answering}/404"),
            "503": lambda: get(f"{http.answering}/503"),
            "refused": lambda: get(http.refusing),
            "timeout": lambda: get(http.silent),
        }
    )
