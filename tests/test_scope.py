"""Scope "path": the ancestors of a kept error are kept, up to the local root, and say what they stand for."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, Verdict
from otel_errsample.testing.transport import CollectingTransport
from tests.services import KEEP_ERRORS, RESOURCE, Service, a_span, failing, threshold, why

MARKS = 4096


def test_the_path_from_the_error_to_the_local_root_is_kept_and_nothing_beside_it() -> None:
    service = Service()
    start = service.tracer.start_as_current_span
    with start("root"), start("handler"):
        with start("beside"):
            pass
        with start("call"):
            with failing(service.tracer, "error"), start("below"):
                pass
            with start("later"):
                pass
    spans = service.spans()
    assert {"root", "handler", "call", "error"} == set(spans)
    assert ("all", "span") == why(spans["error"])
    assert {("all", "path")} == {why(spans[name]) for name in ("root", "handler", "call")}
    assert [0, 0, 0, 0] == [threshold(span) for span in spans.values()]
    assert 3 == service.processor.stats().pulled


def test_scope_span_keeps_the_error_alone() -> None:
    service = Service(scope="span")
    with service.tracer.start_as_current_span("root"), failing(service.tracer, "error"):
        pass
    assert {"error"} == set(service.spans())


def test_a_rule_says_its_own_scope() -> None:
    rules = "one: keep span if name == 'narrow'; two: keep path if name == 'slow'; three: keep if error"
    service = Service(rules)
    for name in ("narrow", "slow", "wide"):
        with (
            service.tracer.start_as_current_span(f"root of {name}"),
            service.tracer.start_as_current_span(name) as span,
        ):
            span.set_status(StatusCode.ERROR if name != "slow" else StatusCode.UNSET)
    spans = service.spans()
    assert {"narrow", "slow", "root of slow", "wide", "root of wide"} == set(spans)
    assert ("two", "path") == why(spans["root of slow"])


def test_a_remote_parent_ends_the_path() -> None:
    service = Service()
    remote = SpanContext(7, 8, True, TraceFlags(0))
    caller = set_span_in_context(NonRecordingSpan(remote))
    with service.tracer.start_as_current_span("root", caller), failing(service.tracer, "error"):
        pass
    assert {"root", "error"} == set(service.spans())


def test_the_path_crosses_threads_and_tasks() -> None:
    service = Service()

    def in_thread(parent: Any) -> None:
        with service.tracer.start_as_current_span("thread", parent), failing(service.tracer, "error"):
            pass

    async def in_task() -> None:
        with service.tracer.start_as_current_span("task"):
            await asyncio.sleep(0)
            with failing(service.tracer, "async error"):
                await asyncio.sleep(0)

    async def gather() -> None:
        with service.tracer.start_as_current_span("gather"):
            await asyncio.gather(*(in_task() for _ in range(3)))

    with service.tracer.start_as_current_span("root") as root:
        thread = threading.Thread(target=in_thread, args=(set_span_in_context(root),))
        thread.start()
        thread.join()
    asyncio.run(gather())
    assert {"root", "thread", "error", "gather", "task", "async error"} == set(service.spans())


def test_a_suppressed_error_pulls_nothing_in() -> None:
    service = Service("storm: keep 1 per hour if error", clock=lambda: 0)
    for number in range(3):
        with service.tracer.start_as_current_span(f"root {number}"), failing(service.tracer, f"error {number}"):
            pass
    assert {"root 0", "error 0"} == set(service.spans())


def test_a_mark_overrides_drop_and_limit_and_spends_no_tokens() -> None:
    rules = "no: drop if name == 'dropped'; limit: keep 1 per hour if name startswith 'limited'; all: keep if error"
    service = Service(rules, clock=lambda: 0)
    start = service.tracer.start_as_current_span
    for number in range(2):
        with start(f"limited {number}"), start("dropped"), failing(service.tracer, f"error {number}"):
            pass
    with start("limited by itself"):
        pass
    with start("limited once more"):
        pass
    names = sorted(span.name for span in (service.spans(), service.transport.spans())[1])
    assert ["dropped", "dropped", "error 0", "error 1", "limited 0", "limited 1", "limited by itself"] == names
    assert 1 == service.processor.stats().endings["suppressed"]


def test_what_the_application_forbids_stays_out_and_its_ancestors_do_not() -> None:
    service = Service()
    start = service.tracer.start_as_current_span
    with start("root"), start("secret", attributes={"errsample.keep": False}), failing(service.tracer, "error"):
        pass
    spans = service.spans()
    assert {"root", "error"} == set(spans)
    assert ("all", "path") == why(spans["root"])


def test_a_sampled_span_that_its_rule_left_out_says_what_kept_it_after_all() -> None:
    service = Service("no: drop if name == 'root'; all: keep if error", ALWAYS_ON)
    with service.tracer.start_as_current_span("root"), failing(service.tracer, "error"):
        pass
    assert ("all", "path") == why(service.spans()["root"])


def test_dry_run_pulls_nothing_in_and_tells_what_it_would_have() -> None:
    service = Service(dry_run=True)
    with service.tracer.start_as_current_span("root"), failing(service.tracer, "error"):
        pass
    assert {} == service.spans()
    assert 2 == (service.processor.stats().dry_run or {})["keep"]


def test_errors_that_are_alike_tell_their_own_scope() -> None:
    # The attributes of an error are remembered, and an exception gives both spans the same ones but this.
    service = Service("one: keep if name == 'inner'; none: drop if error")
    start = service.tracer.start_as_current_span
    with pytest.raises(ValueError, match="both"), start("outer"), start("inner"):
        raise ValueError("both")
    assert {"outer": ("one", "path"), "inner": ("one", "span")} == {
        name: why(span) for name, span in service.spans().items()
    }


def test_a_verdict_tells_the_scope() -> None:
    verdicts: list[Verdict] = []
    service = Service("one: keep if name == 'inner'; none: drop if error", on_verdict=verdicts.append)
    with failing(service.tracer, "outer"), failing(service.tracer, "inner"):
        pass
    assert [("one", "span", "keep"), ("one", "path", "keep")] == [(v.rule, v.scope, v.action) for v in verdicts]


# -- what pulled-in spans stand for

HALF, QUARTER = 1 << 55, 3 << 54


def weigh_parent(rules: str, head: str | None, randomness: int, parent_rules: str = "") -> Span | None:
    """The parent of a failed child after both ended; `head` is the trace state of the sampled ones."""
    transport = CollectingTransport()
    processor = ErrorSpanProcessor(f"{parent_rules}; {rules}" if parent_rules else rules, transport=transport)
    sampler_probe = TracerProvider(ErrorAwareSampler(ALWAYS_OFF), shutdown_on_exit=False)
    sampler_probe.add_span_processor(processor)  # starts a span, so that the processor knows that all spans arrive
    sampler_probe.get_tracer("t").start_span("probe")
    state = TraceState.from_header([head]) if head else None
    flags = TraceFlags(1 if head else 0)
    for number, parent in ((3, 2), (2, None)):
        processor.on_end(
            ReadableSpan(
                str(number),
                context=SpanContext(randomness, number, False, flags, state),
                parent=None if parent is None else SpanContext(randomness, parent, False),
                resource=RESOURCE,
                status=Status(StatusCode.ERROR) if number == 3 else Status(),
                start_time=1,
                end_time=2,
            )
        )
    processor.shutdown(5_000)
    return next((span for span in transport.spans() if span.name == "2"), None)


@pytest.mark.parametrize(
    ("rules", "parent_rules", "head", "expected"),
    [
        ("keep if error", "", None, 0),
        ("keep 25% if error", "", None, QUARTER),
        ("keep 25% if error", "", "ot=th:8", HALF),  # the head sampler is a reason too, and the better one
        ("keep 50% if error", "", "ot=th:c", HALF),
        ("keep 50% if error", "", "ot=rv:ffffffffffffff", HALF),  # sampled at a rate nobody told
        ("keep 1 per hour if error", "", None, None),  # a limit has no rate
        ("keep 1 per hour if error", "", "ot=th:c", QUARTER),
        ("keep 25% if error", "drop if not error", "ot=th:8", QUARTER),  # dropped: the head's rate says nothing
        ("keep 25% if error", "keep 50% if not error", None, HALF),
        ("keep 50% if error", "keep 25% if not error", "ot=th:8", HALF),
        ("keep 1 per hour if error", "keep 25% if not error", None, QUARTER),
        ("keep 50% if error", "keep 1 per hour if not error", None, HALF),
    ],
)
def test_a_pulled_span_says_the_smallest_threshold_among_its_reasons(
    rules: str, parent_rules: str, head: str | None, expected: int | None
) -> None:
    span = weigh_parent(rules, head, (1 << 56) - 1, parent_rules)
    assert span is not None
    assert expected == threshold(span)


@pytest.mark.parametrize("head", [0.01, 0.0])
def test_estimates_from_exported_spans_are_those_of_the_ledger(head: float) -> None:
    # Roots with two operations below them; 2 % of the calls fail. With `keep` and P % every span either has a
    # known rate or stands for itself, so the sum of the weights estimates the spans that ended, operation by
    # operation, and is exact for what only errors bring in.
    service = Service("all: keep if error", head=head, max_buffer_bytes=64 << 20)
    draw = random.Random(5)
    ended = 20_000
    on_path = 0
    for _ in range(ended):
        with service.tracer.start_as_current_span("root"):
            fails = draw.random() < 0.02
            on_path += fails
            with service.tracer.start_as_current_span("call") as call:
                if fails:
                    call.set_status(StatusCode.ERROR)
    service.spans()
    kept = service.transport.spans()
    weights: dict[str, float] = {"root": 0.0, "call": 0.0}
    certain: dict[str, int] = {"root": 0, "call": 0}
    for span in kept:
        found = threshold(span)
        assert found is not None
        weights[span.name] += 2**56 / (2**56 - found)
        certain[span.name] += found == 0
    assert {"root": on_path, "call": on_path} == certain
    sampled = len(kept) - 2 * on_path
    # Twice the standard deviation of the number sampled would be crossed once in twenty runs; six never is, and a
    # promoted error counted 2 - p times or a root counted twice is far outside.
    for name, estimate in weights.items():
        expected = ended if head else on_path
        assert abs(estimate - expected) <= 6 * (sampled / 2) ** 0.5 / (head or 1), (name, estimate)


# -- the marks themselves


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=60))
def test_exactly_the_errors_and_their_ancestors_are_kept(shape: list[tuple[int, bool]]) -> None:
    parents = {number: (min(up, number - 1) or None) for number, (up, _) in enumerate(shape, 1)}
    failed = {number for number, (_, fails) in enumerate(shape, 1) if fails}
    expected: set[int] = set()
    for number in failed:
        at: int | None = number
        while at is not None:
            expected.add(at)
            at = parents[at]
    transport = CollectingTransport()
    processor = ErrorSpanProcessor(KEEP_ERRORS, transport=transport)
    for number in sorted(parents, reverse=True):  # children have greater numbers than their parents
        processor.on_end(a_span(number, parents[number], number in failed))
    assert processor.shutdown(5_000)
    assert processor.stats().balanced
    assert sorted(map(str, expected)) == sorted(span.name for span in transport.spans())


def test_marks_nobody_claims_do_not_grow_and_the_newest_survive() -> None:
    processor = ErrorSpanProcessor(KEEP_ERRORS, transport=CollectingTransport(), max_buffer_bytes=64 << 20)
    for number in range(1, 20 * MARKS):
        processor.on_end(a_span(number, parent=1_000_000 + number, failed=True))
    before = processor.pulled
    for number in range(20 * MARKS - 100, 20 * MARKS):
        processor.on_end(a_span(1_000_000 + number))
    assert 99 <= processor.pulled - before
    for number in range(1, 20 * MARKS):
        processor.on_end(a_span(1_000_000 + number))
    assert processor.pulled <= MARKS
    processor.shutdown(5_000)
    assert processor.stats().balanced


def test_the_same_span_id_of_another_trace_is_another_span() -> None:
    processor = ErrorSpanProcessor(KEEP_ERRORS, transport=CollectingTransport())
    processor.on_end(a_span(3, parent=2, failed=True))
    processor.on_end(a_span(2, trace=8))
    assert 0 == processor.pulled
    processor.on_end(a_span(2))
    processor.on_end(a_span(2))  # the same id twice: claimed once
    assert 1 == processor.pulled
    processor.shutdown(5_000)


@pytest.mark.parametrize("parent", [object(), SpanContext(7, 0, False), 5])
def test_a_parent_that_is_none_costs_the_error_nothing(parent: Any) -> None:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor(KEEP_ERRORS, transport=transport)
    span = a_span(3, failed=True)
    span._parent = parent
    processor.on_end(span)
    assert processor.shutdown(5_000)
    assert processor.stats().balanced, processor.stats()
    assert {"delivered": 1} == {name: count for name, count in processor.stats().endings.items() if count}
    assert ["3"] == [span.name for span in transport.spans()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_has_no_marks() -> None:
    processor = ErrorSpanProcessor(KEEP_ERRORS, transport=CollectingTransport())
    processor.on_end(a_span(3, parent=2, failed=True))
    pid = os.fork()
    if pid == 0:
        processor.on_end(a_span(2))
        os._exit(0 if processor.pulled == 0 else 1)
    assert 0 == os.waitpid(pid, 0)[1]
    processor.on_end(a_span(2))
    assert 1 == processor.pulled
    processor.shutdown(5_000)
