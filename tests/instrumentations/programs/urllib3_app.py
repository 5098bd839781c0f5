"""urllib3 calls servers that fail."""

import urllib3
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor

from tests.instrumentations import peers
from tests.instrumentations.recording import Recorder

recorder = Recorder()
URLLib3Instrumentor().instrument()
pool = urllib3.PoolManager()


def get(url: str) -> None:
    with recorder.application():
        pool.request("GET", url, timeout=0.2, retries=urllib3.Retry(0))


with peers.http() as http:
    recorder.play(
        {
            "404": lambda: get(f"{http.answering}/404"),
            "503": lambda: get(f"{http.answering}/503"),
            "refused": lambda: get(http.refusing),
            "timeout": lambda: get(http.silent),
        }
    )
