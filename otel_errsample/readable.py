"""Copies of ended spans: with what is added for a user's own exporter, and without their secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState
from opentelemetry.util.types import AnyValue, Attributes

from otel_errsample.bounds import bounded_events, bounded_status, held_attributes, held_list


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
    try:
        return _enriched(span, trace_state, extra, bare)
    except Exception:  # of fields of types that the SDK never gives a span
        copy = mended(span)
        if copy is None:
            raise
        return _enriched(copy, trace_state, extra, bare)


def _enriched(
    span: ReadableSpan,
    trace_state: str | None,
    extra: Mapping[str, AnyValue] | None,
    bare: Mapping[str, Any] | None,
) -> ReadableSpan:
    own = _events_of(span)
    events, status = bounded_events(own, bare), bounded_status(span.status)
    if trace_state is None and not extra and events is own and status is span.status:
        return span
    context = span.context
    if trace_state is not None and context is not None:
        state = TraceState.from_header([trace_state]) if trace_state else TraceState()
        context = SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags, state)
    attributes = _attributes_of(span)
    if extra:
        attributes = held_attributes({**(attributes or {}), **extra}, span.dropped_attributes)
    return copied(span, context, attributes, events, status)


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
        events=_events_of(span) if events is None else events,
        links=_links_of(span),
        kind=span.kind,
        status=span.status if status is None else status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


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
    return ReadableSpan(
        name=name,
        context=_field(span, "context", None),
        parent=_field(span, "parent", None),
        resource=_field(span, "resource", None),
        attributes=_attributes_of(span) if attributes is None else _counted(attributes, span),
        events=held_list(events or (), _dropped(span, "dropped_events")),
        links=_links_of(span),
        kind=_field(span, "kind", None),
        status=Status(code, description if code is StatusCode.ERROR and isinstance(description, str) else None),
        start_time=_field(span, "start_time", None),
        end_time=_field(span, "end_time", None),
        instrumentation_scope=_field(span, "instrumentation_scope", None),
    )


def mended(span: Any) -> ReadableSpan | None:
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
        attributes=_mapping(_attributes_of(span)),
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
    return Event(name, _counted(attributes, event), _field(event, "timestamp", 0))


def _attributes_of(span: ReadableSpan) -> Any:
    """The container of a span's attributes, which knows how many were dropped, where the span is the SDK's own.

    By the public property another type may tell less than it holds by a private name, or all that it has.
    """
    if type(span) is ReadableSpan and hasattr(span, "_attributes"):
        return span._attributes
    return _counted(_mapping(_field(span, "attributes", None)), span)


def _events_of(span: ReadableSpan) -> Sequence[Event]:
    if type(span) is ReadableSpan and hasattr(span, "_events"):
        return span._events
    return held_list(_items(_field(span, "events", ())), _dropped(span, "dropped_events"))


def _links_of(span: ReadableSpan) -> Sequence[Link]:
    if type(span) is ReadableSpan and hasattr(span, "_links"):
        return span._links
    return held_list(_items(_field(span, "links", ())), _dropped(span, "dropped_links"))


def _counted(attributes: Attributes, owner: ReadableSpan | Event) -> Attributes:
    """`attributes` in what says how many the owner lost before; as they are where it lost none."""
    dropped = _dropped(owner, "dropped_attributes")
    return held_attributes(attributes or {}, dropped) if dropped else attributes


def _dropped(owner: ReadableSpan | Event, name: str) -> int:
    dropped = _field(owner, name, 0)
    return dropped if type(dropped) is int else 0


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
