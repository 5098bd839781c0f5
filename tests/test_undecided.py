"""Scope "trace": every span of a trace in this process is kept with its error, and each has one counted ending."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psutil
import pytest
from opentelemetry.context import Context
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
    use_span,
)

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, Verdict
from otel_errsample._hot import RuleTable
from otel_errsample.rules import Rules
from otel_errsample.testing import ManualClock
from otel_errsample.testing.transport import CollectingTransport
from tests.services import KEEP_ERRORS, RESOURCE, Service, a_span, begin, failing, threshold, why

HALF, QUARTER = 1 << 55, 3 << 54


def service(rules: str = KEEP_ERRORS, head: Any = ALWAYS_OFF, **arguments: Any) -> Service:
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


def test_every_local_span_of_the_trace_is_kept_with_its_error() -> None:
    it = service()
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
    rules = "no: drop if name == 'dropped'; some: keep 0% if name == 'share'; limit: keep 1 per hour if name == 'limit'"
    it = service(f"{rules}; {KEEP_ERRORS}", clock=lambda: 0)
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
    rules = "no: drop if name == 'dropped'; some: keep 0% if name == 'share'; limit: keep 1 per hour if name == 'limit'"
    it = service(f"{rules}; {KEEP_ERRORS}", clock=lambda: 0)
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
    it = service("limit: keep 1 per second if name == 'limit'; all: keep if error", clock=clock.monotonic_ns)
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
    it = service()
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
    it = service("storm: keep 1 per hour if name == 'storm'; all: keep if name == 'other'", clock=lambda: 0)
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
    it = service(rules, scope="path")
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
    it = service()
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
    it = service(head=0.1)
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
    it = service()
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
    it = service()
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
    it = service(max_buffer_bytes=1 << 20)
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
    it = service(rules)
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
    it = service("slow: keep 25% if name == '3'; all: keep if error")
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


def test_spans_that_stand_for_themselves_do_not_wait() -> None:
    it = service(head=ALWAYS_ON)
    with it.tracer.start_as_current_span("root"):
        with it.tracer.start_as_current_span("child"):
            pass
        assert 0 == it.processor.stats().waiting
    assert {"root", "child"} == set(it.spans())


# -- decisions before the end


def test_a_trace_is_decided_after_its_time_and_what_ends_then_waits_anew() -> None:
    clock = ManualClock()
    it = service(clock=clock.monotonic_ns)
    start = it.tracer.start_as_current_span
    with start("root"):
        with start("early"):
            pass
        clock.advance(59.0)
        assert pytest.approx(1.0) == it.processor.settle_overdue()
        assert 1 == it.processor.stats().waiting
        clock.advance(1.0)
        assert pytest.approx(60.0) == it.processor.settle_overdue()
        assert {"not_sampled": 1} == endings(it.processor)
        with start("later"):
            pass
        with failing(it.tracer, "error"):
            pass
    spans = it.spans()
    assert {"root", "later", "error"} == set(spans)
    assert [{"partial": True}] * 3 == [told(span) for span in spans.values()]


def test_the_start_of_another_trace_decides_an_overdue_one() -> None:
    clock = ManualClock()
    it = service(clock=clock.monotonic_ns)
    it.processor.set_worker_alive(True)  # no worker looks after it
    for number in (1, 2):
        begin(it.processor, 7, number, number - 1)
    it.processor.on_end(a_span(2, 1))
    clock.advance(60.0)
    begin(it.processor, 8, 1)
    assert {"not_sampled": 1} == endings(it.processor)


def test_a_clock_that_was_set_back_decides_nothing() -> None:
    now = [10**12]
    it = service(clock=lambda: now[0])
    for number in (1, 2):
        begin(it.processor, 7, number, number - 1)
    it.processor.on_end(a_span(2, 1))
    now[0] = 0
    assert pytest.approx(60.0) == it.processor.settle_overdue()
    begin(it.processor, 8, 1)
    assert 1 == it.processor.stats().waiting


def test_shutdown_decides_what_waits() -> None:
    it = service(head=0.5)
    spans = [it.tracer.start_span("root") for _ in range(40)]
    for root in spans:
        with it.tracer.start_as_current_span("child", set_span_in_context(root)):
            pass
    assert 40 == it.processor.stats().waiting
    assert it.processor.shutdown(10_000)
    exported = it.transport.spans()
    assert {"child"} == {span.name for span in exported}
    assert {HALF} == {threshold(span) for span in exported}
    assert {"delivered": len(exported), "not_sampled": 40 - len(exported)} == endings(it.processor)
    spans[0].end()
    assert 1 == it.processor.stats().endings["after_shutdown"]
    assert 0 == it.processor.stats().waiting


def test_a_flush_sends_what_is_exported_anyway_and_leaves_the_rest_waiting() -> None:
    it = service("slow: keep 50% if name == '3'; all: keep if error")
    trace = (1 << 56) - 1
    for number in (1, 2, 3):
        begin(it.processor, trace, number, number // 2)
    for number in (3, 2):
        it.processor.on_end(a_span(number, 1, trace=trace))
    assert 2 == it.processor.stats().waiting
    assert it.processor.force_flush(10_000)
    assert ["3"] == [span.name for span in it.transport.spans()]
    assert 1 == it.processor.stats().waiting
    begin(it.processor, trace, 4, 1)
    it.processor.on_end(a_span(4, 1, failed=True, trace=trace))
    assert {"2", "3", "4"} == set(it.spans())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_waits_for_nothing_of_its_parent() -> None:
    it = service()
    for number in (1, 2, 3):
        begin(it.processor, 7, number, number // 2)
    it.processor.on_end(a_span(2, 1))
    pid = os.fork()
    if pid == 0:
        stats = it.processor.stats()
        sound = stats.waiting == stats.ended == stats.buffer_bytes == it.processor.traces == 0
        begin(it.processor, 7, 4, 1)
        it.processor.on_end(a_span(3, 1))  # its start was not seen here
        sound = sound and it.processor.traces == 1
        it.processor.on_end(a_span(4, 1))
        sound = sound and it.processor.traces == 0 and it.processor.stats().balanced
        os._exit(0 if sound else 1)
    assert 0 == os.waitpid(pid, 0)[1]
    it.processor.on_end(a_span(3, 1, failed=True))
    it.processor.on_end(a_span(1))
    assert {"1", "2", "3"} == set(it.spans())


def test_other_rules_come_into_force_while_spans_wait() -> None:
    it = service(scope="path", rules="whole: keep trace if error")

    def exchange(rules: str) -> None:
        table = RuleTable(Rules.parse(rules), it.processor.limits, it.processor.tallies)
        it.processor.exchange(table, None)

    with it.tracer.start_as_current_span("root"):
        with it.tracer.start_as_current_span("first"):
            pass
        assert 1 == it.processor.stats().waiting
        exchange("other: keep trace if name == 'error'")
        assert 1 == it.processor.stats().waiting
        with failing(it.tracer, "error"):
            pass
        exchange("none: keep path if error")
        assert (0, 0) == (it.processor.stats().waiting, it.processor.traces)
        with it.tracer.start_as_current_span("second"):
            pass
        exchange("whole: keep trace if error")
        with it.tracer.start_as_current_span("third"):
            pass
    spans = it.spans()
    assert {"root", "first", "error"} == set(spans)
    assert ("other", "trace") == why(spans["first"])
    assert ("other", "path") == why(spans["root"])  # marked as an ancestor before


def test_dry_run_tells_what_would_have_been_kept() -> None:
    it = service(dry_run=True)
    start = it.tracer.start_as_current_span
    for fails in (True, False):
        with start("root"):
            with start("beside"):
                pass
            with start("work") as span:
                span.set_status(StatusCode.ERROR if fails else StatusCode.UNSET)
    assert {} == it.spans()
    dry_run = it.processor.stats().dry_run or {}
    assert (3, 3) == (dry_run["keep"], dry_run["head"])


def test_beside_another_processor_only_unsampled_traces_wait() -> None:
    it = service(head=0.5, head_sampled=False)
    for _ in range(50):
        with it.tracer.start_as_current_span("root"):
            with it.tracer.start_as_current_span("beside"):
                pass
            with failing(it.tracer, "error"):
                pass
    assert (0, 0) == (it.processor.stats().waiting, it.processor.traces)
    it.spans()
    spans = it.transport.spans()
    kinds = endings(it.processor)
    assert 150 == kinds["delivered"] + kinds["left_to_head"]
    assert kinds["left_to_head"] % 3 == 0 < kinds["left_to_head"]
    assert {None} == {threshold(span) for span in spans}


class Keeping(SpanExporter):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


def test_a_users_exporter_gets_the_whole_trace() -> None:
    exporter = Keeping()
    processor = ErrorSpanProcessor(KEEP_ERRORS, exporter, scope="trace")
    provider = TracerProvider(ErrorAwareSampler(ALWAYS_OFF), resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("root"):
        with tracer.start_as_current_span("beside", attributes={"big": "x" * 1000}):
            pass
        waiting = processor.stats()
        assert 1 == waiting.waiting
        assert 3000 < waiting.buffer_bytes < 4500  # three times its encoded size
        with failing(tracer, "error"):
            pass
    assert processor.shutdown(10_000)
    assert processor.stats().balanced
    spans = {span.name: span for span in exporter.spans}
    assert {"root", "beside", "error"} == set(spans)
    attributes = dict(spans["beside"].attributes or {})
    assert ("all", "trace") == (attributes["errsample.rule"], attributes["errsample.scope"])
    state = spans["beside"].context and spans["beside"].context.trace_state
    assert state is not None
    assert "th:0" == state["ot"]


def test_a_verdict_of_a_waiting_error_says_that_it_is_not_kept() -> None:
    verdicts: list[Verdict] = []
    it = service("none: drop if name == 'inner'; all: keep if error", on_verdict=verdicts.append)
    with it.tracer.start_as_current_span("root"):
        with failing(it.tracer, "inner"):
            pass
        with failing(it.tracer, "outer"):
            pass
        with failing(it.tracer, "inner"):
            pass
    expected = [("drop", "span", False), ("keep", "span", True), ("keep", "trace", True)]
    assert expected == [(verdict.action, verdict.scope, verdict.kept) for verdict in verdicts]
    assert 4 == len(it.transport.spans()) if it.spans() else False


def test_names_that_a_span_has_itself_win() -> None:
    it = service()
    own = {"errsample.rule": "mine", "errsample.scope": "wide", "errsample.partial": "no"}
    with it.tracer.start_as_current_span("root"):
        with it.tracer.start_as_current_span("named", attributes=own):
            pass
        with failing(it.tracer, "error"):
            pass
    span = it.spans()["named"]
    assert ("mine", "wide") == why(span)
    assert len({item.key for item in span.attributes}) == len(span.attributes) == 3


# -- bad input


def ends_in(order: Sequence[int], failed: int) -> Callable[[ErrorSpanProcessor], None]:
    """1 is the root, 2 its child and 3 that one's."""

    def run(processor: ErrorSpanProcessor) -> None:
        for number in (1, 2, 3):
            begin(processor, 7, number, number - 1)
        for number in order:
            processor.on_end(a_span(number, number - 1 or None, number == failed))

    return run


@pytest.mark.parametrize("failed", [1, 2, 3])
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1), (1, 3, 2)], ids=str)
def test_spans_may_end_in_any_order(order: Sequence[int], failed: int) -> None:
    it = service()
    ends_in(order, failed)(it.processor)
    assert (0, 0) == (it.processor.traces, it.processor.stats().waiting)
    assert {"1", "2", "3"} == set(it.spans())


def test_what_leads_to_the_error_is_worth_as_much_as_it_and_what_is_beside_it_the_least() -> None:
    it = service(flush_errors_ms=60_000)
    #  1 ─ 2 ─ 3 ─ 4 (error, after 3), and 5 to 8 beside them
    for number, parent in ((1, 0), (2, 1), (3, 2), (4, 3), (5, 1), (6, 3), (7, 2), (8, 1)):
        begin(it.processor, 7, number, parent)
    for number, parent in ((5, 1), (6, 3), (3, 2)):
        it.processor.on_end(a_span(number, parent))
    it.processor.on_end(a_span(4, 3, failed=True))
    off_path, first = 0, 3
    assert (2, 2) == (it.processor.buffer.lanes[off_path], it.processor.buffer.lanes[first])
    for number, parent in ((7, 2), (2, 1), (8, 1), (1, 0)):
        it.processor.on_end(a_span(number, parent or None))
    assert [4, 0, 0, 4] == it.processor.buffer.lanes
    assert 8 == len(it.spans())


def test_an_end_whose_start_was_not_seen_and_a_second_end_do_not_end_the_trace() -> None:
    it = service()
    begin(it.processor, 7, 1)
    begin(it.processor, 7, 2, 1)
    it.processor.on_end(a_span(5, 1))
    it.processor.on_end(a_span(2, 1))
    it.processor.on_end(a_span(2, 1))
    assert (1, 3) == (it.processor.traces, it.processor.stats().waiting)
    it.processor.on_end(a_span(1, failed=True))
    assert 0 == it.processor.traces
    it.spans()
    assert ["1", "2", "2", "5"] == sorted(span.name for span in it.transport.spans())


def test_an_end_in_a_trace_that_nobody_saw_begin_is_decided_by_itself() -> None:
    it = service()
    it.processor.on_end(a_span(2, 1))
    it.processor.on_end(a_span(3, 1, failed=True))
    it.processor.on_end(a_span(4, 1))  # the decision on the trace is known by now
    spans = it.spans()
    assert {"3", "4"} == set(spans)
    assert {"partial": True} == told(spans["4"])


def test_spans_end_on_other_threads() -> None:
    it = service()
    root = it.tracer.start_span("root")
    gate = threading.Barrier(8)

    def work(number: int) -> None:
        gate.wait(20.0)
        for step in range(50):
            with it.tracer.start_as_current_span(f"{number}.{step}", set_span_in_context(root)) as span:
                if (number, step) == (3, 25):
                    span.set_status(StatusCode.ERROR)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    root.end()
    assert 401 == len(it.spans())


def test_a_span_that_ends_inside_our_own_hook_has_its_ending_too() -> None:
    inner: list[Any] = []

    def clock() -> int:
        if inner:
            span = inner.pop()
            span.end()
        return 0

    it = service(clock=clock)
    with it.tracer.start_as_current_span("root") as root:
        for name in ("ends in a hook", "so does this"):
            inner.append(it.tracer.start_span(name, set_span_in_context(root)))
            with it.tracer.start_as_current_span(
                "another trace", set_span_in_context(NonRecordingSpan(SpanContext(0, 0, False)))
            ):
                pass
        assert [] == inner
        with failing(it.tracer, "error"):
            pass
    assert {"root", "error", "ends in a hook", "so does this"} == set(it.spans())
    assert 0 == it.processor.traces


class Ending(str):
    """A text whose finaliser ends a span."""

    span: Any = None

    def __del__(self) -> None:
        if self.span is not None:
            self.span.end()


def test_a_finaliser_that_ends_a_span_while_a_trace_is_let_go_is_counted() -> None:
    exporter = Keeping()
    processor = ErrorSpanProcessor(KEEP_ERRORS, exporter, scope="trace")
    provider = TracerProvider(ErrorAwareSampler(ALWAYS_OFF), resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("root") as root:
        for number in range(20):
            started: Any = tracer.start_span(f"child {number}", set_span_in_context(root))
            with use_span(started, end_on_exit=True):
                text = Ending("x")
                text.span = tracer.start_span(f"ends late {number}", Context())
                started._attributes._dict["text"] = text
                del text, started
        assert 20 == processor.stats().waiting
    assert 0 == processor.traces
    stats = processor.stats()
    assert stats.balanced
    assert (41, 0) == (stats.ended, stats.waiting)
    processor.shutdown(5_000)


@pytest.mark.parametrize("trace", [0, -1, 1 << 128, None, "text"], ids=str)
def test_a_trace_id_that_is_none_costs_nothing_else(trace: Any) -> None:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor(KEEP_ERRORS, scope="trace", transport=transport)
    begin(processor, trace, 1)
    span = a_span(1, failed=True)
    span._context = tuple.__new__(SpanContext, (trace, 1, False, TraceFlags(0), None, True))
    processor.on_end(span)
    processor.shutdown(5_000)
    assert processor.stats().balanced
    assert {} == dict(processor.stats().internal_errors)
    assert 1 == processor.stats().ended
