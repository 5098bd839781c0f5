"""A trace is thinned before it is cut, leaves first, and says on the spans above them how many are missing."""

from __future__ import annotations

import random
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing.transport import CollectingTransport
from tests.services import KEEP_ERRORS, RESOURCE, Started, a_span, begin

BUDGET = 256 << 10


def missing(span: Span) -> int:
    return sum(item.value.int_value for item in span.attributes if item.key == "errsample.dropped_children")


def is_partial(span: Span) -> bool:
    return any(item.key == "errsample.partial" and item.value.bool_value for item in span.attributes)


class Kept:
    def __init__(self, budget: int = BUDGET) -> None:
        self.transport = CollectingTransport()
        self.processor = ErrorSpanProcessor(
            KEEP_ERRORS, scope="trace", transport=self.transport, max_buffer_bytes=budget
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
    for trace in range(100, 400):
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
    it = Kept(4 << 20)
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


@pytest.mark.parametrize("seed", range(5))
def test_random_trees_keep_their_books(seed: int) -> None:
    draw = random.Random(seed)
    it = Kept(64 << 10)
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
            it.end(ended, parent or None, draw.random() < 0.01, trace=trace, size=size)
    it.spans()
    assert it.processor.stats().endings["thinned"] > 0
