"""Scope "trace": every span of a trace in this process is kept with its error, and each has one counted ending."""

from __future__ import annotations

import psutil
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor
from otel_errsample.testing import ManualClock
from otel_errsample.testing.transport import CollectingTransport
from tests.services import KEEP_ERRORS, RESOURCE, a_span, begin, endings, failing, threshold, told, traced_service, why

HALF, QUARTER = 1 << 55, 3 << 54
LEAVE_OUT = "no: drop if name == 'dropped'; some: keep 0% if name == 'share'; limit: keep 1 per hour if name == 'limit'"


def test_every_local_span_of_the_trace_is_kept_with_its_error() -> None:
    it = traced_service()
    start = it.tracer.start_as_current_span
    with start("root"), start("handler"):
        with start("beside"), start("deep"):
            pass
        assert 2 == it.processor.stats().waiting
        with start("call"):
            with failing(it.tracer, "error"), start("below"):
                pass
            assert 0 == it.processor.stats().waiting
            with start("later"):
                pass
    spans = it.spans()
    beside = {"root", "handler", "beside", "deep", "call", "below", "later"}
    assert beside | {"error"} == set(spans)
    assert ("all", "span") == why(spans["error"])
    assert {("all", "trace")} == {why(spans[name]) for name in beside}
    assert {0} == {threshold(span) for span in spans.values()}
    assert [{}] * 8 == [told(span) for span in spans.values()]
    assert 7 == it.processor.pulled


def test_without_an_error_each_span_has_the_ending_it_would_have_had() -> None:
    it = traced_service(f"{LEAVE_OUT}; {KEEP_ERRORS}", clock=lambda: 0)
    start = it.tracer.start_as_current_span
    with start("limit"):
        pass
    with start("root"):
        for name in ("dropped", "share", "limit", "plain"):
            with start(name):
                pass
        assert 4 == it.processor.stats().waiting
        assert {} == {name: count for name, count in endings(it.processor).items() if name != "delivered"}
    assert 0 == it.processor.stats().waiting
    assert ["limit"] == list(it.spans())
    expected = {"delivered": 1, "not_sampled": 2, "dropped_by_rule": 1, "sampled_out": 1, "suppressed": 1}
    assert expected == endings(it.processor)


def test_a_mark_overrides_drop_share_and_limit_and_gives_the_limit_its_count_back() -> None:
    it = traced_service(f"{LEAVE_OUT}; {KEEP_ERRORS}", clock=lambda: 0)
    start = it.tracer.start_as_current_span
    with start("limit"):
        pass
    with start("root"):
        for name in ("dropped", "share", "limit", "limit"):
            with start(name):
                pass
        assert [2] == list(it.processor.limits.pending().values())
        with failing(it.tracer, "error"):
            pass
        with start("limit"):
            pass
    it.spans()
    names = sorted(span.name for span in it.transport.spans())
    assert ["dropped", "error", "limit", "limit", "limit", "limit", "root", "share"] == names
    # Each of them is exported and stands for itself, so nothing is left that another one would have to speak for.
    assert [0] == list(it.processor.limits.pending().values())
    assert [None] + [0] * 7 == [
        threshold(span) for span in sorted(it.transport.spans(), key=lambda span: span.end_time_unix_nano)
    ]


def test_a_count_that_was_carried_already_is_not_told_twice() -> None:
    clock = ManualClock()
    it = traced_service("limit: keep 1 per second if name == 'limit'; all: keep if error", clock=clock.monotonic_ns)
    start = it.tracer.start_as_current_span
    with start("limit"):
        pass
    with start("root"):
        with start("limit"):
            pass
        clock.advance(1.0)
        with start("limit", context=set_span_in_context(NonRecordingSpan(SpanContext(7, 8, True)))):
            pass  # kept, and carries the one that waits
        with failing(it.tracer, "error"):
            pass
        assert [-1] == list(it.processor.limits.pending().values())
    it.spans()
    spans = [span for span in it.transport.spans() if span.name == "limit"]
    carried = [item.value.int_value for span in spans for item in span.attributes if item.key == "errsample.suppressed"]
    assert (3, [1]) == (len(spans), carried)


def test_what_the_application_forbids_stays_out() -> None:
    it = traced_service()
    start = it.tracer.start_as_current_span
    with start("root"):
        with start("secret", attributes={"errsample.keep": False}):
            pass
        assert 0 == it.processor.stats().waiting
        with failing(it.tracer, "error"):
            pass
        with start("secret later", attributes={"errsample.keep": False}):
            pass
    assert {"root", "error"} == set(it.spans())


def test_a_suppressed_error_pulls_nothing_in_and_is_pulled_in_with_what_it_is() -> None:
    it = traced_service("storm: keep 1 per hour if name == 'storm'; all: keep if name == 'other'", clock=lambda: 0)
    start = it.tracer.start_as_current_span
    with start("first root"), failing(it.tracer, "storm"):
        pass
    with start("second root"), failing(it.tracer, "storm"):
        pass
    with start("third root"):
        with start("wrapper"), failing(it.tracer, "storm"):
            pass
        with failing(it.tracer, "other"):
            pass
    it.spans()
    spans = it.transport.spans()
    assert ["first root", "other", "storm", "storm", "third root", "wrapper"] == sorted(span.name for span in spans)
    pulled = next(span for span in spans if span.name == "storm" and why(span)[1] == "trace")
    assert {"errsample.fingerprint", "errsample.kind"} <= {item.key for item in pulled.attributes}
    assert ("all", "trace") == why(pulled)


def test_a_rule_says_its_own_scope() -> None:
    rules = "whole: keep trace if name == 'slow'; alone: keep span if name == 'narrow'; all: keep if error"
    it = traced_service(rules, scope="path")
    start = it.tracer.start_as_current_span
    for name in ("slow", "narrow", "wide"):
        with start(f"root of {name}"):
            with start(f"beside {name}"):
                pass
            with start(name) as span:
                span.set_status(StatusCode.ERROR if name != "slow" else StatusCode.UNSET)
    spans = it.spans()
    assert {"slow", "beside slow", "root of slow", "narrow", "wide", "root of wide"} == set(spans)
    assert ("whole", "trace") == why(spans["beside slow"])
    assert ("all", "path") == why(spans["root of wide"])


# -- where in-process tail samplers have holes


def test_a_service_behind_a_remote_parent_keeps_its_own_part() -> None:
    it = traced_service()
    caller = set_span_in_context(NonRecordingSpan(SpanContext(7, 8, True, TraceFlags(0))))
    with it.tracer.start_as_current_span("root", caller):
        with it.tracer.start_as_current_span("beside"):
            pass
        with failing(it.tracer, "error"):
            pass
    spans = it.spans()
    assert {"root", "beside", "error"} == set(spans)
    assert {7} == {int.from_bytes(span.trace_id, "big") for span in spans.values()}
    assert (8).to_bytes(8, "big") == spans["root"].parent_span_id


def test_every_error_trace_is_kept_whatever_the_head_sampler_says() -> None:
    it = traced_service(head=0.1)
    for number in range(200):
        with it.tracer.start_as_current_span(f"root {number}"):
            with it.tracer.start_as_current_span(f"beside {number}"):
                pass
            with failing(it.tracer, f"error {number}"):
                pass
    spans = it.spans()
    assert 600 == len(spans)
    assert {0} == {threshold(span) for span in spans.values()}


def test_a_child_that_starts_after_the_root_ended_follows_the_decision() -> None:
    it = traced_service()
    for name in ("kept", "let go"):
        root = it.tracer.start_span(f"root {name}")
        inside = set_span_in_context(root)
        with it.tracer.start_as_current_span(f"work {name}", inside) as span:
            span.set_status(StatusCode.ERROR if name == "kept" else StatusCode.UNSET)
        root.end()
        with it.tracer.start_as_current_span(f"late {name}", inside), it.tracer.start_as_current_span(f"below {name}"):
            pass
    spans = it.spans()
    assert {"root kept", "work kept", "late kept", "below kept"} == set(spans)
    assert ("all", "trace") == why(spans["late kept"])
    assert {"partial": True} == told(spans["late kept"]) == told(spans["below kept"])
    assert {} == told(spans["root kept"])


def test_an_error_that_comes_after_its_trace_was_let_go_keeps_what_comes_with_it() -> None:
    it = traced_service()
    root = it.tracer.start_span("root")
    inside = set_span_in_context(root)
    root.end()
    with it.tracer.start_as_current_span("background", inside):
        with it.tracer.start_as_current_span("step"):
            pass
        with failing(it.tracer, "error"):
            pass
    spans = it.spans()
    assert {"background", "step", "error"} == set(spans)
    assert [{"partial": True}] * 3 == [told(span) for span in spans.values()]


def test_roots_that_never_end_cost_a_bounded_number_of_traces() -> None:
    it = traced_service(max_buffer_bytes=1 << 20)
    process, resident = psutil.Process(), 0
    for number in range(1, 100_001):
        if number == 20_000:
            resident = process.memory_info().rss
        begin(it.processor, number, 1)
        if number % 10 == 0:
            begin(it.processor, number, 2, 1)
            it.processor.on_end(a_span(2, 1, trace=number))
    assert process.memory_info().rss - resident < 8 << 20
    stats = it.processor.stats()
    assert 16_384 == it.processor.traces
    assert stats.balanced
    assert 10_000 == stats.ended == stats.waiting + stats.endings["not_sampled"] + stats.endings["thinned"]
    assert 0 < stats.waiting <= 1_639
    assert stats.peak_buffer_bytes <= 1 << 20
    assert {} == it.spans()
    assert 0 == it.processor.stats().waiting


# -- what they stand for


@pytest.mark.parametrize(
    ("rules", "head", "expected"),
    [
        ("keep if error", "ot=th:8", 0),
        ("keep 25% if error", "ot=th:8", HALF),  # the head sampler is a reason too, and the better one
        ("keep 50% if error", "ot=th:c", HALF),
        ("keep 1 per hour if error", "ot=th:c", QUARTER),  # a limit has no rate
        ("slow: keep 25% if name == '3'; keep if error", "", 0),
        ("slow: keep 25% if name == '3'; keep 50% if error", "", HALF),
        ("slow: keep 25% if name == '3'; keep 1 per hour if error", "", QUARTER),
        ("no: drop if name == '3'; keep 50% if error", "ot=th:c", HALF),
        ("keep 1 per hour if error", "", None),
    ],
)
def test_a_span_waits_for_the_smallest_threshold_among_its_reasons(rules: str, head: str, expected: int | None) -> None:
    it = traced_service(rules)
    state = TraceState.from_header([head]) if head else None
    trace = (1 << 56) - 1
    for number, parent in ((1, 0), (2, 1), (3, 1)):
        begin(it.processor, trace, number, parent)
    for number in (3, 2, 1):
        span = a_span(number, 1 if number > 1 else None, number == 2, trace=trace)
        span._context = SpanContext(trace, number, False, TraceFlags(1 if head else 0), state)
        it.processor.on_end(span)
    assert expected == threshold(it.spans()["3"])


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        (ErrorAwareSampler(ParentBased(TraceIdRatioBased(0.5))), {0}),  # writes no threshold, and has one all the same
        (ErrorAwareSampler(0.5, record=0.75), {1 << 54}),
    ],
    ids=["classic", "recorded share"],
)
def test_what_is_known_of_the_head_sampler_counts(sampler: ErrorAwareSampler, expected: set[int]) -> None:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor(KEEP_ERRORS, scope="trace", transport=transport)
    provider = TracerProvider(sampler, resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    for _ in range(40):
        with tracer.start_as_current_span("root"):
            with tracer.start_as_current_span("before"):
                pass
            with failing(tracer, "error"):
                pass
    assert processor.shutdown(10_000)
    assert processor.stats().balanced
    spans = transport.spans()
    assert 3 * 20 < len(spans) == processor.stats().ended
    assert expected == {threshold(span) for span in spans}


def test_without_an_error_the_head_sampler_and_the_share_of_a_rule_say_the_weight() -> None:
    it = traced_service("slow: keep 25% if name == '3'; all: keep if error")
    trace = (1 << 56) - 1
    for number, parent in ((1, 0), (2, 1), (3, 1)):
        begin(it.processor, trace, number, parent)
    for number in (3, 2, 1):
        span = a_span(number, 1 if number > 1 else None, trace=trace)
        if number != 3:
            span._context = SpanContext(trace, number, False, TraceFlags(1), TraceState.from_header(["ot=th:8"]))
        it.processor.on_end(span)
        assert min(2, 4 - number) * (number > 1) == it.processor.stats().waiting
    spans = it.spans()
    assert [HALF, HALF, QUARTER] == [threshold(spans[name]) for name in "123"]
    assert [(None, None), (None, None), ("slow", "span")] == [why(spans[name]) for name in "123"]


class OwnState(TraceState):
    """Of another library: what it means is not ours to say."""


def test_a_trace_state_of_a_foreign_class_stays_as_it_is_on_a_span_that_waited() -> None:
    it = traced_service()
    for number in (1, 2):
        begin(it.processor, 7, number, number - 1)
    waits = a_span(2, 1)
    waits._context = SpanContext(7, 2, False, TraceFlags(0), OwnState([("vendor", "value")]))
    it.processor.on_end(waits)
    assert 1 == it.processor.stats().waiting
    it.processor.on_end(a_span(1, failed=True))
    spans = it.spans()
    assert ("vendor=value", "ot=th:0") == (spans["2"].trace_state, spans["1"].trace_state)


def test_a_callback_is_asked_once_for_an_error_that_finds_no_room_to_wait() -> None:
    asked = []
    it = traced_service(
        "share: keep span 99.9% if error",
        enrich=lambda span, facts: asked.append(span.name),
        max_buffer_bytes=256 << 10,
    )
    with it.tracer.start_as_current_span("root"):
        for number in range(1000):
            with failing(it.tracer, f"error {number}"):
                pass
    delivered = len(it.spans())
    endings = it.processor.stats().endings
    # On a busy machine the worker may be late, and what is kept then finds no room either.
    assert len(set(asked)) == len(asked) == delivered + endings["evicted"] + endings["buffer_full"]


def test_spans_that_stand_for_themselves_do_not_wait() -> None:
    it = traced_service(head=ALWAYS_ON)
    with it.tracer.start_as_current_span("root"):
        with it.tracer.start_as_current_span("child"):
            pass
        assert 0 == it.processor.stats().waiting
    assert {"root", "child"} == set(it.spans())
