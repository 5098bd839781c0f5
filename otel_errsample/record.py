"""What `record_exception` and `add_event` of the installed SDK do, found out by letting them do it.

Python's half of ext/record.pyx, called at start and for an exception that the SDK cannot record.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, Span

from otel_errsample.printing import BASE_GROUP


def sdk_recorder(attributes: Callable[[BaseException, object], Mapping[str, object]]) -> Callable[..., None] | None:
    """The SDK's `record_exception`, a plain function; None where it writes other events than `attributes` makes."""
    recorder = cast("Callable[..., None]", Span.record_exception)
    try:
        for exception in _examples():
            witness = _Witness()
            recorder(witness, exception, {"attribute": 1}, 7, True)
            made = list({**attributes(exception, True), "attribute": 1}.items())
            if witness.events != [("exception", made, 7)]:
                return None
    except Exception:
        return None
    return recorder


def sdk_adder() -> Callable[..., None] | None:
    """The SDK's `add_event`, where putting texts into empty BoundedAttributes comes to the same; None where not."""
    adder = cast("Callable[..., None]", Span.add_event)
    texts = {"exception.type": "E", "exception.message": "text"}
    span = SimpleNamespace(_limits=SimpleNamespace(max_event_attributes=2, max_attribute_length=4), added=[])
    span._add_event = span.added.append
    try:
        adder(span, name="exception", attributes=texts, timestamp=7)
        held: Any = BoundedAttributes(2, None, True, 4)
        held._dict = texts
        (added,) = span.added
        same = _state(added) == _state(Event("exception", held, 7)) and _state(added.attributes) == _state(held)
    except Exception:
        return None
    return adder if same else None


def _state(of: object) -> dict[str, object]:
    return {name: value for name, value in vars(of).items() if name not in ("_lock", "_attributes")} | {"": type(of)}


class _Witness:
    """Stands in for a span and notes the events it is given."""

    def __init__(self) -> None:
        self.events: list[tuple[str, list[tuple[str, object]], int | None]] = []

    def add_event(self, name: str, attributes: Mapping[str, object], timestamp: int | None = None) -> None:
        self.events.append((name, list(attributes.items()), timestamp))


def _examples() -> list[BaseException]:
    """A plain error, a chain of two, and a group where there are groups."""
    examples: list[BaseException] = [ZeroDivisionError()]
    try:
        try:
            raise LookupError("first\nsecond line")
        except LookupError as cause:
            raise _Caused("cause") from cause
    except _Caused as error:
        examples.append(error)
    if BASE_GROUP is not None:
        group: Any = BASE_GROUP("group", [ValueError("one"), BASE_GROUP("inner", [examples[-1]])])
        group.add_note("a note")
        examples.append(group)
    return examples


class _Caused(Exception):
    pass


def rescued(exception: BaseException, attributes: object, escaped: object) -> dict[str, Any]:
    """The attributes of an event where the SDK's own `record_exception` fails, as `traceback` words such a failure."""
    try:
        stack = "".join(traceback.format_exception(exception))
    except Exception:
        stack = ""
    return {
        "exception.type": type.__dict__["__qualname__"].__get__(type(exception)),
        "exception.message": "<exception str() failed>",
        "exception.stacktrace": stack,
        "exception.escaped": str(escaped is True),
        **(attributes if type(attributes) is dict else {}),
    }
