"""A server of aiohttp's answers requests that fail."""

import asyncio
from typing import NoReturn

from aiohttp import ClientSession, web
from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor

from tests.instrumentations.recording import Recorder

recorder = Recorder()
AioHttpServerInstrumentor().instrument()


async def broken(_request: web.Request) -> NoReturn:
    with recorder.application():
        raise ValueError("boom")


async def unavailable(_request: web.Request) -> NoReturn:
    with recorder.application():
        raise web.HTTPServiceUnavailable


async def absent(_request: web.Request) -> NoReturn:
    raise web.HTTPNotFound


async def returning(_request: web.Request) -> web.Response:
    return web.Response(status=503)


def get(path: str) -> None:
    async def getting() -> None:
        app = web.Application()
        app.router.add_get("/raise", broken)
        app.router.add_get("/503", unavailable)
        app.router.add_get("/404", absent)
        app.router.add_get("/return", returning)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0]
            async with ClientSession() as session, session.get(f"http://{host}:{port}{path}") as response:
                await response.read()
        finally:
            await runner.cleanup()

    asyncio.run(getting())


recorder.play(
    {
        "raise": lambda: get("/raise"),
        "HTTPServiceUnavailable": lambda: get("/503"),
        "HTTPNotFound": lambda: get("/404"),
        "return 503": lambda: get("/return"),
    }
)
