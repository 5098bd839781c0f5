"""Spans for tests: Hypothesis strategies for real SDK spans, and plain makers with every argument defaulted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

hot: Any = import_module("otel_errsample._hot")


class SeededIds(IdGenerator):
    """The ids of a seed, so that a head sampler picks the same traces in every run."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)

    def generate_span_id(self) -> int:
        return self._draw.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        return self._draw.getrandbits(128) or 1


class PublicSpan(ReadableSpan):
    """A span that is not exactly the SDK's: only its public properties may be read."""


class PublicEvent(Event):
    pass


class PublicLink(Link):
    pass


class PublicStatus(Status):
    pass


class PublicContext(SpanContext):
    pass


def make_context(
    trace_id: Any = 1, span_id: Any = 2, remote: bool = False, state: TraceState | None = None
) -> SpanContext:
    """A context whose ids may be anything: `SpanContext` itself compares them with its limits."""
    valid = SpanContext(1, 2, remote, TraceFlags(1), state)
    fields = (trace_id, span_id, remote, valid.trace_flags, valid.trace_state, True)
    return tuple.__new__(SpanContext, fields)


def make_span(name: Any = "name", *, of: type[ReadableSpan] = ReadableSpan, **fields: Any) -> ReadableSpan:
    """An ended span with a context and an empty resource unless `fields` say otherwise."""
    return of(name, **{"context": make_context(), "resource": Resource({}), **fields})


def parse(field: bytes) -> WireSpan:
    """The span in one field of ScopeSpans.spans."""
    (span,) = ScopeSpans.FromString(field).spans
    return span


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
keys = st.sampled_from(["http.route", "exception.message", "é", "\N{PILE OF POO}"]) | texts.filter(bool)
scalars = st.one_of(
    texts,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.binary(max_size=20),
    st.none(),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys | st.just(""), inner, max_size=4),
    max_leaves=8,
)
times = st.integers(0, 2**64 - 1)
counts = st.sampled_from([0, 0, 1, 127, 128, 2**32 - 1])


@st.composite
def attributes(draw: st.DrawFn) -> BoundedAttributes:
    bounded = BoundedAttributes(128, draw(st.dictionaries(keys, values, max_size=6)))
    bounded.dropped = draw(counts)
    return bounded


@st.composite
def contexts(draw: st.DrawFn, of: type[SpanContext] = SpanContext) -> SpanContext:
    members = st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
        st.from_regex(r"[!-+\--<>-~]{1,20}", fullmatch=True),
        max_size=3,
    )
    return of(
        draw(st.integers(0, 2**128 - 1)),
        draw(st.integers(0, 2**64 - 1)),
        draw(st.booleans()),
        TraceFlags(draw(st.integers(0, 3))),
        TraceState(list(draw(members).items())),
    )


@st.composite
def statuses(draw: st.DrawFn, of: type[Status] = Status) -> Status:
    code = draw(st.sampled_from(list(StatusCode)))
    return of(code, draw(st.none() | texts) if code is StatusCode.ERROR else None)


def bounded(draw: st.DrawFn, items: Sequence[Any]) -> Any:
    held: Any = BoundedList.from_seq(128, items)
    held.dropped = draw(counts)
    return held


@st.composite
def spans(draw: st.DrawFn, public: bool = False) -> ReadableSpan:
    """An ended span the official encoder accepts; `public`: of subclasses throughout, so that no layout is known."""
    context = contexts(PublicContext) if public else contexts()
    event, link = (PublicEvent, PublicLink) if public else (Event, Link)
    events = st.builds(event, texts, attributes(), times)
    links = st.builds(link, context, attributes())
    return (PublicSpan if public else ReadableSpan)(
        draw(texts),
        context=draw(context),
        parent=draw(st.none() | context),
        resource=draw(resources),
        attributes=draw(attributes()),
        events=bounded(draw, draw(st.lists(events, max_size=3))),
        links=bounded(draw, draw(st.lists(links, max_size=3))),
        kind=draw(st.sampled_from(list(SpanKind))),
        status=draw(statuses(PublicStatus) if public else statuses()),
        start_time=draw(st.none() | times),
        end_time=draw(st.none() | times),
        instrumentation_scope=draw(st.none() | scopes),
    )


few_keys = st.dictionaries(st.sampled_from(["a", "b"]), scalars, max_size=2)
resources = st.builds(Resource, few_keys, st.sampled_from([None, "https://example.com/schemas/1.0"]))
scopes = st.builds(
    InstrumentationScope,
    st.sampled_from(["", "library", "bibliothèque"]),
    st.sampled_from([None, "1.0"]),
    st.sampled_from([None, "https://example.com/schemas/2.0"]),
    few_keys,
)
