"""More than the buffer, the receiver or a request takes: counted, bounded, and nobody else's loss."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanContext, TraceFlags

from otel_errsample import ErrorSpanProcessor
from otel_errsample.ledger import Stats
from otel_errsample.testing import CollectingTransport
from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import refuse_spans
from otel_errsample.transport import Answer, Outcome
from tests.exchange import protocols
from tests.waiting import eventually

LONG = os.environ.get("ERRSAMPLE_LONG") == "1"
RESOURCE = Resource({"service.name": "s"})


def a_span(number: int = 1) -> ReadableSpan:
    return ReadableSpan(
        "s", context=SpanContext(7, number, False, TraceFlags(1)), resource=RESOURCE, start_time=1, end_time=2
    )


@pytest.mark.scenario("A4")
def test_a_million_spans_that_find_no_room_are_a_count_and_a_line(caplog: pytest.LogCaptureFixture) -> None:
    transport = CollectingTransport(then=Answer(Outcome.RETRY, cause="UNAVAILABLE"))
    processor = ErrorSpanProcessor("keep", transport=transport, max_buffer_bytes=1 << 16)
    span = a_span()
    while not processor.stats().endings["buffer_full"]:
        processor.on_end(span)
    fitting = processor.stats().ended - 1
    for _ in range(1_000_000):
        processor.on_end(span)
    stats = processor.stats()
    assert (1_000_001, fitting, {}) == (
        stats.endings["buffer_full"],
        stats.buffered + stats.in_flight,
        stats.internal_errors,
    )
    assert stats.peak_buffer_bytes <= 1 << 16
    assert eventually(lambda: any("found no room" in line for line in caplog.messages))
    processor.shutdown(50)
    # Of losing them, at the first and at the end, of the receiver that takes nothing, and of what is lost at the end.
    crowded = [int(line.split()[0]) for line in caplog.messages if "no room" in line]
    assert (True, 1_000_001) == (len(crowded) <= 2, sum(crowded))
    assert [1, 1] == [
        len([line for line in caplog.messages if said in line]) for said in ("cannot be delivered", "shut down")
    ]
    assert len(crowded) + 2 == len(caplog.messages)


@pytest.mark.scenario("H6")
def test_four_producers_at_full_speed_lose_nothing_that_is_not_counted() -> None:
    """What does not arrive at a receiver that takes everything at once found no room, and is counted as that."""
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport)
    each = 30_000 if not LONG else 300_000

    def produce() -> None:
        span = a_span()
        for _ in range(each):
            processor.on_end(span)

    producers = [threading.Thread(target=produce) for _ in range(4)]
    for producer in producers:
        producer.start()
    for producer in producers:
        producer.join()
    assert processor.shutdown(30_000)
    stats = processor.stats()
    found_no_room = stats.endings["buffer_full"] + stats.endings["evicted"]
    assert (4 * each, 4 * each) == (stats.ended, stats.endings["delivered"] + found_no_room)
    assert stats.endings["delivered"] == len(transport.spans())


Sent = Callable[[Receiver, list[tuple[str, int]]], Stats]


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Spans of these names and sizes through a processor of its own, which is shut down afterwards."""

    def sent(receiver: Receiver, spans: list[tuple[str, int]]) -> Stats:
        for name, value in receiver.environ.items():
            monkeypatch.setenv(name, value)
        processor = ErrorSpanProcessor("keep", flush_errors_ms=60_000)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        tracer = provider.get_tracer("test")
        for name, size in spans:
            tracer.start_span(name, attributes={"filler": "x" * size}).end()
        processor.shutdown(30_000)
        stats = processor.stats()
        assert stats.balanced
        return stats

    return sent


@pytest.mark.scenario("B5")
@pytest.mark.parametrize("place", [0, 255, 256, 511])
@protocols
def test_of_512_spans_the_one_that_is_refused_is_the_one_that_is_lost(send: Sent, protocol: str, place: int) -> None:
    with Receiver(protocol, then=refuse_spans(lambda span: span.name == "bad")) as receiver:
        stats = send(receiver, [("bad" if number == place else str(number), 0) for number in range(512)])
        arrived = [received.span.name for received in receiver.spans()]
    assert (511, 1) == (stats.endings["delivered"], stats.endings["rejected"])
    assert [str(number) for number in range(512) if number != place] == sorted(arrived, key=int)


@pytest.mark.scenario("B7")
@pytest.mark.parametrize("size", [5_000_000, 80_000_000])
@protocols
def test_a_span_larger_than_a_request_is_cut_and_sent(send: Sent, protocol: str, size: int) -> None:
    with Receiver(protocol) as receiver:
        stats = send(receiver, [("good", 0)] * 50 + [("large", size)] + [("good", 0)] * 49)
        (large,) = [received.span for received in receiver.spans() if received.span.name == "large"]
        assert (100, 100) == (stats.endings["delivered"], len(receiver.spans()))
        assert max(request.size for request in receiver.requests) < 4 << 20
    assert 1 == stats.truncated
    assert 0 < len(large.attributes[0].value.string_value) < size


@pytest.mark.scenario("B7")
@protocols
def test_a_span_that_a_receiver_finds_too_large_is_rejected_alone(send: Sent, protocol: str) -> None:
    with Receiver(protocol, max_request_bytes=10_000) as receiver:
        stats = send(receiver, [("good", 0)] * 50 + [("large", 20_000)] + [("good", 0)] * 49)
        assert ["good"] * 99 == [received.span.name for received in receiver.spans()]
    assert (99, 1) == (stats.endings["delivered"], stats.endings["rejected"])
