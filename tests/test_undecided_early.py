"""Scope "trace": decisions that come before a trace ends, and spans that start and end as they should not."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    StatusCode,
    TraceFlags,
    set_span_in_context,
    use_span,
)

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, Verdict
from otel_errsample._hot import RuleTable
from otel_errsample.rules import Rules
from otel_errsample.testing import ManualClock
from otel_errsample.testing.transport import CollectingTransport
from tests.services import KEEP_ERRORS, RESOURCE, a_span, begin, endings, failing, threshold, told, traced_service, why

HALF = 1 << 55


# -- decisions before the end


def test_a_trace_is_decided_after_its_time_and_what_ends_then_waits_anew() -> None:
    clock = ManualClock()
    it = traced_service(clock=clock.monotonic_ns)
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
    it = traced_service(clock=clock.monotonic_ns)
    it.processor.set_worker_alive(True)  # no worker looks after it
    for number in (1, 2):
        begin(it.processor, 7, number, number - 1)
    it.processor.on_end(a_span(2, 1))
    clock.advance(60.0)
    begin(it.processor, 8, 1)
    assert {"not_sampled": 1} == endings(it.processor)


def test_a_clock_that_was_set_back_decides_nothing() -> None:
    now = [10**12]
    it = traced_service(clock=lambda: now[0])
    for number in (1, 2):
        begin(it.processor, 7, number, number - 1)
    it.processor.on_end(a_span(2, 1))
    now[0] = 0
    assert pytest.approx(60.0) == it.processor.settle_overdue()
    begin(it.processor, 8, 1)
    assert 1 == it.processor.stats().waiting


def test_shutdown_decides_what_waits() -> None:
    it = traced_service(head=0.5)
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
    it = traced_service("slow: keep 50% if name == '3'; all: keep if error")
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
    it = traced_service()
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
    it = traced_service(scope="path", rules="whole: keep trace if error")

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
    it = traced_service(dry_run=True)
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
    it = traced_service(head=0.5, head_sampled=False)
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
    it = traced_service("none: drop if name == 'inner'; all: keep if error", on_verdict=verdicts.append)
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
    it = traced_service()
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
    it = traced_service()
    ends_in(order, failed)(it.processor)
    assert (0, 0) == (it.processor.traces, it.processor.stats().waiting)
    assert {"1", "2", "3"} == set(it.spans())


def test_what_leads_to_the_error_is_worth_as_much_as_it_and_what_is_beside_it_the_least() -> None:
    it = traced_service(flush_errors_ms=60_000)
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
    it = traced_service()
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
    it = traced_service()
    it.processor.on_end(a_span(2, 1))
    it.processor.on_end(a_span(3, 1, failed=True))
    it.processor.on_end(a_span(4, 1))  # the decision on the trace is known by now
    spans = it.spans()
    assert {"3", "4"} == set(spans)
    assert {"partial": True} == told(spans["4"])


def test_spans_end_on_other_threads() -> None:
    it = traced_service()
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

    it = traced_service(clock=clock)
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
