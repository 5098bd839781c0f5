"""A user's exporter sees the span with our attributes; everybody else sees it without."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from otel_errsample import ErrorSpanProcessor
from otel_errsample.readable import enriched, event_with, mended, replaced
from otel_errsample.testing import CollectingTransport

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


class Masked(ReadableSpan):
    """It shows other attributes than it holds."""

    @property
    def attributes(self) -> Any:
        return {"iban": "***"}

    @property
    def dropped_attributes(self) -> int:
        return 4


class Shown:
    """A span of another package, with public properties only."""

    name, kind, start_time, end_time = "shown", SpanKind.CLIENT, 3, 4
    context, parent, resource, instrumentation_scope = CONTEXT, None, Resource({}), None
    status = Status(StatusCode.ERROR, "why")
    attributes = MappingProxyType({"a": 1})
    events = (Event("first", {}, 5),)
    links = (Link(CONTEXT),)
    dropped_attributes, dropped_events, dropped_links = 2, 3, 4


class MaskedEvent(Event):
    @property
    def attributes(self) -> Any:
        return {"exception.message": "m" * 2000, "iban": "***"}


class TestSpansOfOtherTypes:
    @pytest.mark.parametrize("extra", [None, {"added": 1}])
    def test_what_a_property_masks_is_in_no_copy(self, extra: dict[str, Any] | None) -> None:
        span: Any = Masked("s", context=CONTEXT, attributes={"iban": "DE02120300000000202051"})
        copies = [enriched(span, "ot=th:0", extra), replaced(span, "s", None, None, None)]
        expected = [{"iban": "***", **(extra or {})}, {"iban": "***"}]
        assert expected == [dict(copy.attributes or {}) for copy in copies]
        assert [4, 4] == [copy.dropped_attributes for copy in copies]

    def test_nor_what_an_event_does(self) -> None:
        event = MaskedEvent("e", {"iban": "DE02120300000000202051"}, 5)
        (copy,) = enriched(ReadableSpan("s", context=CONTEXT, events=[event]), None, None).events
        assert {"exception.message": "m" * 1024, "iban": "***"} == copy.attributes

    def test_public_properties_are_enough(self) -> None:
        span: Any = Shown()
        for copy in (enriched(span, "ot=th:0", {"b": 2}), replaced(span, "shown", None, span.events, "why")):
            assert 1 == (copy.attributes or {})["a"]
            assert (span.events, span.links, "why") == (copy.events, copy.links, copy.status.description)
            assert (2, 3, 4) == (copy.dropped_attributes, copy.dropped_events, copy.dropped_links)
            assert ("shown", SpanKind.CLIENT, 3, 4) == (copy.name, copy.kind, copy.start_time, copy.end_time)
        assert (span, {"a": 1}) == (enriched(span, None, None), span.attributes)

    def test_a_count_that_is_none_is_no_count(self) -> None:
        span: Any = Shown()
        span.dropped_attributes = span.dropped_links = "many"
        copy = replaced(span, "shown", None, None, None)
        assert (0, 3, 0) == (copy.dropped_attributes, copy.dropped_events, copy.dropped_links)

    @pytest.mark.parametrize("field", [{"status": None}, {"events": None}, {"attributes": [("a", 1)]}], ids=str)
    def test_a_field_that_the_sdk_never_leaves_like_that_costs_no_copy(self, field: dict[str, Any]) -> None:
        span = ReadableSpan("s", **{"context": CONTEXT, "attributes": {"a": 1}, **field})
        copy = enriched(span, "ot=th:0", {"b": 2})
        assert ({"a": 1, "b": 2}, ()) == (copy.attributes, copy.events)
        assert ("ot=th:0", StatusCode.UNSET) == (copy.context.trace_state.to_header(), copy.status.status_code)

    @pytest.mark.parametrize("description", ["why", "password=q7hunter2X"])
    @pytest.mark.parametrize("mode", ["default", "strict"])
    def test_what_is_masked_leaves_masked_with_a_secret_and_without(self, mode: str, description: str) -> None:
        sent, memory = CollectingTransport(), InMemorySpanExporter()
        status = Status(StatusCode.ERROR, description)
        span = Masked(
            "s", context=CONTEXT, resource=Resource({}), attributes={"iban": "DE02120300000000202051"}, status=status
        )
        for way in ({"transport": sent}, {"exporter": memory}):
            processor = ErrorSpanProcessor("keep", scrub=mode, **way)
            processor.on_end(span)
            assert processor.shutdown(5_000)
        assert ["***"] == [(copy.attributes or {})["iban"] for copy in memory.get_finished_spans()]
        assert b"***" in b"".join(sent.payloads)
        assert b"DE02120300000000202051" not in b"".join(sent.payloads)

    @pytest.mark.parametrize("field", [{"status": None}, {"events": None}, {"attributes": [("a", 1)]}], ids=str)
    def test_an_exporter_gets_what_otlp_would_deliver(
        self, memory: InMemorySpanExporter, field: dict[str, Any]
    ) -> None:
        processor = ErrorSpanProcessor("keep", memory)
        span = ReadableSpan("s", **{"context": CONTEXT, "resource": Resource({}), "attributes": {"a": 1}, **field})
        processor.on_end(span)
        assert processor.shutdown(5_000)
        (copy,) = memory.get_finished_spans()
        assert (1, ()) == ((copy.attributes or {})["a"], copy.events)
        assert {} == processor.stats().internal_errors

    def test_what_has_no_context_either_has_no_copy(self) -> None:
        with pytest.raises(AttributeError):
            enriched(ReadableSpan("s", status=None), None, None)  # type: ignore[arg-type]  # as the SDK never makes it


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
