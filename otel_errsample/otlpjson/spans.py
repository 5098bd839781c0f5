"""Spans from OTLP JSON: the SDK's own ReadableSpan, which the path takes as it takes a span that ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from otel_errsample.otlpjson.fields import Fields, each, enum, fields_of, hex_id, part, text, whole
from otel_errsample.otlpjson.values import attributes, bounded

T = TypeVar("T")

_HAS_IS_REMOTE: Final = 0x100  # SpanFlags in trace.proto
_IS_REMOTE: Final = 0x200
_CALLED: Final = (SpanKind.SERVER, SpanKind.CONSUMER)
_KINDS: Final = {
    "SPAN_KIND_UNSPECIFIED": SpanKind.INTERNAL,
    "SPAN_KIND_INTERNAL": SpanKind.INTERNAL,
    "SPAN_KIND_SERVER": SpanKind.SERVER,
    "SPAN_KIND_CLIENT": SpanKind.CLIENT,
    "SPAN_KIND_PRODUCER": SpanKind.PRODUCER,
    "SPAN_KIND_CONSUMER": SpanKind.CONSUMER,
}
_STATUSES: Final = {
    "STATUS_CODE_UNSET": StatusCode.UNSET,
    "STATUS_CODE_OK": StatusCode.OK,
    "STATUS_CODE_ERROR": StatusCode.ERROR,
}


def spans_of(document: object) -> list[ReadableSpan]:
    """The spans of one TracesData; none where the document is about logs or metrics.

    A span counts as sampled unless its flags say otherwise: exporters send sampled spans only, and Python's leave the
    trace flags out. Raises OtlpJsonError for the first thing that is no OTLP.
    """
    return _flat(each(fields_of(document), "resourceSpans", _resource_spans))


def _resource_spans(owner: Fields) -> list[ReadableSpan]:
    schema = text(owner, "schemaUrl")
    resource = part(owner, "resource", lambda given: Resource(attributes(given), schema))
    return _flat(each(owner, "scopeSpans", lambda inner: _scope_spans(inner, resource)))


def _scope_spans(owner: Fields, resource: Resource) -> list[ReadableSpan]:
    schema = text(owner, "schemaUrl")
    scope = part(owner, "scope", lambda given: _scope(given, schema))
    return each(owner, "spans", lambda inner: _span(inner, resource, scope))


def _scope(owner: Fields, schema: str) -> InstrumentationScope:
    return InstrumentationScope(text(owner, "name"), text(owner, "version"), schema, attributes(owner))


def _span(owner: Fields, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    context = _context(owner)
    kind = enum(owner, "kind", _KINDS, SpanKind.INTERNAL)
    return ReadableSpan(
        text(owner, "name"),
        context=context,
        parent=_parent(owner, context, kind),
        resource=resource,
        attributes=bounded(owner),
        events=_listed(owner, "events", _event, "droppedEventsCount"),
        links=_listed(owner, "links", _link, "droppedLinksCount"),
        kind=kind,
        status=part(owner, "status", _status),
        start_time=whole(owner, "startTimeUnixNano", 64) or None,
        end_time=whole(owner, "endTimeUnixNano", 64) or None,
        instrumentation_scope=scope,
    )


def _context(owner: Fields, is_remote: bool = False) -> SpanContext:
    state = text(owner, "traceState")
    return SpanContext(
        hex_id(owner, "traceId", 32),
        hex_id(owner, "spanId", 16),
        is_remote,
        trace_flags=TraceFlags(whole(owner, "flags", 32) & 0xFF or TraceFlags.SAMPLED),
        trace_state=TraceState.from_header([state]) if state else None,
    )


def _parent(owner: Fields, context: SpanContext, kind: SpanKind) -> SpanContext | None:
    # Some exporters write a missing parent as zeros.
    parent_id = hex_id(owner, "parentSpanId", 16) if owner.get("parentSpanId") else 0
    # Exporters from before 2024 do not say whether it is in another process.
    return SpanContext(context.trace_id, parent_id, _is_remote(owner, kind in _CALLED)) if parent_id else None


def _is_remote(owner: Fields, guess: bool = False) -> bool:
    """What the flags say: of a span about its parent, of a link about the linked span."""
    flags = whole(owner, "flags", 32)
    return bool(flags & _IS_REMOTE) if flags & _HAS_IS_REMOTE else guess


def _status(owner: Fields) -> Status:
    code, message = enum(owner, "code", _STATUSES, StatusCode.UNSET), text(owner, "message")
    # The SDK has a description of errors only.
    return Status(code, message or None if code is StatusCode.ERROR else None)


def _event(owner: Fields) -> Event:
    return Event(text(owner, "name"), bounded(owner), whole(owner, "timeUnixNano", 64))


def _link(owner: Fields) -> Link:
    return Link(_context(owner, _is_remote(owner)), bounded(owner))


def _listed(owner: Fields, name: str, read: Callable[[Fields], T], dropped: str) -> BoundedList[T]:
    listed = BoundedList.from_seq(None, each(owner, name, read))
    listed.dropped = whole(owner, dropped, 32)
    return listed


def _flat(lists: list[list[T]]) -> list[T]:
    return [item for items in lists for item in items]
