"""A trace is thinned before it is cut, leaves first, and says on the spans above them how many are missing."""

from __future__ import annotations

import random
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing.transport import CollectingTransport
from tests.services import KEEP_ERRORS, RESOURCE, Started, a_span, begin, why

BUDGET = 256 << 10


def missing(span: Span) -> int:
    return sum(item.value.int_value for item in span.attributes if item.key == "errsample.dropped_children")


def is_partial(span: Span) -> bool:
    return any(item.key == "errsample.partial" and item.value.bool_value for item in span.attributes)


class Kept:
    def __init__(self, rules: str = KEEP_ERRORS, budget: int = BUDGET) -> None:
        self.transport = CollectingTransport()
        self.processor = ErrorSpanProcessor(
            rules, scope="trace", transport=self.transport, max_buffer_bytes=budget, clock=lambda: 0
        )

    def end(self, number: int, parent: int | None, failed: bool = False, trace: int = 7, size: int = 0) -> None:
        attributes: Any = {"filling": "x" * size} if size else None
        self.processor.on_end(a_span(number, parent, failed, trace=trace, attributes=attributes))
        assert self.processor.stats().balanced
        assert self.processor.stats().buffer_bytes <= BUDGET

    def spans(self) -> dict[str, Span]:
        assert self.processor.shutdown(10_000)
        stats = self.processor.stats()
        assert stats.balanced
        assert not stats.internal_errors
        return {span.name: span for span in self.transport.spans()}


def test_leaves_go_first_and_their_parents_say_how_many() -> None:
    it = Kept()
    begin(it.processor, 7, 1)
    number = 1
    parents = []
    for _ in range(60):
        number += 1
        parent = number
        parents.append(str(parent))
        begin(it.processor, 7, parent, 1)
        for _ in range(10):
            number += 1
            begin(it.processor, 7, number, parent)
            it.end(number, parent, size=200)
        it.end(parent, 1, size=200)
    thinned = it.processor.stats().endings["thinned"]
    assert thinned > 100
    it.end(1, None, failed=True)
    spans = it.spans()
    assert set(parents) <= set(spans)
    assert thinned == sum(missing(span) for span in spans.values())
    assert 661 == len(spans) + thinned
    assert all(is_partial(span) for span in spans.values())


def test_what_went_before_its_parent_ended_and_what_went_after_is_told_once() -> None:
    it = Kept()
    begin(it.processor, 7, 1)
    begin(it.processor, 7, 2, 1)
    for number in range(100, 400):
        begin(it.processor, 7, number, 2)
        it.end(number, 2, size=200)
    early = it.processor.stats().endings["thinned"]
    it.end(2, 1)
    for number in range(1000, 1100):
        begin(it.processor, 7, number, 1)
        it.end(number, 1, size=200)
    thinned = it.processor.stats().endings["thinned"]
    assert 0 < early < thinned
    it.end(1, None, failed=True)
    spans = it.spans()
    told = [item.key for item in spans["2"].attributes].count("errsample.dropped_children")
    assert 1 == told
    assert thinned == missing(spans["1"]) + missing(spans["2"])
    assert early < missing(spans["2"])


def test_what_is_above_an_open_span_stays_although_it_has_ended() -> None:
    it = Kept()
    chain = list(range(1, 12))
    for number in chain:
        begin(it.processor, 7, number, number - 1)
    for number in chain[:-1]:
        it.end(number, number - 1 or None, size=100)
    for number in range(100, 1000):
        begin(it.processor, 7, number, 11)
        it.end(number, 11, size=200)
    assert it.processor.stats().endings["thinned"] > 300
    it.end(11, 10, failed=True)
    spans = it.spans()
    assert {str(number) for number in chain} <= set(spans)
    assert it.processor.stats().endings["thinned"] == missing(spans["11"])


def test_the_oldest_trace_is_thinned_first_and_each_once_before_one_is_thinned_again() -> None:
    it = Kept()
    for trace in range(1, 41):
        begin(it.processor, trace, 1)
        for number in range(2, 42):
            begin(it.processor, trace, number, 1)
            it.end(number, 1, trace=trace, size=200)
    left = []
    for trace in range(1, 41):
        before = it.processor.stats().waiting
        it.end(1, None, trace=trace)
        left.append(before - it.processor.stats().waiting)
    assert 0 == it.processor.stats().waiting
    assert left == sorted(left)
    assert 40 == left[-1] > left[0] > 0


def test_an_error_that_is_kept_gets_its_room_from_what_waits() -> None:
    it = Kept()
    begin(it.processor, 7, 1)
    for number in range(2, 2000):
        begin(it.processor, 7, number, 1)
        it.end(number, 1, size=200)
    for trace in range(100, 360):  # they fit without what waits, also where none of them is sent yet
        it.end(1, None, failed=True, trace=trace, size=300)
    endings = it.processor.stats().endings
    assert 0 == endings["evicted"] == endings["buffer_full"]
    it.spans()


def test_one_trace_leaves_three_quarters_of_the_budget_to_the_others() -> None:
    it = Kept()
    begin(it.processor, 7, 1)
    for number in range(2, 3000):
        begin(it.processor, 7, number, 1)
        it.end(number, 1)
    assert BUDGET // 8 < it.processor.stats().buffer_bytes <= BUDGET // 4


def test_a_trace_of_a_million_spans() -> None:
    it = Kept(budget=4 << 20)
    begin(it.processor, 7, 1)
    new, flags = tuple.__new__, TraceFlags(0)
    started: Any = Started(7, 2, SpanContext(7, 1, False))
    span = ReadableSpan("child", parent=SpanContext(7, 1, False), resource=RESOURCE, start_time=1, end_time=2)
    for number in range(2, 1_000_001):
        context = new(SpanContext, (7, number, False, flags, None, True))
        started.context = span._context = context
        it.processor.on_start(started)
        it.processor.on_end(span)
    stats = it.processor.stats()
    assert stats.balanced
    assert stats.peak_buffer_bytes <= 4 << 20
    it.processor.on_end(a_span(1, failed=True))
    assert it.processor.shutdown(20_000)
    exported = it.transport.spans()
    root = next(span for span in exported if span.name == "1")
    assert 1_000_000 == len(exported) + missing(root)


def test_a_span_that_takes_the_room_of_its_own_children_says_so() -> None:
    it = Kept()
    begin(it.processor, 7, 1)
    begin(it.processor, 7, 2, 1)
    for number in range(100, 200):
        begin(it.processor, 7, number, 2)
        it.end(number, 2, size=200)
    assert 0 == it.processor.stats().endings["thinned"]
    it.end(2, 1, size=40_000)
    thinned = it.processor.stats().endings["thinned"]
    assert 0 < thinned < 100
    it.end(1, None, failed=True)
    spans = it.spans()
    assert thinned == missing(spans["2"])
    assert 102 == len(spans) + thinned


def at_half(number: int, parent: int, trace: int = 7, **fields: Any) -> ReadableSpan:
    """A span that the head sampler took with half of the traces."""
    span = a_span(number, parent, trace=trace, **fields)
    span._context = SpanContext(trace, number, False, TraceFlags(1), TraceState.from_header(["ot=th:8;rv:" + "f" * 14]))
    return span


def test_what_is_exported_anyway_waits_in_half_of_the_room_only() -> None:
    it = Kept()
    begin(it.processor, 7, 1)
    for number in range(2, 402):
        begin(it.processor, 7, number, 1)
        it.processor.on_end(at_half(number, 1, attributes={"filling": "x" * 200}))
    assert 40 < it.processor.stats().waiting < 90  # there is room for 128
    assert it.processor.force_flush(10_000)
    assert 400 == len(it.transport.spans()) == it.processor.stats().endings["delivered"]
    it.end(1, None, failed=True)
    assert {"1"} == {name for name, span in it.spans().items() if is_partial(span) or why(span)[0]}


def test_a_span_too_large_to_wait_is_exported_at_once_and_not_missing() -> None:
    it = Kept()
    begin(it.processor, 7, 1)
    begin(it.processor, 7, 2, 1)
    it.processor.on_end(at_half(2, 1, attributes={"filling": "x" * 60_000}))
    assert (0, 0) == (it.processor.stats().waiting, it.processor.stats().endings["thinned"])
    it.end(1, None, failed=True)
    spans = it.spans()
    assert {"1", "2"} == set(spans)
    assert 0 == missing(spans["1"])
    assert not is_partial(spans["1"])


def test_a_trace_of_which_nothing_may_go_does_not_protect_the_others() -> None:
    it = Kept("no: drop if error")
    for trace in range(6, 10):
        begin(it.processor, trace, 1)
    for number in range(2, 40):
        begin(it.processor, 6, number, 1)
        it.processor.on_end(at_half(number, 1, 6, attributes={"filling": "x" * 200}))
    for trace in range(7, 10):
        for number in range(2, 200):
            begin(it.processor, trace, number, 1)
            it.end(number, 1, failed=True, trace=trace, size=200)
    # Errors are not thinned; a trace has a quarter of the room and then no more.
    full = it.processor.stats()
    assert 38 + 3 * 198 == full.waiting + full.endings["thinned"]
    it.processor.on_end(at_half(1, 0, 99, attributes={"filling": "x" * 60_000}))
    stats = it.processor.stats()
    assert (0, 0) == (stats.endings["buffer_full"], stats.endings["evicted"])
    assert full.waiting > stats.waiting > 38
    it.spans()


@pytest.mark.parametrize(
    "rules",
    [
        KEEP_ERRORS,
        "some: keep 1% if error; healthy: keep 50%",
        "limit: keep 1 per hour if error; healthy: keep 99%",
        "no: drop if error and name != '77'; all: keep if error; healthy: keep 30%",
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_random_trees_keep_their_books(seed: int, rules: str) -> None:
    draw = random.Random(seed)
    it = Kept(rules, budget=64 << 10)
    open_spans: dict[int, list[tuple[int, int]]] = {}
    number = 0
    for _ in range(4000):
        trace = draw.randrange(1, 12)
        spans = open_spans.setdefault(trace, [])
        if not spans or draw.random() < 0.5:
            number += 1
            parent = draw.choice(spans)[0] if spans else 0
            begin(it.processor, trace, number, parent)
            spans.append((number, parent))
        else:
            ended, parent = spans.pop(draw.randrange(len(spans)))
            size = draw.randrange(600)
            if draw.random() < 0.2:
                it.processor.on_end(at_half(ended, parent, trace, attributes={"filling": "x" * size}))
            else:
                it.end(ended, parent or None, draw.random() < 0.01, trace=trace, size=size)
    it.spans()
    assert it.processor.stats().endings["thinned"] > 0
