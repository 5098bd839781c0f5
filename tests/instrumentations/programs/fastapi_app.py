"""FastAPI answers requests that fail."""

import asyncio
from typing import Any

import httpx
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request, Response
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

from tests.instrumentations.recording import Recorder

recorder = Recorder()
app = FastAPI()


class Refused(Exception):
    """Has a handler."""


class Tenants:
    """Refuses those that it does not know, where the framework does not look for answers any more."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/tenant":
            raise HTTPException(404)
        await self.inner(scope, receive, send)


app.add_middleware(Tenants)


@app.get("/raise")
async def broken() -> None:
    with recorder.application():
        raise ValueError("boom")


@app.get("/sync")
def broken_in_a_thread() -> None:
    with recorder.application():
        raise ValueError("boom")


@app.get("/answer/{status}")
async def answer(status: int) -> None:
    with recorder.application():
        raise HTTPException(status)


@app.get("/handled")
async def handled() -> None:
    raise Refused


@app.get("/background")
async def background(tasks: BackgroundTasks) -> None:
    def work() -> None:
        with recorder.application():
            raise ValueError("boom")

    tasks.add_task(work)


@app.exception_handler(Refused)
async def refused(_request: Request, _error: Refused) -> Response:
    return Response(status_code=400)


def get(path: str) -> None:
    async def getting() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            await client.get(path)

    asyncio.run(getting())


FastAPIInstrumentor.instrument_app(app, exclude_spans=["receive", "send"])
recorder.play(
    {
        "raise": lambda: get("/raise"),
        "raise in a thread": lambda: get("/sync"),
        "HTTPException 503": lambda: get("/answer/503"),
        "HTTPException 404": lambda: get("/answer/404"),
        "HTTPException 404 in a middleware": lambda: get("/tenant"),
        "validation": lambda: get("/answer/none"),
        "handler 400": lambda: get("/handled"),
        "background": lambda: get("/background"),
    }
)
