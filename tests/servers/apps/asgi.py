"""An ASGI application without a lifespan of its own: a request to /NUMBER does one piece of work."""

from __future__ import annotations

from typing import Any

from otel_errsample.integrations.asgi import FlushOnShutdown, Receive, Send
from tests.servers.apps import telemetry

telemetry.start()


async def application(scope: Any, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise ValueError("only HTTP is known here")
    telemetry.work(int(scope["path"].lstrip("/")))
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


if telemetry.line("lifespan"):
    application = FlushOnShutdown(application)
