"""ASGI applications: their server tells them that it ends, and may afterwards die by the signal that ended it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from otel_errsample import living

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_LAST_WORDS = ("lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed")


class FlushOnShutdown:
    """Middleware that sends what waits when the server shuts the application down.

    `app = FlushOnShutdown(app)`, or in Starlette and FastAPI `app.add_middleware(FlushOnShutdown)`. Where the
    application has no lifespan of its own, as Django's, this answers for it. The server's requests have ended by then;
    its event loop is kept waiting for at most the shutdown timeout.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _live(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        asked = answered = False

        async def receive_for_app() -> Message:
            nonlocal asked
            message = await receive()
            asked = True
            return message

        async def send_for_app(message: Message) -> None:
            nonlocal answered
            answered = True
            if message["type"] in _LAST_WORDS:
                living.flush()
            await send(message)

        try:
            await self._app(scope, receive_for_app, send_for_app)
        except Exception:
            # Who asked for a message knows the protocol: its startup failed, and the server has to hear of it.
            if answered or asked:
                raise
        if answered:
            return
        # The specification's sign that it does not know the protocol: it raised or returned and said nothing.
        if not asked:
            await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        living.flush()
        await send({"type": "lifespan.shutdown.complete"})
