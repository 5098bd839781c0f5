"""Spans for tests, made the way the SDK makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState

SECOND = 1_000_000_000
STARTED = 1_800_000_000 * SECOND


def make_span(
    name: Any = "work",
    *,
    attributes: Mapping[str, Any] | None = None,
    resource: Mapping[str, Any] | None = None,
    seconds: float | None = 0.25,
    kind: Any = SpanKind.INTERNAL,
    root: bool = True,
    trace_id: int = 0x0AF7651916CD43DD8448EB211C80319C,
    trace_state: Mapping[str, str] | None = None,
) -> ReadableSpan:
    """An ended span; `seconds` None leaves its end open."""
    state = TraceState(list(trace_state.items())) if trace_state else None
    bounded = BoundedAttributes(128)
    # Past the SDK's checks, as instrumentations that bypass them do: any value must be safe to decide on.
    bounded._dict.update(attributes or {})
    return ReadableSpan(
        name,
        context=SpanContext(trace_id, 0xB7AD6B7169203331, False, TraceFlags(1), state),
        parent=None if root else SpanContext(trace_id, 0xC7AD6B7169203331, False),
        resource=Resource(dict(resource or {})),
        attributes=bounded,
        kind=kind,
        start_time=STARTED,
        end_time=None if seconds is None else STARTED + int(seconds * SECOND),
    )
