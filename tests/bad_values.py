"""Values on a span that OTLP has no room for, each with what is to be read of it where it arrives.

An entry spoils a span that is still open, as an application or an instrumentation does: through the API where that lets
it through, else where the SDK keeps the field.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Status, StatusCode

from otel_errsample.testing.store import Received
from tests.hostile import Hostile, HostileError
from tests.spans import make_context

LONE: Final = "caf\udce9"  # what os.listdir() makes of a latin-1 file name
MENDED: Final = "caf\ufffd"


@dataclass(frozen=True)
class Bad:
    """`shown` reads from what arrived what is to be `expected`; `scenario` is the row it belongs to."""

    scenario: str
    spoil: Callable[[Any], object]
    shown: Callable[[Received], object]
    expected: object
    resource: dict[Any, Any] = field(default_factory=dict)
    scope: tuple[Any, ...] = ("scope",)
    start: Any = 1


def unspoilt(span: Any) -> None:
    """It is the resource, the scope or the start that is bad."""


def of_span(name: str) -> Callable[[Received], object]:
    return lambda received: getattr(received.span, name)


def value(one: AnyValue) -> object:
    """As Python has it."""
    kind = one.WhichOneof("value")
    if kind == "array_value":
        return [value(item) for item in one.array_value.values]
    if kind == "kvlist_value":
        return {item.key: value(item.value) for item in one.kvlist_value.values}
    return getattr(one, kind) if kind else None


def attributes(owner: Any) -> dict[str, object]:
    return {item.key: value(item.value) for item in owner.attributes}


def attribute(received: Received) -> Any:
    return attributes(received.span).get("k")


def first_event(received: Received) -> WireSpan.Event:
    return received.span.events[0]


def sets(key: str, what: Any) -> Callable[[Any], object]:
    """A field of the SDK's span."""
    return lambda span: setattr(span, key, what)


def holds(what: Any, key: Any = "k") -> Callable[[Any], object]:
    """An attribute, behind the back of the SDK's cleaning."""
    return lambda span: span._attributes._dict.__setitem__(key, what)


def event(name: Any, attributes: Any, time: Any) -> Callable[[Any], object]:
    def add(span: Any) -> None:
        one = Event.__new__(Event)
        one._name, one._attributes, one._timestamp = name, attributes, time
        span._events.append(one)

    return add


def fails(message: Any) -> Callable[[Any], object]:
    return lambda span: span.record_exception(ValueError(message))


def described(text: Any) -> Status:
    status = Status(StatusCode.ERROR, "")
    status._description = text
    return status


def nested(depth: int) -> Any:
    inner: Any = "bottom"
    for _ in range(depth):
        inner = [inner]
    return inner


def depth_of(what: object) -> int:
    return 1 + depth_of(what[0]) if isinstance(what, list) and what else 0


def with_itself() -> list[Any]:
    items: list[Any] = [1]
    items.append(items)
    return items


BAD: Final[dict[str, Bad]] = {
    # Texts that are no Unicode
    "surrogate in the name": Bad("B1", sets("_name", LONE), of_span("name"), MENDED),
    "surrogate in the description": Bad(
        "B1", lambda span: span.set_status(Status(StatusCode.ERROR, LONE)), lambda one: one.span.status.message, MENDED
    ),
    "surrogate in an exception's message": Bad(
        "B1", fails(LONE), lambda one: attributes(first_event(one))["exception.message"], MENDED
    ),
    "surrogate in an event's name": Bad(
        "B1", lambda span: span.add_event(LONE), lambda one: first_event(one).name, MENDED
    ),
    "surrogate in an event's attribute": Bad(
        "B1", lambda span: span.add_event("e", {LONE: LONE}), lambda one: attributes(first_event(one)), {MENDED: MENDED}
    ),
    "surrogate in a link's attribute": Bad(
        "B1",
        lambda span: span.add_link(make_context(3, 4), {LONE: LONE}),
        lambda one: attributes(one.span.links[0]),
        {MENDED: MENDED},
    ),
    "surrogate in a key": Bad(
        "B1", lambda span: span.set_attribute(LONE, 1), lambda one: attributes(one.span), {MENDED: 1}
    ),
    "surrogate in a value": Bad("B1", lambda span: span.set_attribute("k", LONE), attribute, MENDED),
    "surrogate in a list": Bad("B1", lambda span: span.set_attribute("k", ["a", LONE]), attribute, ["a", MENDED]),
    "surrogate in a mapping": Bad("B1", holds({"a": {LONE: LONE}}), attribute, {"a": {MENDED: MENDED}}),
    "surrogate in the resource": Bad(
        "B1", unspoilt, lambda one: attributes(one.resource)[MENDED], MENDED, resource={LONE: LONE}
    ),
    "surrogate in the scope": Bad(
        "B1",
        unspoilt,
        lambda one: (one.scope.name, one.scope.version, attributes(one.scope)),
        (MENDED, MENDED, {MENDED: MENDED}),
        scope=(LONE, LONE, LONE, {LONE: LONE}),
    ),
    "both halves of a pair": Bad("B1", lambda span: span.set_attribute("k", "\ud83d\ude00"), attribute, "\ufffd\ufffd"),
    "NUL": Bad("B1", lambda span: span.set_attribute("k", "a\0b"), attribute, "a\0b"),
    # Fields of another type, or beyond their range
    "name None": Bad("B2", sets("_name", None), of_span("name"), ""),
    "name bytes": Bad("B2", sets("_name", b"\xff"), of_span("name"), "\ufffd"),
    "name int": Bad("B2", sets("_name", 7), of_span("name"), "7"),
    "name empty": Bad("B2", sets("_name", ""), of_span("name"), ""),
    "start float": Bad("B2", unspoilt, of_span("start_time_unix_nano"), 1, start=1.5),
    "start negative": Bad("B2", unspoilt, of_span("start_time_unix_nano"), 0, start=-1),
    "start above 64 bits": Bad("B2", unspoilt, of_span("start_time_unix_nano"), 2**64 - 1, start=2**64),
    "start a text": Bad("B2", sets("_start_time", "now"), of_span("start_time_unix_nano"), 0),
    "start not a number": Bad("B2", unspoilt, of_span("start_time_unix_nano"), 0, start=math.nan),
    "end before start": Bad("B2", unspoilt, of_span("end_time_unix_nano"), 3, start=5),
    "event's time float": Bad("B2", event("e", {}, 1.5), lambda one: first_event(one).time_unix_nano, 1),
    "event's time negative": Bad("B2", event("e", {}, -1), lambda one: first_event(one).time_unix_nano, 0),
    "event's time above 64 bits": Bad(
        "B2", event("e", {}, 2**64), lambda one: first_event(one).time_unix_nano, 2**64 - 1
    ),
    "event's time None": Bad("B2", event("e", {}, None), lambda one: first_event(one).time_unix_nano, 0),
    "event's name None": Bad("B2", event(None, {}, 1), lambda one: first_event(one).name, ""),
    "event's attributes an int": Bad("B2", event("e", 7, 1), lambda one: attributes(first_event(one)), {}),
    "exception event's attributes an int": Bad(
        "B2", event("exception", 7, 1), lambda one: [each.name for each in one.span.events], []
    ),
    "exception event's attributes of other types": Bad(
        "B2",
        event("exception", {"exception.type": 7, "exception.message": None, "exception.stacktrace": [b"\xff"]}, 1),
        lambda one: attributes(first_event(one)),
        {"exception.type": 7, "exception.message": None, "exception.stacktrace": [b"\xff"]},
    ),
    "event None": Bad(
        "B2",
        lambda span: (span._events.append(None), span.add_event("e")),
        lambda one: [each.name for each in one.span.events],
        ["e"],
    ),
    "events an int": Bad("B2", sets("_events", 7), lambda one: list(one.span.events), []),
    "events dropped below zero": Bad(
        "B2", lambda span: setattr(span._events, "dropped", -5), of_span("dropped_events_count"), 0
    ),
    "events dropped above 32 bits": Bad(
        "B2", lambda span: setattr(span._events, "dropped", 2**40), of_span("dropped_events_count"), 2**32 - 1
    ),
    "links None": Bad("B2", sets("_links", None), lambda one: list(one.span.links), []),
    "link None": Bad("B2", sets("_links", BoundedList.from_seq(9, [None])), lambda one: list(one.span.links), []),
    "kind None": Bad("B2", sets("_kind", None), of_span("kind"), 0),
    "kind an int": Bad("B2", sets("_kind", 99), of_span("kind"), 0),
    "kind a text": Bad("B2", sets("_kind", "SERVER"), of_span("kind"), 0),
    "status None": Bad("B2", sets("_status", None), lambda one: one.span.status.code, 0),
    "status a text": Bad("B2", sets("_status", "bad"), lambda one: one.span.status.code, 0),
    "status a code alone": Bad("B2", sets("_status", StatusCode.ERROR), lambda one: one.span.status.code, 0),
    "description an int": Bad(
        "B2",
        lambda span: setattr(span, "_status", described(7)),
        lambda one: (one.span.status.code, one.span.status.message),
        (2, "7"),
    ),
    "ids 0": Bad("B2", sets("_context", make_context(0, 0)), of_span("span_id"), bytes(8)),
    "ids beyond their bits": Bad(
        "B2", sets("_context", make_context(2**130 + 3, 2**70 + 4)), of_span("span_id"), b"\0" * 7 + b"\4"
    ),
    "ids negative": Bad("B2", sets("_context", make_context(-1, -1)), of_span("span_id"), b"\xff" * 8),
    "ids texts": Bad("B2", sets("_context", make_context("a", "b")), of_span("span_id"), bytes(8)),
    "parent with id 0": Bad("B2", sets("_parent", make_context(0, 0)), of_span("parent_span_id"), bytes(8)),
    "parent a text": Bad("B2", sets("_parent", "parent"), of_span("parent_span_id"), bytes(8)),
    "resource None": Bad("B2", sets("_resource", None), lambda one: "service.name" in attributes(one.resource), True),
    "resource a text": Bad("B2", sets("_resource", "shop"), lambda one: attributes(one.resource), {}),
    "scope a text": Bad("B2", sets("_instrumentation_scope", "shop"), lambda one: one.scope.name, ""),
    # Values and keys of attributes
    "int above 64 bits": Bad("B2", holds(2**64), attribute, str(2**64)),
    "int below 64 bits": Bad("B2", holds(-(2**70)), attribute, str(-(2**70))),
    "int of 5,000 digits": Bad("B2", holds(10**5000), attribute, "<builtins.int>"),
    "infinity": Bad("B2", holds(math.inf), attribute, math.inf),
    "not a number": Bad("B2", holds(math.nan), lambda one: math.isnan(attribute(one)), True),
    "empty key": Bad("B2", holds(1, ""), lambda one: attributes(one.span), {"": 1}),
    "key None": Bad("B2", holds(1, None), lambda one: attributes(one.span), {"<builtins.NoneType>": 1}),
    "key an int": Bad("B2", holds(1, 7), lambda one: attributes(one.span), {"7": 1}),
    "mixed list": Bad("B2", holds([1, "a", None, 2.5, True]), attribute, [1, "a", None, 2.5, True]),
    "nested 100 deep": Bad("B2", holds(nested(100)), lambda one: 10 < depth_of(attribute(one)) < 100, True),
    "list that holds itself": Bad("B2", holds(with_itself()), lambda one: attribute(one)[0], 1),
    "bytes": Bad("B2", holds(b"\xff"), attribute, b"\xff"),
    "bytearray": Bad("B2", holds(bytearray(b"\xff")), attribute, b"\xff"),
    "set": Bad("B2", holds({1}), attribute, "<builtins.set>"),
    "complex": Bad("B2", holds(1j), attribute, "<builtins.complex>"),
    "object": Bad("B2", holds(object()), attribute, "<builtins.object>"),
    "None": Bad("B2", holds(None), attribute, None),
    "hostile": Bad("A2", holds(Hostile()), attribute, "<tests.hostile.Hostile>"),
    "hostile exception": Bad(
        "A2", lambda span: span.record_exception(HostileError()), lambda one: first_event(one).name, "exception"
    ),
    # Size
    "a value of 5 MB": Bad("B7", holds("x" * 5_000_000), lambda one: len(attribute(one)), 1024),
    "a message of 50 MB": Bad(
        "B7", fails("x" * 50_000_000), lambda one: len(str(attributes(first_event(one))["exception.message"])), 1024
    ),
}
