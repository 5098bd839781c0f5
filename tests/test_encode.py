"""The span: the official encoder's bytes, whatever the span is like, within any cap."""

from __future__ import annotations

import logging
import resource as limits
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, TraceState

from tests.hostile import Hostile
from tests.spans import PublicContext, PublicSpan, hot, make_context, make_span, parse, scalars, spans
from tests.unready import needs_unready, unready

assert hot.probe(), "these tests are about the known layout; the public one is asked for with PublicSpan"


def official(span: ReadableSpan) -> bytes:
    (resource,) = encode_spans([span]).resource_spans
    scope = resource.scope_spans[0]
    scope.ClearField("scope")
    scope.ClearField("schema_url")
    return scope.SerializeToString()


def exception_event(message: str = "no", stack: str = "  File", name: str = "exception") -> Event:
    return Event(name, {"exception.message": message, "exception.stacktrace": stack}, 5)


def values_of(attributes: Any) -> dict[str, str]:
    return {item.key: item.value.string_value for item in attributes}


@pytest.mark.scenario("B3")
@settings(max_examples=200, deadline=None)
@given(spans())
def test_writes_the_bytes_of_the_official_encoder(span: ReadableSpan) -> None:
    assert (official(span), 0, 0) == hot.encode_counted(span)


@pytest.mark.scenario("B3")
@settings(max_examples=100, deadline=None)
@given(spans(public=True))
def test_a_span_with_public_properties_only_gives_the_same_bytes(span: ReadableSpan) -> None:
    assert (official(span), 0, 0) == hot.encode_counted(span)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1), scalars, max_size=3))
def test_plain_containers_in_place_of_the_sdks_are_read_too(attributes: dict[str, Any]) -> None:
    span = make_span(
        attributes=attributes, events=[Event("e", attributes, 1)], links=(Link(make_context(3, 4), attributes),)
    )
    assert official(span) == hot.encode(span)


def test_spans_ended_by_the_sdk_with_exception_links_and_dropped_attributes() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({}), span_limits=SpanLimits(max_attributes=2, max_events=1, max_links=1)
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("library")
    logging.disable(logging.WARNING)
    try:
        with pytest.raises(ZeroDivisionError), tracer.start_as_current_span("outer"):
            links = [Link(make_context(n, n)) for n in (1, 2, 3)]
            with tracer.start_as_current_span("inner", kind=SpanKind.CLIENT, links=links) as span:
                span.set_attributes({"a": 1, "b": (1, 2), "c": "three"})
                span.add_event("before")
                _ = 1 / 0
    finally:
        logging.disable(logging.NOTSET)
    inner, outer = exporter.get_finished_spans()
    assert (1, 1, 2) == (inner.dropped_attributes, inner.dropped_events, inner.dropped_links)
    assert [official(inner), official(outer)] == [hot.encode(inner), hot.encode(outer)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, "a=1,b=2", id="own"),
        pytest.param("ot=th:8,a=1", "ot=th:8,a=1", id="replaced"),
        pytest.param("", "", id="erased"),
    ],
)
def test_the_trace_state_is_the_spans_own_unless_a_header_replaces_it(header: str | None, expected: str) -> None:
    span = make_span(context=make_context(state=TraceState([("a", "1"), ("b", "2")])))
    assert expected == parse(hot.encode(span, header)).trace_state


def test_extra_attributes_follow_the_spans_own() -> None:
    span = parse(hot.encode(make_span(attributes={"own": 1}), extra={"errsample.rule": "pay"}))
    assert ["own", "errsample.rule"] == [item.key for item in span.attributes]


@pytest.mark.parametrize(
    ("span", "level"),
    [
        pytest.param(make_span(), 0, id="whole"),
        pytest.param(make_span(events=[exception_event(message="m" * 90_000)]), 0, id="message"),
        pytest.param(make_span(events=[exception_event(stack="s" * 90_000)]), 0, id="stack"),
        pytest.param(make_span("n" * 90_000), 1, id="name"),
        pytest.param(make_span(attributes={"k" * 90_000: 1}), 1, id="key"),
        pytest.param(make_span(attributes={"k": b"v" * 90_000}), 1, id="bytes"),
        pytest.param(make_span(attributes={"k": list(range(90_000))}), 1, id="array"),
        pytest.param(make_span(attributes={"k": {str(i): i for i in range(90_000)}}), 1, id="map"),
        pytest.param(make_span(status=Status(StatusCode.ERROR, "d" * 90_000)), 0, id="description"),
        pytest.param(make_span(attributes={str(i): "v" * 200 for i in range(200)}), 2, id="attributes"),
        pytest.param(make_span(events=[Event("e", {"k": "v" * 200}, i) for i in range(200)]), 2, id="events"),
        pytest.param(make_span(links=[Link(make_context(), {"k": "v" * 200})] * 200), 2, id="links"),
        pytest.param(make_span(attributes={str(i): ["v" * 200] * 9 for i in range(200)}), 3, id="everything"),
    ],
)
def test_no_more_is_cut_than_the_cap_asks_for(span: ReadableSpan, level: int) -> None:
    field, used, repaired = hot.encode_counted(span, cap=16_384)
    assert (level, 0) == (used, repaired)
    assert len(field) <= 16_384
    assert parse(field).span_id == bytes([0, 0, 0, 0, 0, 0, 0, 2])


def test_a_long_message_keeps_its_head_and_the_rest_of_the_span_stays_whole() -> None:
    event = exception_event(message="Ä" * 9000, stack="s" * 3000)
    span = parse(hot.encode(make_span(events=[event], attributes={"exception.message": "x" * 2000})))
    expected = {"exception.message": "Ä" * 512, "exception.stacktrace": "s" * 3000}
    assert expected == values_of(span.events[0].attributes)
    assert {"exception.message": "x" * 2000} == values_of(span.attributes)


@pytest.mark.parametrize("letter", ["x", "é", "€", "\N{PILE OF POO}"], ids=["ascii", "latin", "bmp", "astral"])
def test_a_long_stack_trace_loses_its_middle(letter: str) -> None:
    lines = [f"line {n} {letter}" for n in range(9000)]
    event = exception_event(stack="\n".join(lines))
    stack = values_of(parse(hot.encode(make_span(events=[event]))).events[0].attributes)["exception.stacktrace"]
    head, _, tail = stack.partition("\n... ")
    marker, _, tail = tail.partition(" ...\n")
    whole = "\n".join(lines)
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert f"{len(whole) - len(head) - len(tail)} characters left out" == marker
    assert 8192 - 80 <= len(stack.encode()) <= 8192
    assert len(tail.encode()) == pytest.approx(3 * len(head.encode()), abs=16)


@needs_unready
def test_of_a_text_that_is_not_ready_the_middle_is_left_out_too() -> None:
    text = "".join(f"line {n}\n" for n in range(9000))
    span = make_span(events=[exception_event(stack=text)])
    odd = make_span(events=[exception_event(stack=unready(text))])
    assert hot.encode(span) == hot.encode(odd)


def test_what_is_left_out_is_counted_in_the_dropped_fields() -> None:
    span = parse(
        hot.encode(
            make_span(
                attributes={str(i): "v" * 100 for i in range(100)},
                events=[Event(str(i), {str(k): 1 for k in range(40)}, i) for i in range(100)],
                links=[Link(make_context(1, i)) for i in range(100)],
            ),
            cap=8192,
        )
    )
    assert (32, 68) == (len(span.attributes), span.dropped_attributes_count)
    assert (4, 96) == (len(span.events), span.dropped_events_count)
    assert (8, 92) == (len(span.links), span.dropped_links_count)
    assert (32, 8) == (len(span.events[0].attributes), span.events[0].dropped_attributes_count)


def test_the_last_exceptions_are_the_events_that_stay() -> None:
    names = ["exception", "a", "exception", "b", "exception", "c", "d"]
    events = [Event(name, {"n": n, "pad": "p" * 900}, n) for n, name in enumerate(names * 3)]
    span = parse(hot.encode(make_span(events=events), cap=8192))
    assert [11, 14, 16, 18] == [event.time_unix_nano for event in span.events]
    few = [Event(name, {"pad": ["p" * 900] * 2}, n) for n, name in enumerate(names[:6])]
    span = parse(hot.encode(make_span(events=few), cap=8192))
    assert [0, 2, 4, 5] == [event.time_unix_nano for event in span.events]


def test_at_the_last_level_the_extra_attributes_that_fit_stay() -> None:
    extra = {"errsample.rule": "pay", "huge": ["x" * 1000] * 64, "errsample.scope": "path"}
    own = {str(i): ["v" * 200] * 60 for i in range(60)}
    status = Status(StatusCode.ERROR, "d" * 5000)
    state = ",".join(f"k{n}={'v' * 100}" for n in range(20))
    field, level, _ = hot.encode_counted(make_span("n" * 5000, attributes=own, status=status), state, extra, 4096)
    span = parse(field)
    assert 3 == level
    assert {"errsample.rule": "pay", "errsample.scope": "path"} == values_of(span.attributes)
    assert 61 == span.dropped_attributes_count
    assert ("n" * 256, "d" * 256) == (span.name, span.status.message)


@pytest.mark.parametrize("given_header", [False, True], ids=["own", "header"])
def test_a_trace_state_is_cut_between_its_members(given_header: bool) -> None:
    state = TraceState([(f"key{n}", "v" * 90) for n in range(20)])
    span = make_span("n" * 9000, context=make_context(state=state))
    short = parse(hot.encode(span, state.to_header() if given_header else None, cap=4096)).trace_state
    assert ",".join(f"key{n}={'v' * 90}" for n in range(5)) == short


def test_what_does_not_fit_is_not_copied() -> None:
    message = "m" * 50_000_000
    span = make_span(
        attributes={"k": message, "b": b"b" * 50_000_000},
        events=[exception_event(message, message)],
        status=Status(StatusCode.ERROR, message),
    )
    before = limits.getrusage(limits.RUSAGE_SELF).ru_maxrss
    field, level, _ = hot.encode_counted(span)
    assert (1, True) == (level, len(field) < 8192)
    assert limits.getrusage(limits.RUSAGE_SELF).ru_maxrss - before < 10_000


class RaisingSpan(PublicSpan):
    raising = "name"

    def __getattribute__(self, name: str) -> Any:
        if name == object.__getattribute__(self, "raising"):
            raise SystemExit  # a KeyboardInterrupt would be handed over by the next hook, of another test
        return super().__getattribute__(name)


OF_SPANS = ["attributes", "events", "links"]
FIELDS = ["name", "kind", "parent", "start_time", "end_time", "status", *OF_SPANS, *(f"dropped_{x}" for x in OF_SPANS)]


@pytest.mark.parametrize("field", FIELDS)
def test_a_property_that_raises_costs_its_own_field_alone(field: str) -> None:
    span = make_span(
        of=RaisingSpan,
        parent=make_context(1, 9),
        attributes={"a": 1},
        events=[Event("e", {}, 1)],
        links=[Link(make_context(3, 4))],
        start_time=1,
        end_time=2,
    )
    span.raising = ""  # type: ignore[attr-defined]
    whole = parse(hot.encode(span))
    span.raising = field  # type: ignore[attr-defined]
    encoded, _, repaired = hot.encode_counted(span)
    wire_names = {
        "parent": "parent_span_id",
        "start_time": "start_time_unix_nano",
        "end_time": "end_time_unix_nano",
        **{f"dropped_{what}": f"dropped_{what}_count" for what in OF_SPANS},
    }
    whole.ClearField(wire_names.get(field, field))  # type: ignore[arg-type]
    assert (whole, 1) == (parse(encoded), repaired)


@pytest.mark.scenario("A2")
@pytest.mark.parametrize("field", FIELDS)
def test_an_object_that_raises_in_place_of_a_field_leaves_the_ids_intact(field: str) -> None:
    class Span(PublicSpan):
        pass

    setattr(Span, field, Hostile())
    encoded, _, repaired = hot.encode_counted(make_span(of=Span))
    assert (bytes([0, 0, 0, 0, 0, 0, 0, 2]), True) == (parse(encoded).span_id, repaired > 0)


class RaisingContext(PublicSpan):
    @property
    def context(self) -> Any:
        raise RuntimeError("gone")


@pytest.mark.parametrize(
    "span",
    [
        pytest.param(make_span(context=None), id="none"),
        pytest.param(make_span(context="context"), id="another type"),
        pytest.param(make_span(context=Hostile()), id="hostile"),
        pytest.param(make_span(of=RaisingContext), id="raising"),
        pytest.param("span", id="no span at all"),
    ],
)
def test_a_span_without_a_readable_context_is_the_only_one_refused(span: Any) -> None:
    with pytest.raises(ValueError, match="no readable context"):
        hot.encode(span)


def test_links_and_events_that_cannot_be_read_cost_their_neighbours_nothing() -> None:
    events = [Event("first", {}, 1), Hostile(), Event("last", {}, 3)]
    links = [Hostile(), Link(make_context(3, 4))]
    encoded, _, repaired = hot.encode_counted(make_span(events=events, links=links))
    span = parse(encoded)
    assert ["first", "", "last"] == [event.name for event in span.events]
    assert [bytes([0, 0, 0, 0, 0, 0, 0, 4])] == [link.span_id for link in span.links]
    assert 5 == repaired, "name, time, attributes, dropped count of the event; the link"


def test_trace_states_and_contexts_of_other_types_are_read_through_their_methods() -> None:
    state = {"a": "1", "b": 2}
    context = tuple.__new__(PublicContext, (1, 2, False, 1, state, True))
    encoded, _, repaired = hot.encode_counted(make_span(context=context))
    assert ("a=1,b=2", 1) == (parse(encoded).trace_state, repaired)


class Meddler(Sequence[Any]):
    """A value whose own methods run `action` while it is being encoded."""

    def __init__(self, action: Any) -> None:
        self.action = action

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> Any:
        raise IndexError

    def __iter__(self) -> Iterator[Any]:
        self.action()
        return iter(["done"])


def test_a_span_may_end_while_another_is_being_encoded() -> None:
    inner: list[bytes] = []

    def nest(depth: int) -> ReadableSpan:
        def action() -> None:
            if depth:
                inner.append(hot.encode(nest(depth - 1)))

        return make_span(f"level {depth}", attributes={"a": Meddler(action), "b": depth})

    outer = parse(hot.encode(nest(8)))
    assert [f"level {n}" for n in range(8)] == [parse(field).name for field in inner]
    assert ("level 8", "done", 8) == (
        outer.name,
        outer.attributes[0].value.array_value.values[0].string_value,
        outer.attributes[1].value.int_value,
    )


@pytest.mark.scenario("B6")
@pytest.mark.parametrize("change", ["clear", "grow", "replace"])
def test_containers_may_change_under_the_encoder(change: str) -> None:
    attributes: dict[str, Any] = {}
    items: list[Any] = []

    def meddle() -> None:
        if change == "clear":
            attributes.clear()
            items.clear()
        elif change == "grow":
            attributes.update({str(n): n for n in range(1000)})
            items.extend(range(1000))
        else:
            attributes.update(dict.fromkeys(attributes, "new" * 100))
            items[:] = ["new" * 100]

    items += [1, Meddler(meddle), "x" * 50, "y" * 50]
    attributes.update(a=items, b=Meddler(meddle), **{f"c{n}": "x" * 50 for n in range(50)})
    events: list[Event] = []
    events += [Event("e", attributes, 1), Event("f", {"k": Meddler(events.clear)}, 2), Event("g", {}, 3)]
    span = parse(hot.encode(make_span(attributes=attributes, events=events)))
    assert "a" == span.attributes[0].key
    assert 2 == len(span.events)


def test_attributes_changed_by_another_thread_are_encoded_without_a_crash() -> None:
    attributes: dict[str, Any] = {f"k{n}": n for n in range(50)}
    stop = threading.Event()

    def churn() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            attributes[f"new{n % 97}"] = ["x" * (n % 300)]
            attributes.pop(f"new{(n * 7) % 97}", None)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(3000):
            assert len(parse(hot.encode(make_span(attributes=attributes))).attributes) >= 50
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("cap", [4095, 2**30 + 1])
def test_a_cap_out_of_range_is_refused(cap: int) -> None:
    with pytest.raises(ValueError, match="expected a cap from 4096"):
        hot.encode(make_span(), cap=cap)


evil: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        scalars,
        st.text(max_size=3000),
        st.integers(-(2**200), 2**200),
        st.builds(object),
        st.builds(Hostile),
        st.builds(bytearray, st.binary(max_size=3000)),
    ),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(scalars | st.text(), inner, max_size=5),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data(), st.sampled_from([ReadableSpan, PublicSpan]), st.integers(4096, 20_000))
def test_any_span_with_any_value_anywhere_becomes_a_message_within_the_cap(
    data: st.DataObject, of: type[ReadableSpan], cap: int
) -> None:
    def something() -> Any:
        return data.draw(evil)

    def mapping() -> Any:
        return data.draw(st.dictionaries(scalars, evil, max_size=5) | evil)

    event = Event.__new__(Event)
    event._name, event._timestamp, event._attributes = something(), something(), mapping()
    link = Link.__new__(Link)
    link._context, link._attributes = data.draw(st.just(make_context(None, -1)) | evil), mapping()
    status = Status()
    status._status_code, status._description = something(), something()
    span = make_span(
        something(),
        of=of,
        context=make_context(something(), something()),
        parent=something(),
        attributes=mapping(),
        events=data.draw(st.just([event] * 50) | st.just((event,)) | evil),
        links=data.draw(st.just([link] * 50) | st.just((link,)) | evil),
        kind=something(),
        status=data.draw(st.just(status) | evil),
        start_time=something(),
        end_time=something(),
    )
    field = hot.encode(span, extra={"errsample.rule": "pay"}, cap=cap)
    assert len(field) <= cap
    assert "pay" == values_of(parse(field).attributes)["errsample.rule"]
