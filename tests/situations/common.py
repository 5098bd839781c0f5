"""How a situation is written down."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.trace import Tracer
from opentelemetry.trace.status import Status, StatusCode

Told = tuple[bool, str | None, str] | None
Situation = Callable[[Tracer], None]

LIVE: Told = (True, "ValueError", "live")
EVENT: Told = (True, "ValueError", "event")
STATUS: Told = (True, None, "status")
CANCELLED: Told = (False, "asyncio.exceptions.CancelledError", "live")

SITUATIONS: dict[str, tuple[Situation, dict[str, Told]]] = {}


def ending(**told: Told) -> Callable[[Situation], Situation]:
    """Note what is to be told of each span of a situation, by the span's name."""

    def note(situation: Situation) -> Situation:
        SITUATIONS[situation.__name__] = (situation, told)
        return situation

    return note


def boom(message: str = "boom") -> None:
    raise ValueError(message)


def record(span: trace.Span, error: BaseException) -> None:
    span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, f"ValueError: {error}"))
