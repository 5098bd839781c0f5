"""aiohttp's client calls servers that fail."""

import asyncio

from aiohttp import ClientSession, ClientTimeout
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor

from tests.instrumentations import peers
from tests.instrumentations.recording import Recorder

recorder = Recorder()
AioHttpClientInstrumentor().instrument()


async def getting(url: str, timeout: float | None = None, raise_for_status: bool = False) -> None:
    async with ClientSession(timeout=ClientTimeout(timeout), raise_for_status=raise_for_status) as session:
        with recorder.application():
            async with session.get(url) as response:
                await response.read()


def get(url: str, timeout: float | None = None, raise_for_status: bool = False) -> None:
    asyncio.run(getting(url, timeout, raise_for_status))


def cancel(url: str) -> None:
    async def cancelling() -> None:
        task = asyncio.create_task(getting(url))
        _done, pending = await asyncio.wait({task}, timeout=0.2)
        task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    asyncio.run(cancelling())


with peers.http() as http:
    recorder.play(
        {
            "404": lambda: get(f"{http.answering}/404"),
            "503": lambda: get(f"{http.answering}/503"),
            "raise_for_status 503": lambda: get(f"{http.answering}/503", raise_for_status=True),
            "refused": lambda: get(http.refusing),
            "timeout": lambda: get(http.silent, timeout=0.2),
            "cancel": lambda: cancel(http.silent),
        }
    )
