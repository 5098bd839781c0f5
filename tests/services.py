"""A service with the span processor behind a sampler, and what its exported spans say of themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler
from opentelemetry.trace import (
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor
from otel_errsample._hot import parse_ot
from otel_errsample.testing.transport import CollectingTransport

RESOURCE = Resource({"service.name": "s"})
KEEP_ERRORS = "all: keep if error"


class Service:
    """A provider with our processor behind a sampler; `spans()` shuts down, proves the books and answers the spans."""

    def __init__(self, rules: str = KEEP_ERRORS, head: float | Sampler = ALWAYS_OFF, **arguments: Any) -> None:
        self.transport = CollectingTransport()
        self.processor = ErrorSpanProcessor(rules, transport=self.transport, **arguments)
        self.provider = TracerProvider(ErrorAwareSampler(head), resource=RESOURCE, shutdown_on_exit=False)
        self.provider.add_span_processor(self.processor)
        self.tracer: Tracer = self.provider.get_tracer("test")

    def spans(self) -> dict[str, Span]:
        assert self.processor.shutdown(10_000)
        stats = self.processor.stats()
        assert stats.balanced, stats
        assert not stats.internal_errors, stats
        return {span.name: span for span in self.transport.spans()}


def why(span: Span) -> tuple[str | None, str | None]:
    values = {item.key: item.value.string_value for item in span.attributes}
    return values.get("errsample.rule"), values.get("errsample.scope")


def threshold(span: Span) -> int | None:
    entries = dict(entry.split("=", 1) for entry in span.trace_state.split(",") if entry)
    return parse_ot(entries.get("ot", ""))[0]


@contextlib.contextmanager
def failing(tracer: Tracer, name: str) -> Iterator[None]:
    with tracer.start_as_current_span(name) as span:
        yield
        span.set_status(StatusCode.ERROR)


def a_span(number: int, parent: int | None = None, failed: bool = False, **fields: Any) -> ReadableSpan:
    return ReadableSpan(
        str(number),
        context=SpanContext(fields.pop("trace", 7), number, False, TraceFlags(fields.pop("flags", 0))),
        parent=None if parent is None else SpanContext(7, parent, fields.pop("remote", False)),
        resource=RESOURCE,
        status=Status(StatusCode.ERROR) if failed else Status(),
        start_time=1,
        end_time=2,
        **fields,
    )


class Started:
    """What the path reads of a span that starts."""

    _sampler = ErrorAwareSampler(ALWAYS_OFF)

    def __init__(self, trace: int, span: int, parent: SpanContext | None) -> None:
        self.context = tuple.__new__(SpanContext, (trace, span, False, TraceFlags(0), None, True))
        self.parent = parent


def begin(processor: ErrorSpanProcessor, trace: int, span: int, parent: int = 0) -> None:
    """A span starts; no parent is 0. It ends by on_end with a ReadableSpan of the same ids."""
    started: Any = Started(trace, span, SpanContext(trace, parent, False) if parent else None)
    processor.on_start(started)


def traced_service(rules: str = KEEP_ERRORS, head: Any = ALWAYS_OFF, **arguments: Any) -> Service:
    return Service(rules, head, **{"scope": "trace", **arguments})


def endings(processor: ErrorSpanProcessor) -> dict[str, int]:
    stats = processor.stats()
    assert stats.balanced, stats
    return {name: count for name, count in stats.endings.items() if count}


def told(span: Span) -> dict[str, Any]:
    """What of ours a span says besides rule and scope."""
    values: dict[str, Any] = {}
    for item in span.attributes:
        if item.key in ("errsample.partial", "errsample.dropped_children"):
            values[item.key.removeprefix("errsample.")] = getattr(item.value, item.value.WhichOneof("value") or "")
    return values
