"""Bounds for the texts of errors on the copy that a user's own exporter receives; encode has the same for the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Status
from opentelemetry.util.types import AnyValue

LONGEST_MESSAGE: Final = 1024  # characters
LONGEST_STACK: Final = 8192
LONGEST_DESCRIPTION: Final = 256
_MARKER: Final = 64  # characters kept free for the line that says how many are missing

Item = TypeVar("Item")


def bounded_events(events: Sequence[Event], bare: Mapping[str, Any] | None) -> Sequence[Event]:
    """The events with their messages and stack texts cut to size; the same object where none is cut.

    `bare` is the dictionary of attributes of the event of which the stack text is on another span, or None.
    """
    bounded = [_bounded_event(event, bare) for event in events]
    if all(new is old for new, old in zip(bounded, events, strict=True)):
        return events
    return held_list(bounded, getattr(events, "dropped", 0))


def held_list(items: Sequence[Item], dropped: int) -> BoundedList[Item]:
    """Events or links as the SDK keeps them on a span, which lost `dropped` others before."""
    held: BoundedList[Item] = BoundedList.from_seq(max(len(items), 1), items)
    held.dropped = dropped
    return held


def held_attributes(attributes: Mapping[str, AnyValue], dropped: int) -> BoundedAttributes:
    """Attributes as the SDK keeps them on an ended span or event, which lost `dropped` others before."""
    held = BoundedAttributes(attributes=attributes, immutable=True)
    held.dropped = dropped
    return held


def bounded_status(status: Status) -> Status:
    """The status with its description cut to size; the same object where it is short."""
    text = status.description
    if text is None or len(text) <= LONGEST_DESCRIPTION:
        return status
    return Status(status.status_code, text[:LONGEST_DESCRIPTION])


def _bounded_event(event: Event, bare: Mapping[str, Any] | None) -> Event:
    own: Any = event.attributes
    if own is None:
        return event
    message, stack = own.get("exception.message"), own.get("exception.stacktrace")
    changed: dict[str, Any] = {}
    if isinstance(message, str) and len(message) > LONGEST_MESSAGE:
        changed["exception.message"] = message[:LONGEST_MESSAGE]
    if isinstance(stack, str):
        if bare is not None and getattr(own, "_dict", own) is bare:
            changed["exception.stacktrace"] = None
        elif len(stack) > LONGEST_STACK:
            changed["exception.stacktrace"] = without_middle(stack)
    if not changed:
        return event
    kept = {key: value for key, value in {**own, **changed}.items() if value is not None}
    return Event(event.name, held_attributes(kept, getattr(event, "dropped_attributes", 0)), event.timestamp)


def without_middle(stack: str) -> str:
    """A quarter of the room for where a stack began, the rest for where it ended."""
    room = LONGEST_STACK - _MARKER
    head, tail = stack[: room // 4], stack[-(room - room // 4) :]
    return f"{head}\n... {len(stack) - len(head) - len(tail)} characters left out ...\n{tail}"
