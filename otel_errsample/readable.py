"""Copies of ended spans: with what is added for a user's own exporter, and without their secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState
from opentelemetry.util.types import AnyValue, Attributes

from otel_errsample.bounds import bounded_events, bounded_status, held_attributes, held_events


def enriched(
    span: ReadableSpan,
    trace_state: str | None,
    extra: Mapping[str, AnyValue] | None,
    bare: Mapping[str, Any] | None = None,
) -> ReadableSpan:
    """A copy of `span`; the span itself is shared with the other processors and stays as it is.

    `trace_state` is the header to carry (None: the span's own, "": none), `extra` what is added to its attributes, `bare`
    the attributes of the event of which the stack text is on another span. The texts of errors are cut to size.
    """
    events, status = bounded_events(span._events, bare), bounded_status(span.status)
    if trace_state is None and not extra and events is span._events and status is span.status:
        return span
    context = span.get_span_context()
    if trace_state is not None and context is not None:
        state = TraceState.from_header([trace_state]) if trace_state else TraceState()
        context = SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags, state)
    return copied(span, context, _with_extra(span, extra) if extra else span._attributes, events, status)


def copied(
    span: ReadableSpan,
    context: SpanContext | None,
    attributes: Attributes,
    events: Sequence[Event] | None = None,
    status: Status | None = None,
) -> ReadableSpan:
    """A copy with another context and other attributes, and events and status in the place of the span's own."""
    return ReadableSpan(
        name=span.name,
        context=context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=span._events if events is None else events,
        links=span._links,
        kind=span.kind,
        status=span.status if status is None else status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _with_extra(span: ReadableSpan, extra: Mapping[str, AnyValue]) -> BoundedAttributes:
    return held_attributes({**(span.attributes or {}), **extra}, span.dropped_attributes)


def replaced(
    span: ReadableSpan,
    name: str,
    attributes: Mapping[str, AnyValue] | None,
    events: Sequence[Event] | None,
    description: str | None,
) -> ReadableSpan:
    """A copy of `span` with these texts; None leaves attributes as they are and means no events, no description.

    What a span of another type cannot tell without raising is left out, since its texts must not leave by the original.
    """
    code = _field(_field(span, "status", None), "status_code", StatusCode.UNSET)
    own = _field(span, "_attributes", None)
    return ReadableSpan(
        name=name,
        context=_field(span, "context", None),
        parent=_field(span, "parent", None),
        resource=_field(span, "resource", None),
        attributes=own if attributes is None else _bounded(attributes, own),
        events=held_events(events or (), _field(span, "dropped_events", 0)),
        links=_field(span, "_links", ()),
        kind=_field(span, "kind", None),
        status=Status(code, description if code is StatusCode.ERROR and isinstance(description, str) else None),
        start_time=_field(span, "start_time", None),
        end_time=_field(span, "end_time", None),
        instrumentation_scope=_field(span, "instrumentation_scope", None),
    )


def mended(span: object) -> ReadableSpan | None:
    """A copy of what can be read of a span, for the stages that read it; None of what has no context.

    Resource, attributes, events, links and status are of the SDK's types or left out; other fields stay as they are, bad ones too,
    since the encoder mends these by itself.
    """
    context = _field(span, "context", None)
    if not isinstance(context, SpanContext):
        return None
    resource, status = _field(span, "resource", None), _field(span, "status", None)
    return ReadableSpan(
        name=_field(span, "name", ""),
        context=context,
        parent=_field(span, "parent", None),
        resource=resource if isinstance(resource, Resource) else Resource.get_empty(),
        attributes=_mapping(_field(span, "attributes", None)),
        events=[event for event in _items(_field(span, "events", ())) if _is_event(event)],
        links=[link for link in _items(_field(span, "links", ())) if isinstance(link, Link)],
        kind=_field(span, "kind", SpanKind.INTERNAL),
        status=status if isinstance(status, Status) else Status(),
        start_time=_field(span, "start_time", None),
        end_time=_field(span, "end_time", None),
        instrumentation_scope=_field(span, "instrumentation_scope", None),
    )


def event_with(event: Event, name: str, attributes: Mapping[str, AnyValue]) -> Event:
    """A copy of `event` with another name and other attributes."""
    own = _field(event, "_attributes", None)
    return Event(name, _bounded(attributes, own), _field(event, "timestamp", 0))


def _bounded(attributes: Mapping[str, AnyValue], own: object) -> Any:
    """`attributes` as the SDK keeps them, where the original's are; it says how many were dropped before."""
    return held_attributes(attributes, own.dropped) if type(own) is BoundedAttributes else attributes


def _is_event(event: object) -> bool:
    return isinstance(event, Event) and isinstance(_field(event, "attributes", 0), (Mapping, NoneType))


def _mapping(attributes: object) -> Attributes:
    try:
        return dict(attributes)  # type: ignore[call-overload, no-any-return]  # of any type: it may raise
    except Exception:
        return None


def _items(items: Any) -> list[Any]:
    try:
        return list(items)
    except Exception:
        return []


def _field(owner: object, name: str, default: Any) -> Any:
    try:
        return getattr(owner, name)
    except Exception:
        return default
