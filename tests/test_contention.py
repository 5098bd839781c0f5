"""Threads, handlers and callbacks that come in each other's way: no deadlock, nothing torn, books that balance."""

from __future__ import annotations

import asyncio
import faulthandler
import itertools
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing import CollectingTransport
from otel_errsample.testing.receiver import Receiver
from otel_errsample.transport import Answer, Outcome
from tests.spans import hot, make_span, parse

LONG = os.environ.get("ERRSAMPLE_LONG") == "1"
RESOURCE = Resource({"service.name": "s"})


@pytest.fixture(autouse=True)
def tells_where_it_hangs() -> Iterator[None]:
    faulthandler.dump_traceback_later(100)
    yield
    faulthandler.cancel_dump_traceback_later()


def together(*works: Callable[[], object]) -> None:
    """Run each in a thread of its own; raises what one of them raised."""
    failures: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failures


@pytest.mark.scenario("B6")
def test_four_threads_change_a_span_while_it_is_encoded() -> None:
    """Every value that arrives is one that was set, whole; the attributes that nobody touched are all there."""
    steady = {f"steady {number}": number for number in range(20)}
    attributes: dict[str, Any] = dict(steady)
    events: list[Any] = []
    span = make_span(attributes=attributes, events=events)
    texts = [letter * 200 for letter in "abcd"]
    event = Event("event", {"k": texts[0]}, 1)
    done = threading.Event()

    def change(own: int) -> None:
        for number in itertools.count():
            if done.is_set():
                return
            attributes[f"new {number % 97} {own}"] = texts[(number + own) % 4]
            attributes.pop(f"new {(number * 7) % 97} {own}", None)
            attributes["shared"] = texts[own] if number % 2 else [texts[own], texts[own]]
            span._name = texts[own]
            span._status = Status(StatusCode.ERROR, texts[own])
            events[:] = [event] * (number % 3)

    def encode() -> None:
        try:
            for _ in range(3_000):
                read = parse(hot.encode(span, cap=1 << 20))
                found = {item.key: item.value for item in read.attributes}
                assert steady.items() <= {key: value.int_value for key, value in found.items()}.items()
                assert read.name in ("name", *texts)
                assert read.status.message in ("", *texts)
                assert {value.string_value for key, value in found.items() if key.startswith("new")} <= {*texts}
        finally:
            done.set()

    together(*(lambda own=own: change(own) for own in range(4)), encode)


@pytest.mark.scenario("B6")
def test_four_threads_set_attributes_on_the_span_that_ends() -> None:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    rounds = 500
    barrier = threading.Barrier(5, timeout=60)
    spans = [tracer.start_span("s") for _ in range(rounds)]

    def change() -> None:
        for span in spans:
            barrier.wait()
            for number in range(20):
                span.set_attribute(f"k{number}", "v" * 50)
                span.add_event("e")

    def end() -> None:
        for span in spans:
            barrier.wait()
            span.end()

    logging.disable(logging.WARNING)  # of the SDK, that a span has ended
    try:
        together(*[change] * 4, end)
    finally:
        logging.disable(logging.NOTSET)
    assert processor.shutdown(10_000)
    assert (rounds, {}) == (processor.stats().endings["delivered"], processor.stats().internal_errors)
    assert {"v" * 50} >= {item.value.string_value for span in transport.spans() for item in span.attributes}


@pytest.mark.scenario("E3")
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_flush_beside_busy_producers_returns_with_all_that_ended_before_it(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver(protocol) as receiver:
        for name, value in receiver.environ.items():
            monkeypatch.setenv(name, value)
        processor = ErrorSpanProcessor("keep")
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        tracer = provider.get_tracer("test")
        done = threading.Event()
        pace = threading.Event()

        def produce() -> None:
            while not done.is_set():
                for _ in range(50):
                    tracer.start_span("busy").end()
                pace.wait(0.005)

        def flush() -> None:
            try:
                for number in range(5):
                    tracer.start_span(f"before {number}").end()
                    returned = processor.force_flush(20_000)
                    arrived = {received.span.name for received in receiver.spans()}
                    assert returned
                    assert f"before {number}" in arrived
            finally:
                done.set()

        together(produce, produce, flush)
        assert processor.shutdown(20_000)


@pytest.mark.timeout(900 if LONG else 120)
@pytest.mark.scenario("E4")
def test_a_thousand_processors_are_flushed_and_shut_down_while_spans_end() -> None:
    """Eight threads on each: four end spans, two flush, two shut down, in any order."""
    rounds = 1_000 if LONG else 50
    span = a_span()
    resting = ErrorSpanProcessor("keep", transport=CollectingTransport())
    current = [resting]
    barrier = threading.Barrier(9, timeout=60)
    answers: list[list[bool]] = [[] for _ in range(rounds)]

    def take_part(work: Callable[[ErrorSpanProcessor, int], object]) -> Callable[[], None]:
        def run() -> None:
            for number in range(rounds):
                barrier.wait()
                work(current[0], number)
                barrier.wait()

        return run

    def end(processor: ErrorSpanProcessor, number: int) -> None:
        for _ in range(20):
            processor.on_end(span)

    def flush(processor: ErrorSpanProcessor, number: int) -> None:
        processor.force_flush(5_000)

    def shut_down(processor: ErrorSpanProcessor, number: int) -> None:
        answers[number].append(processor.shutdown(5_000))

    def direct() -> None:
        for number in range(rounds):
            script = [Answer(Outcome.RETRY, cause="once")] if number % 3 == 0 else []
            current[0] = ErrorSpanProcessor("keep", transport=CollectingTransport(script))
            barrier.wait()
            barrier.wait()
            stats = current[0].stats()
            assert (80, True, 0, 0) == (stats.ended, stats.balanced, stats.buffered, stats.in_flight), stats
            # Each was delivered, or came too late.
            assert 80 == stats.endings["delivered"] + stats.endings["after_shutdown"], stats
            assert stats.worker in ("stopped", "not started")

    together(*map(take_part, [end] * 4 + [flush] * 2 + [shut_down] * 2), direct)
    assert all(len(both) == 2 for both in answers)
    resting.shutdown(100)


@pytest.mark.scenario("E4")
def test_an_exporter_may_shut_down_the_processor_that_calls_it() -> None:
    answers: list[bool] = []

    class Ending(SpanExporter):
        def export(self, spans: object) -> SpanExportResult:
            answers.append(processor.force_flush(200))
            answers.append(processor.shutdown(200))
            return SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            pass

    processor = ErrorSpanProcessor("keep", Ending())
    processor.on_end(a_span())
    processor.force_flush(10_000)
    processor.shutdown(10_000)
    stats = processor.stats()
    assert (1, True, 0) == (stats.ended, stats.balanced, stats.buffered)
    assert [False] == answers[:1]


def a_span(number: int = 1) -> ReadableSpan:
    return ReadableSpan(
        "s", context=SpanContext(7, number, False, TraceFlags(1)), resource=RESOURCE, start_time=1, end_time=2
    )


@pytest.mark.scenario("H1")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_handlers_end_spans_at_random_while_spans_fail_flush_and_are_counted() -> None:
    """What a handler interrupts is everything that an application does with a span, and a flush, and stats()."""
    transport = CollectingTransport()
    processor = ErrorSpanProcessor(
        "few: keep 5 per second by name if name == 'inner'\nrest: keep", transport=transport, scope="trace"
    )
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    chance = random.Random(11)
    handled = itertools.count()
    failed = a_span(9)
    failed._status = Status(StatusCode.ERROR, "in a handler")

    def handler(number: int, frame: object) -> None:
        # Spans are only ended here: starting one and setting attributes takes a lock of the SDK's that its user may hold.
        processor.on_end(failed)
        next(handled)
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00005, 0.002))

    before = signal.signal(signal.SIGALRM, handler)
    ended = 0
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        deadline = time.monotonic() + (60.0 if LONG else 3.0)
        while time.monotonic() < deadline:
            with pytest.raises(KeyError), tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
                raise KeyError("lost")
            ended += 2
            if ended % 100 == 0:
                processor.force_flush(1_000)
                assert processor.stats().balanced
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    total = next(handled)
    assert processor.shutdown(10_000)
    stats = processor.stats()
    assert total > 100
    assert (ended + total, True, {}) == (stats.ended, stats.balanced, stats.internal_errors)


@pytest.mark.scenario("H3")
def test_tasks_that_are_cancelled_in_a_flush_lose_nothing() -> None:
    """Spans of cancelled tasks are no errors and arrive all the same; who is cancelled in a flush leaves at once."""
    transport = CollectingTransport([Answer(Outcome.RETRY, cause="once")])
    transport.script.appendleft(transport.hang)
    processor = ErrorSpanProcessor("keep", transport=transport)
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")

    async def work(number: int) -> None:
        with tracer.start_as_current_span(f"task {number}"):
            await asyncio.sleep(3600)

    async def flush() -> None:
        with tracer.start_as_current_span("flush"):
            await asyncio.to_thread(processor.force_flush, 20_000)

    async def main() -> None:
        tasks = [asyncio.create_task(work(number)) for number in range(99)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        flushing = asyncio.create_task(flush())
        while not transport.waiting.is_set():
            await asyncio.sleep(0.001)
        flushing.cancel()
        answers = await asyncio.gather(*tasks, flushing, return_exceptions=True)
        assert {asyncio.CancelledError} == {type(answer) for answer in answers}
        transport.abort()  # what was sent into a black hole comes back

    asyncio.run(main())
    assert processor.shutdown(20_000)
    stats = processor.stats()
    assert (100, 0, 100) == (stats.ended, stats.errors, stats.endings["delivered"])
    assert 100 == len({span.name for span in transport.spans()})


@pytest.mark.scenario("H7")
def test_a_logging_handler_that_makes_spans_does_not_feed_itself() -> None:
    """Each line about a delivery that fails makes a span, whose delivery fails: a line a minute all the same."""
    transport = CollectingTransport(then=Answer(Outcome.RETRY, cause="UNAVAILABLE"))
    processor = ErrorSpanProcessor("keep", transport=transport)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("logs")
    lines: list[str] = []

    class Spanning(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())
            with tracer.start_as_current_span("log"):
                pass

    handler = Spanning()
    logging.getLogger().addHandler(handler)
    try:
        tracer.start_span("first").end()
        for _ in range(5):
            assert not processor.force_flush(100)
        assert processor.stats().retries > 3
        processor.shutdown(50)
    finally:
        logging.getLogger().removeHandler(handler)
    assert 2 == len(lines)
    assert "spans cannot be delivered" in lines[0]
    assert "shut down with 2 spans undelivered" in lines[1]
    assert (3, 1) == (processor.stats().ended, processor.stats().endings["after_shutdown"])


@pytest.mark.scenario("H7")
def test_an_exporter_that_is_instrumented_makes_no_spans_of_exports() -> None:
    """As instrumentations do, it asks whether it is suppressed; on the worker's thread and on that of a flush."""

    class Instrumented(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            if not get_value(_SUPPRESS_INSTRUMENTATION_KEY):
                tracer.start_span("POST /v1/traces").end()
            return SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            pass

    processor = ErrorSpanProcessor("keep", Instrumented())
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    for _ in range(20):
        tracer.start_span("s").end()
        assert processor.force_flush(5_000)
    assert 20 == processor.stats().ended
    assert processor.shutdown(5_000)
