"""The lifespan of ASGI applications, with and without one of their own, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from otel_errsample import living
from otel_errsample.integrations.asgi import Application, FlushOnShutdown, Message, Receive, Send
from tests.members import Member

pytestmark = pytest.mark.usefixtures("alone")

Scope = MutableMapping[str, Any]


@pytest.fixture
def member() -> Member:
    member = Member()
    living.join(member)
    return member


def run(
    app: Application, member: Member, kind: str = "lifespan", messages: tuple[str, ...] = ("startup", "shutdown")
) -> list[str]:
    """What happened, in order: what the server said, what it was told, and the flush."""
    told = iter(messages)

    async def receive() -> Message:
        message = next(told)
        member.heard.append(f"< {message}")
        return {"type": f"{kind}.{message}"}

    async def send(message: Message) -> None:
        member.heard.append(f"> {message['type'].removeprefix(kind + '.')}")

    async def serve() -> None:
        await FlushOnShutdown(app)({"type": kind}, receive, send)

    asyncio.run(serve())
    return member.heard


async def living_app(scope: Scope, receive: Receive, send: Send) -> None:
    for _ in range(2):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})


async def raising_app(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("can only handle HTTP")


async def silent_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Looks at the first message and returns."""
    assert "lifespan.startup" == (await receive())["type"]


ALIVE = ["< startup", "> startup.complete", "< shutdown", "flush", "> shutdown.complete"]


@pytest.mark.parametrize("app", [living_app, raising_app, silent_app], ids=lambda app: app.__name__)
def test_a_shutdown_flushes_before_the_server_hears_that_it_is_done(app: Application, member: Member) -> None:
    assert ALIVE == run(app, member)


@pytest.mark.parametrize("step", ["startup", "shutdown"])
def test_a_lifespan_that_failed_flushes_and_fails_as_it_did(step: str, member: Member) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != f"lifespan.{step}":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": f"lifespan.{step}.failed", "message": "no database"})
        raise RuntimeError("no database")

    with pytest.raises(RuntimeError, match="no database"):
        run(app, member)
    assert ["flush", f"> {step}.failed"] == member.heard[-2:]
    assert 1 == member.heard.count("flush")


def test_a_startup_that_failed_without_a_word_is_the_servers_to_hear_of(member: Member) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise RuntimeError("no database")

    with pytest.raises(RuntimeError, match="no database"):
        run(app, member)
    assert ["< startup"] == member.heard


def test_requests_pass_untouched(member: Member) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert "http" == scope["type"]
        await receive()
        await send({"type": "http.response.start"})

    assert ["< request", "> response.start"] == run(app, member, "http", ("request",))


def test_an_error_of_a_request_passes(member: Member) -> None:
    with pytest.raises(ValueError, match="can only handle HTTP"):
        run(raising_app, member, "websocket")
    assert [] == member.heard
