"""A server of aiohttp's answers requests that fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def serving(path: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """The address of a server that cancels a handler whose client has gone."""
    app = web.Application()
    app.router.add_get(path, handler)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}{path}"
    finally:
        await runner.cleanup()


def get(path: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
    async def getting() -> None:
        async with serving(path, handler) as url, ClientSession() as session, session.get(url) as response:
            await response.read()

    asyncio.run(getting())


def hang_up() -> None:
    async def hanging_up() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def waiting(_request: web.Request) -> NoReturn:
            begun.set()
            try:
                await asyncio.Event().wait()
                raise AssertionError
            finally:
                ended.set()

        async with serving("/wait", waiting) as url, ClientSession() as session:
            call = asyncio.ensure_future(session.get(url))
            await begun.wait()
            call.cancel()  # which closes the connection
            await ended.wait()

    asyncio.run(hanging_up())


recorder.play(
    {
        "raise": lambda: get("/raise", broken),
        "HTTPServiceUnavailable": lambda: get("/503", unavailable),
        "HTTPNotFound": lambda: get("/404", absent),
        "hang up": hang_up,
        "return 503": lambda: get("/return", returning),
    }
)
