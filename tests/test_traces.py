"""What is known of the local part of a trace: its open spans within bounds, and what was decided before."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanContext, TraceFlags

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing import ManualClock
from otel_errsample.testing.transport import CollectingTransport
from tests.services import KEEP_ERRORS, a_span, begin

REMEMBERED = 4096


@pytest.fixture
def processor() -> ErrorSpanProcessor:
    return ErrorSpanProcessor(KEEP_ERRORS, scope="trace", transport=CollectingTransport(), max_buffer_bytes=64 << 20)


def test_a_trace_lasts_as_long_as_a_span_is_open(processor: ErrorSpanProcessor) -> None:
    for number in range(1, 4):
        begin(processor, 7, number, number - 1)
    begin(processor, 8, 1)
    assert 2 == processor.traces
    for number, left in ((2, 2), (1, 2), (3, 1)):
        processor.on_end(a_span(number, number - 1 or None))
        assert left == processor.traces
    processor.on_end(a_span(1, trace=8))
    assert 0 == processor.traces


@pytest.mark.parametrize("spans", [1023, 1025, 3000])
def test_more_open_spans_than_are_known_by_their_ids_are_counted(processor: ErrorSpanProcessor, spans: int) -> None:
    for number in range(1, spans + 1):
        begin(processor, 7, number, number // 2)
    for number in range(spans, 1, -1):
        processor.on_end(a_span(number, number // 2))
        assert 1 == processor.traces
    processor.on_end(a_span(1))
    assert 0 == processor.traces
    assert spans == processor.stats().endings["not_sampled"]


def test_traces_are_told_apart_by_all_128_bits(processor: ErrorSpanProcessor) -> None:
    for half in range(3):
        for number in (1, 2):
            begin(processor, half << 64 | 7, number, number - 1)
    processor.on_end(a_span(2, 1))
    assert (3, 1) == (processor.traces, processor.stats().waiting)
    processor.on_end(a_span(1, failed=True, trace=1 << 64 | 7))
    assert (3, 1) == (processor.traces, processor.stats().waiting)


def test_the_newest_decisions_are_remembered_and_those_to_keep_for_longer(processor: ErrorSpanProcessor) -> None:
    for trace in range(1, 100):
        processor.on_end(a_span(1, failed=True, trace=trace))
    for trace in range(100, 6 * REMEMBERED):
        begin(processor, trace, 1)
        begin(processor, trace, 2, 1)
        processor.on_end(a_span(2, 1, trace=trace))
        processor.on_end(a_span(1, trace=trace))
    before = processor.pulled
    for trace in range(1, 100):
        processor.on_end(a_span(3, 1, trace=trace))
    assert 99 == processor.pulled - before
    assert processor.shutdown(10_000)
    assert processor.stats().balanced


def test_kept_traces_do_not_pile_up(processor: ErrorSpanProcessor) -> None:
    traces = 3 * REMEMBERED
    for trace in range(1, traces):
        processor.on_end(a_span(1, failed=True, trace=trace))
    for trace in range(1, traces):
        processor.on_end(a_span(3, 1, trace=trace))
    assert 0 < processor.pulled <= REMEMBERED
    assert processor.shutdown(10_000)
    assert processor.stats().balanced


def test_a_sampler_that_drops_leaves_no_trace() -> None:
    from tests.services import Service

    it = Service(KEEP_ERRORS, ALWAYS_OFF, scope="path")
    with it.tracer.start_as_current_span("root"):
        assert 0 == it.processor.traces
    it.spans()


class Reacting(SpanContext):
    """A context that does something when it is asked for an id."""

    asked = 0
    when = 0  # at which question; 0: at none
    act: Any = None

    def ask(self) -> None:
        cls = type(self)
        cls.asked += 1
        if cls.asked == cls.when:
            cls.act()

    @property
    def trace_id(self) -> int:
        self.ask()
        return self[0]

    @property
    def span_id(self) -> int:
        self.ask()
        return self[1]


def questions_of_a_span(when: int, act: Any, clock: ManualClock | None = None, dry_run: bool = False) -> int:
    """End spans of a trace whose contexts act at a question of an end; how many questions the longest one asks."""
    processor = ErrorSpanProcessor(
        "all: keep if error; some: keep 50%",
        scope="trace",
        transport=CollectingTransport(),
        clock=clock.monotonic_ns if clock else None,
        dry_run=dry_run,
    )
    most = 0
    for trace, failed in ((8, False), (9, True)):
        for number in (1, 2, 3):
            begin(processor, trace, number, number - 1)
        span = a_span(2, 1, failed, trace=trace)
        span._context = Reacting(trace, 2, False, TraceFlags(dry_run))  # there the sampled ones are buffered
        span._parent = Reacting(trace, 1, False, TraceFlags(0))
        Reacting.asked, Reacting.when, Reacting.act = 0, when, lambda: act(processor)
        processor.on_end(span)
        most, Reacting.when = max(most, Reacting.asked), 0
        for number in (3, 1):
            processor.on_end(a_span(number, number - 1 or None, trace=trace))
    assert processor.shutdown(10_000)
    stats = processor.stats()
    assert stats.balanced
    assert 6 == stats.ended == sum(stats.endings.values())
    return most


def give_traces_up_at_every_question() -> None:
    when, most = 0, 0
    while when <= most:
        when += 1
        clock = ManualClock()

        def act(processor: ErrorSpanProcessor, clock: ManualClock = clock) -> None:
            clock.advance(3600.0)
            begin(processor, 99, 1)

        most = questions_of_a_span(when, act, clock)
    assert most > 6


def test_a_context_that_has_its_trace_given_up_when_it_is_asked() -> None:
    # What is freed is overwritten (where the C library is told to), so that it cannot be used unnoticed.
    ended = subprocess.run(
        [sys.executable, "-c", "from tests.test_traces import *; give_traces_up_at_every_question()"],
        env={**os.environ, "MALLOC_PERTURB_": "165"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (0, b"") == (ended.returncode, ended.stderr)


@pytest.mark.parametrize("dry_run", [False, True], ids=["", "dry run"])
def test_a_context_that_raises_when_it_is_asked_costs_no_second_ending(dry_run: bool) -> None:
    def act(processor: ErrorSpanProcessor) -> None:
        raise RuntimeError

    when, most = 0, 0
    while when <= most:
        when += 1
        most = questions_of_a_span(when, act, dry_run=dry_run)
    assert most > 6
