"""Spans out of a fuzzer's bytes: of every type the SDK and its users put there, and of types nobody should."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from fuzz.source import Source

_KEYS = (
    "exception.type", "exception.message", "exception.stacktrace", "exception.escaped", "http.route", "error.type",
    "http.response.status_code", "errsample.keep", "db.statement", "url.full", "authorization", "",
)  # fmt: skip
_DEEPEST = 4
_NESTED = 200


class Text(str):
    """What is formatted, compared or sliced as it likes."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __str__(self) -> str:
        raise RuntimeError("str")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")


class Name(str):
    __slots__ = ()


class Whole(int):
    __slots__ = ()


class Real(float):
    __slots__ = ()


class Hostile:
    """Refuses whatever may be asked of it."""

    def __str__(self) -> str:
        raise RuntimeError("str")

    __repr__ = __str__

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __iter__(self) -> Any:
        raise RuntimeError("iter")


class PublicSpan(ReadableSpan):
    """Not exactly the SDK's, so only its public properties may be read."""


class Maker:
    """Makes one span. `plain`: nothing in it so far but what the API allows, if in quantities it does not.

    `whole`: attributes, status and events are the SDK's, whatever is in them.
    """

    def __init__(self, source: Source, *, whole: bool = False) -> None:
        self.source = source
        self.whole = whole
        self.plain = True

    def odd(self, value: Any) -> Any:
        self.plain = False
        return value

    def key(self) -> Any:
        source = self.source
        kind = source.below(8)
        if kind < 4:
            return source.pick(_KEYS)
        if kind < 7:
            return source.text()
        return self.odd(source.pick((Name("k"), 7, None, b"k", ("k",))))

    def value(self, depth: int = 0) -> Any:
        source = self.source
        kinds: tuple[Callable[[], Any], ...] = (
            source.text,
            lambda: source.whole(8, signed=True),
            lambda: source.below(256),
            source.real,
            lambda: bool(source.below(2)),
            source.bytes,
            lambda: self.several(depth),
            lambda: tuple(self.several(depth)),
            lambda: self.mapping(depth),
            lambda: self.odd(source.whole(20, signed=True)),
            lambda: self.odd(self.nested()),
            lambda: self.odd(source.pick((None, Hostile(), object(), SpanKind.SERVER, Text("t"), Whole(7), Real(0.5)))),
            lambda: self.odd(Text(source.text())),
            lambda: self.odd(bytearray(source.bytes())),
            lambda: self.odd(MappingProxyType(self.mapping(depth))),
            lambda: self.odd(set(source.bytes())),
        )
        return source.pick(kinds)()

    def several(self, depth: int) -> list[Any]:
        return [self.value(depth + 1) for _ in range(self.source.below(5) if depth < _DEEPEST else 0)]

    def mapping(self, depth: int) -> dict[Any, Any]:
        return {self.key(): self.value(depth + 1) for _ in range(self.source.below(5) if depth < _DEEPEST else 0)}

    def nested(self) -> Any:
        value: Any = self.source.text()
        for _ in range(self.source.below(_NESTED)):
            value = [value] if self.source.below(2) else {"k": value}
        return value

    def attributes(self) -> Any:
        """As the SDK keeps them; past its checks, as instrumentations that bypass them do."""
        source = self.source
        kind = source.below(8)
        if kind == 7 and not self.whole:
            return self.odd(source.pick((None, {}, Hostile(), [], MappingProxyType({"k": 1}))))
        pairs = [(self.key(), self.value()) for _ in range(source.below(6))]
        if kind == 6:
            return dict(pairs)
        bounded = BoundedAttributes(128)
        bounded._dict.update(pairs)
        bounded.dropped = self.count()
        return bounded

    def count(self) -> Any:
        source = self.source
        kind = source.below(16)
        if kind == 15:
            return self.odd(source.pick((-1, 1 << 40, None, 2.5, "3", Hostile())))
        return 0 if kind < 12 else source.whole(4)

    def time(self) -> Any:
        source = self.source
        kind = source.below(8)
        if kind < 5:
            return source.whole(8)
        return (
            source.whole(9, signed=True) if kind == 5 else self.odd(source.pick((None, 2.5, -1, "1", Hostile(), True)))
        )

    def number(self, size: int) -> Any:
        source = self.source
        if source.below(8) < 7:
            return source.whole(size)
        return self.odd(source.pick((None, -1, 1 << 200, 2.5, "7", Hostile(), Whole(7))))

    def context(self) -> SpanContext:
        """`SpanContext` itself would compare its ids with its limits."""
        source = self.source
        state = (
            TraceState.from_header([source.take(source.below(64)).decode("latin-1")])
            if source.below(2)
            else TraceState()
        )
        remote = bool(source.below(2))
        fields = (self.number(16), self.number(8), remote, TraceFlags(source.below(4)), state, True)
        return tuple.__new__(SpanContext, fields)

    def text(self) -> Any:
        source = self.source
        if source.below(8) < 7:
            return source.text()
        return self.odd(source.pick((None, Text("t"), b"\xff", 7, Hostile())))

    def status(self) -> Any:
        source = self.source
        kind = source.below(8)
        if kind == 7 and not self.whole:
            return self.odd(source.pick((None, Hostile(), "ERROR")))
        made = Status(source.pick((StatusCode.ERROR, StatusCode.UNSET, StatusCode.OK)))
        if made.status_code is StatusCode.ERROR:
            made._description = self.text()
        return made

    def event(self) -> Any:
        source = self.source
        if source.below(16) == 15 and not self.whole:
            return self.odd(source.pick((None, Hostile(), "event")))
        name = "exception" if source.below(2) else self.text()
        return Event(name, self.attributes(), self.time())

    def resource(self) -> Resource:
        attributes = {self.key(): self.value() for _ in range(self.source.below(3))}
        made = Resource({})
        made._attributes = attributes  # type: ignore[assignment]  # of any type, as a bad span has them
        return made

    def scope(self) -> Any:
        kind = self.source.below(4)
        if kind == 0:
            return None
        made = InstrumentationScope("library", "1.0")
        if kind == 2:
            made._name, made._version, made._schema_url = self.text(), self.text(), self.text()
        return self.odd(Hostile()) if kind == 3 else made

    def span(self) -> ReadableSpan:
        source = self.source
        of = source.pick((ReadableSpan, ReadableSpan, PublicSpan))
        fields: Mapping[str, Any] = {
            "context": self.context(),
            "parent": self.context() if source.below(2) else None,
            "kind": source.pick((*SpanKind, *SpanKind, self.odd(None) if source.below(16) == 15 else SpanKind.CLIENT)),
            "status": self.status(),
            "start_time": self.time(),
            "end_time": self.time(),
            "attributes": self.attributes(),
            "events": [self.event() for _ in range(source.below(4))],
            "links": [Link(self.context(), self.attributes()) for _ in range(source.below(3))],
            "resource": self.resource(),
            "instrumentation_scope": self.scope(),
        }
        return of(self.text(), **fields)
