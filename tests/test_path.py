"""The hooks never raise, can be entered from anywhere, and the books balance afterwards."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags, Tracer

from otel_errsample import ErrorFacts, ErrorSpanProcessor, Verdict
from otel_errsample.testing.transport import CollectingTransport


@pytest.fixture
def processor() -> Iterator[ErrorSpanProcessor]:
    one = ErrorSpanProcessor("keep", transport=CollectingTransport())
    yield one
    one.shutdown(5_000)
    stats = one.stats()
    assert stats.balanced, stats
    assert stats.buffered == stats.in_flight == 0, stats


@pytest.fixture
def tracer(processor: ErrorSpanProcessor) -> Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider.get_tracer("test")


RESOURCE = Resource({"service.name": "s"})


def a_span(number: int = 1) -> ReadableSpan:
    # With a resource: making the default one takes longer than the signal handler below has time.
    return ReadableSpan(
        "s", context=SpanContext(7, number, False, TraceFlags(1)), resource=RESOURCE, start_time=1, end_time=2
    )


class NoContext(ReadableSpan):
    @property
    def context(self) -> SpanContext:
        raise RuntimeError("no context")


@pytest.mark.scenario("A1")
@pytest.mark.parametrize(
    "span", [None, 7, "span", object(), NoContext("n"), ReadableSpan("no context")], ids=lambda s: type(s).__name__
)
def test_what_is_no_span_is_an_internal_error_and_nothing_else(processor: ErrorSpanProcessor, span: Any) -> None:
    processor.on_start(span)
    processor.on_end(span)
    assert (1, 1) == (processor.stats().ended, processor.stats().endings["internal_error"])
    assert 1 == processor.stats().internal_errors["on_end"]


class NoEvents(ReadableSpan):
    @property
    def events(self) -> Any:
        raise RuntimeError("no events")


def test_a_span_that_cannot_be_read_as_it_is_goes_its_way_as_what_can_be_read_of_it() -> None:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep if exception is KeyError", transport=transport)
    span = NoEvents(
        "s",
        context=SpanContext(7, 8, False),
        resource=RESOURCE,
        attributes={"a": 1},
        status=Status(StatusCode.ERROR, "why"),
        start_time=1,
        end_time=2,
    )
    error = KeyError("mine")
    with pytest.raises(KeyError) as caught:
        try:
            raise error
        finally:
            processor.on_end(span)  # while the application's exception is the live one, of which rules are to hear
    assert (error, None) == (caught.value, caught.value.__context__)
    assert processor.shutdown(5_000)
    (sent,) = transport.spans()
    texts = {item.key: item.value.string_value for item in sent.attributes}
    assert ("KeyError", "live", "why") == (texts["error.type"], texts["errsample.source"], sent.status.message)
    stats = processor.stats()
    assert ({"on_end": 1}, 1, 1, 1) == (stats.internal_errors, stats.repaired, stats.errors, stats.endings["delivered"])


class NoResource(ReadableSpan):
    @property
    def resource(self) -> Resource:
        raise RuntimeError("no resource")


def test_an_error_that_cannot_be_encoded_has_its_verdict_too() -> None:
    verdicts: list[Verdict] = []
    processor = ErrorSpanProcessor("all: keep", transport=CollectingTransport(), on_verdict=verdicts.append)
    context = SpanContext(7, 8, False, TraceFlags(1))
    processor.on_end(NoResource("s", context=context, status=Status(StatusCode.ERROR), start_time=1, end_time=2))
    (verdict,) = verdicts
    assert ("keep", "all", False, 8) == (verdict.action, verdict.rule, verdict.kept, verdict.span_id)
    stats = processor.stats()
    assert (1, {"on_end": 1}, True) == (stats.endings["internal_error"], dict(stats.internal_errors), stats.balanced)
    processor.shutdown()


def test_a_subclass_that_forgets_our_init_is_harmless() -> None:
    class Forgetful(ErrorSpanProcessor):
        def __init__(self) -> None:
            pass

    forgetful = Forgetful()
    forgetful.on_start(a_span())
    forgetful.on_end(a_span())


def test_a_span_that_meets_a_shutdown_on_its_way_ends_after_shutdown() -> None:
    processor: ErrorSpanProcessor

    def shut_down_meanwhile(span: ReadableSpan, facts: ErrorFacts) -> None:
        processor.shutdown(1_000)

    processor = ErrorSpanProcessor("keep", transport=CollectingTransport(), enrich=shut_down_meanwhile)
    failed = ReadableSpan(
        "s",
        context=SpanContext(7, 1, False, TraceFlags(1)),
        resource=RESOURCE,
        status=Status(StatusCode.ERROR),
        start_time=1,
        end_time=2,
    )
    processor.on_end(failed)
    stats = processor.stats()
    assert (0, 1) == (stats.buffered, stats.endings["after_shutdown"])


def test_the_books_balance_at_any_moment_also_inside_a_hook() -> None:
    balanced: list[bool] = []
    one: ErrorSpanProcessor

    def look(verdict: Verdict) -> None:
        balanced.append(one.stats().balanced)

    one = ErrorSpanProcessor("keep", transport=CollectingTransport(), on_verdict=look)
    one.on_end(ReadableSpan("s", context=SpanContext(7, 1, False), resource=RESOURCE, status=Status(StatusCode.ERROR)))
    one.shutdown(1_000)
    assert [True] == balanced


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_counts_from_zero() -> None:
    now = [0]
    processor = ErrorSpanProcessor("keep 1 per second", transport=CollectingTransport(), clock=lambda: now[0])
    for number in range(1, 12):
        processor.on_end(a_span(number))
    pid = os.fork()
    if pid == 0:
        clean = processor.stats().ended == 0 and processor.stats().rules[0].matched == 0
        now[0] = 2_000_000_000
        processor.on_end(a_span(99))
        clean = clean and processor.shutdown(5_000) and processor.stats().endings["delivered"] == 1
        os._exit(0 if clean else 1)
    _, status = os.waitpid(pid, 0)
    assert 0 == os.waitstatus_to_exitcode(status)
    assert 11 == processor.stats().ended
    processor.shutdown(5_000)


@pytest.mark.scenario("A1")
def test_the_live_exception_survives_the_hooks(processor: ErrorSpanProcessor) -> None:
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as caught:  # the hooks run while it is handled
        try:
            raise error
        except ValueError:
            processor.on_start(a_span())
            processor.on_end(a_span())
            processor.on_end(None)  # type: ignore[arg-type]  # what an internal failure looks like
            raise
    assert error is caught.value
    assert error.__context__ is None


@pytest.mark.scenario("H2")
def test_spans_may_end_in_finalisers_and_weak_reference_callbacks(
    processor: ErrorSpanProcessor, tracer: Tracer
) -> None:
    counter = itertools.count()

    class Finalised:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            next(counter)
            tracer.start_span("finaliser").end()

    class Watched:
        pass

    def gone(reference: object) -> None:
        next(counter)
        tracer.start_span("weak reference").end()

    threshold = gc.get_threshold()
    gc.set_threshold(1)
    watched: list[object] = []
    try:
        for _ in range(300):
            Finalised()
            one = Watched()
            watched.append(weakref.ref(one, gone))
            del one
            with tracer.start_as_current_span("outer") as span:
                span.set_attribute("list", ["a" * 50] * 5)
                span.set_status(StatusCode.ERROR)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    stats = processor.stats()
    assert 300 + next(counter) == stats.ended
    assert stats.balanced
    assert {} == stats.internal_errors


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_spans_may_end_in_a_signal_handler(processor: ErrorSpanProcessor) -> None:
    numbers = itertools.count(10)

    def handler(number: int, frame: object) -> None:
        processor.on_end(a_span(next(numbers)))

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    ended = 0
    try:
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            processor.on_end(a_span())
            ended += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    handled = next(numbers) - 10
    assert handled > 10
    assert ended + handled == processor.stats().ended
    assert {} == processor.stats().internal_errors


def test_eight_threads_end_spans_while_others_flush(processor: ErrorSpanProcessor, tracer: Tracer) -> None:
    failures: list[BaseException] = []

    def produce() -> None:
        try:
            for number in range(500):
                with tracer.start_as_current_span("s") as span:
                    span.set_attribute("n", number)
                    if number % 10 == 0:
                        span.set_status(StatusCode.ERROR)
        except BaseException as error:
            failures.append(error)

    def flush() -> None:
        for _ in range(20):
            processor.force_flush(5_000)

    threads = [threading.Thread(target=produce) for _ in range(8)] + [threading.Thread(target=flush) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [] == failures
    assert processor.force_flush(10_000)
    stats = processor.stats()
    assert (4_000, 4_000) == (stats.ended, stats.endings["delivered"])


def test_a_full_buffer_counts_what_it_refuses_and_stays_within_its_budget() -> None:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport, max_buffer_bytes=1 << 16, flush_errors_ms=60_000)
    for number in range(1, 5_000):
        processor.on_end(a_span(number))
    stats = processor.stats()
    assert stats.peak_buffer_bytes <= 1 << 16
    assert stats.balanced
    processor.shutdown(5_000)
    assert processor.stats().balanced


def test_a_processor_nobody_holds_is_collected() -> None:
    processor = ErrorSpanProcessor(transport=CollectingTransport())
    alive = weakref.ref(processor)
    processor.shutdown(100)
    del processor
    gc.collect()
    assert alive() is None
