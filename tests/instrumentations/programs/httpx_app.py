"""httpx calls servers that fail, sync and async."""

import asyncio

import httpx
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

from tests.instrumentations import peers
from tests.instrumentations.recording import Recorder

recorder = Recorder()
HTTPXClientInstrumentor().instrument()


def get(url: str) -> None:
    with recorder.application():
        httpx.get(url, timeout=0.2, trust_env=False)


def fetch(url: str) -> None:
    async def fetching() -> None:
        async with httpx.AsyncClient(timeout=0.2, trust_env=False) as client:
            with recorder.application():
                await client.get(url)

    asyncio.run(fetching())


with peers.http() as http:
    recorder.play(
        {
            "404": lambda: get(f"{http.answering}/404"),
            "503": lambda: get(f"{http.answering}/503"),
            "refused": lambda: get(http.refusing),
            "timeout": lambda: get(http.silent),
            "async 404": lambda: fetch(f"{http.answering}/404"),
            "async 503": lambda: fetch(f"{http.answering}/503"),
            "async refused": lambda: fetch(http.refusing),
            "async timeout": lambda: fetch(http.silent),
        }
    )
