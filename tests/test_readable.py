"""A user's exporter sees the span with our attributes; everybody else sees it without."""

from __future__ import annotations

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from otel_errsample.readable import enriched, event_with, mended, replaced

CONTEXT = SpanContext(1, 2, False)


def a_span() -> ReadableSpan:
    context = SpanContext(1, 2, False, TraceFlags(1), TraceState([("ot", "th:8"), ("v", "1")]))
    attributes = BoundedAttributes(1, {"dropped": 0, "own": 1})
    events = BoundedList.from_seq(1, [Event("first", {}, 5), Event("second", {}, 6)])
    return ReadableSpan(
        "name",
        context=context,
        parent=SpanContext(1, 9, True),
        resource=Resource({"service.name": "s"}),
        attributes=attributes,
        events=events,
        links=BoundedList.from_seq(4, [Link(context)]),
        kind=SpanKind.SERVER,
        status=Status(StatusCode.ERROR, "why"),
        start_time=3,
        end_time=4,
        instrumentation_scope=InstrumentationScope("scope"),
    )


def test_a_span_that_gains_nothing_is_handed_on_as_it_is() -> None:
    span = a_span()
    assert span is enriched(span, None, None)


def test_extra_attributes_are_added_to_a_copy() -> None:
    span = a_span()
    copy = enriched(span, None, {"errsample.kind": "bug"})
    assert {"own": 1, "errsample.kind": "bug"} == dict(copy.attributes or {})
    assert {"own": 1} == dict(span.attributes or {})


def test_everything_else_is_kept_dropped_counts_too() -> None:
    span = a_span()
    copy = enriched(span, "ot=th:0", {"errsample.kind": "bug"})
    for name in ("name", "parent", "resource", "events", "links", "kind", "status", "start_time", "end_time"):
        assert getattr(span, name) == getattr(copy, name)
    assert span.instrumentation_scope is copy.instrumentation_scope
    assert (1, 1, 0) == (copy.dropped_attributes, copy.dropped_events, copy.dropped_links)


def test_the_trace_state_is_replaced_or_emptied() -> None:
    span = a_span()
    assert "ot=th:0,v=1" == enriched(span, "ot=th:0,v=1", None).context.trace_state.to_header()
    assert "" == enriched(span, "", None).context.trace_state.to_header()
    assert 2 == enriched(span, "", None).context.span_id


def test_a_copy_with_other_texts_keeps_the_rest_dropped_counts_too() -> None:
    span = a_span()
    event = event_with(span.events[0], "other", {"a": "b"})
    assert ("other", {"a": "b"}, span.events[0].timestamp) == (
        event.name,
        dict(event.attributes or {}),
        event.timestamp,
    )
    copy = replaced(span, "renamed", None, [event], None)
    assert ("renamed", [event], None) == (copy.name, list(copy.events), copy.status.description)
    assert StatusCode.ERROR is copy.status.status_code
    for name in ("context", "parent", "resource", "attributes", "links", "kind", "start_time", "end_time"):
        assert getattr(span, name) == getattr(copy, name)
    assert span.instrumentation_scope is copy.instrumentation_scope
    assert (span.dropped_attributes, span.dropped_events, span.dropped_links) == (
        copy.dropped_attributes, copy.dropped_events, copy.dropped_links
    )  # fmt: skip
    assert "why" == span.status.description


def test_what_a_span_cannot_tell_is_left_out_of_its_copy() -> None:
    class Broken(ReadableSpan):
        @property
        def kind(self) -> SpanKind:
            raise RuntimeError

    copy = replaced(Broken("b", kind=SpanKind.SERVER), "c", {"a": 1}, None, "why")
    left: list[object] = [copy.name, copy.kind, copy.attributes, copy.events, copy.status.description]
    assert ["c", None, {"a": 1}, (), None] == left


class TestMended:
    def test_what_can_be_read_and_is_of_the_sdks_types_stays(self) -> None:
        event, link = Event("e", {"k": 1}, 1), Link(CONTEXT)
        span = ReadableSpan(
            "s", context=CONTEXT, attributes={"a": 1}, events=[event], links=[link], kind=SpanKind.SERVER
        )
        span._status = Status(StatusCode.ERROR, "why")
        copy = mended(span)
        assert copy is not None
        assert ("s", CONTEXT, {"a": 1}, SpanKind.SERVER) == (copy.name, copy.context, copy.attributes, copy.kind)
        assert ((event,), (link,), "why") == (copy.events, copy.links, copy.status.description)

    def test_what_is_of_another_type_is_left_out(self) -> None:
        span = ReadableSpan("s", context=CONTEXT)
        good, odd = Event("good", {}, 1), Event("odd", {}, 1)
        odd._attributes = 7  # type: ignore[assignment]
        for name, value in {
            "resource": "r",
            "attributes": 7,
            "events": [None, good, odd],
            "links": 7,
            "status": "bad",
        }.items():
            setattr(span, f"_{name}", value)
        copy = mended(span)
        assert copy is not None
        assert ({}, {}, (good,), ()) == (dict(copy.resource.attributes), copy.attributes, copy.events, copy.links)
        assert StatusCode.UNSET is copy.status.status_code

    @pytest.mark.parametrize("span", [None, "span", ReadableSpan("s")], ids=["None", "text", "no context"])
    def test_what_has_no_context_has_no_copy(self, span: object) -> None:
        assert mended(span) is None


def test_a_description_that_is_no_text_is_left_out_of_a_copy() -> None:
    span = ReadableSpan("a", status=Status(StatusCode.ERROR))
    assert None is replaced(span, "a", None, None, object()).status.description  # type: ignore[arg-type]
