"""Ways in which a text comes onto a span: each function carries one there."""

from __future__ import annotations

import pytest
from opentelemetry.trace import Status, StatusCode, Tracer


def fail(tracer: Tracer, error: BaseException, name: str = "work") -> None:
    with pytest.raises(type(error)), tracer.start_as_current_span(name):
        raise error


def as_message(tracer: Tracer, text: str) -> None:
    fail(tracer, ValueError(text))


def as_key(tracer: Tracer, text: str) -> None:
    fail(tracer, KeyError(text))


def as_cause(tracer: Tracer, text: str) -> None:
    error = ValueError("outer")
    error.__cause__ = KeyError(text)
    fail(tracer, error)


def as_context(tracer: Tracer, text: str) -> None:
    try:
        raise OSError(text)
    except OSError:
        fail(tracer, ValueError("outer"))


def as_note(tracer: Tracer, text: str) -> None:
    error = ValueError("plain")
    if hasattr(error, "add_note"):
        error.add_note("a note")
        error.add_note(text)
    fail(tracer, error)


def as_stack(tracer: Tracer, text: str) -> None:
    stack = f'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nValueError: {text}\n'
    with tracer.start_as_current_span("work") as span:
        span.add_event("exception", {"exception.type": "ValueError", "exception.stacktrace": stack})
        span.set_status(Status(StatusCode.ERROR))


def as_description(tracer: Tracer, text: str) -> None:
    tracer.start_span("work").end()
    with tracer.start_as_current_span("work") as span:
        span.set_status(Status(StatusCode.ERROR, text))


def as_event_attribute(tracer: Tracer, text: str) -> None:
    with tracer.start_as_current_span("work") as span:
        span.add_event("retried", {"why": text, "attempt": 2})


def as_event_item(tracer: Tracer, text: str) -> None:
    with tracer.start_as_current_span("work") as span:
        span.add_event("retried", {"whys": ["first", text], "attempt": 2})


def as_event_name(tracer: Tracer, text: str) -> None:
    with tracer.start_as_current_span("work") as span:
        span.add_event(text)


def as_span_name(tracer: Tracer, text: str) -> None:
    tracer.start_span(text).end()


def as_second_error(tracer: Tracer, text: str) -> None:
    """Recorded twice, by an inner and an outer handler."""
    with pytest.raises(ValueError), tracer.start_as_current_span("work") as span:
        error = ValueError(text)
        span.record_exception(error)
        raise error


CARRIERS = (
    as_message, as_key, as_cause, as_context, as_note, as_stack, as_description, as_event_attribute, as_event_item,
    as_event_name, as_span_name, as_second_error,
)  # fmt: skip
