"""`force_flush` and `shutdown` against receivers that take nothing: in time, with the truth, and the rest in the spool.

The bounds are the promise, a tenth above the time given, and hold on two busy cores; what was measured is in the message
of an assertion. All endpoints are waited for at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor
from otel_errsample.ledger import Stats
from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply, unavailable
from otel_errsample.transport.settings import OtlpSettings
from tests.exchange import settings_for
from tests.ports import refusing

SPANS = 20
FLUSH, SHUTDOWN = 1.0, 2.0
PROMISED = 1.1
PROTOCOLS = ("grpc", "http")
ENDPOINTS = {
    "refused": None,
    "503": unavailable(),
    "black hole": Reply(fault="black_hole"),
    "drip": Reply(fault="drip"),
}
CASES = [(protocol, endpoint, spool) for protocol in PROTOCOLS for endpoint in ENDPOINTS for spool in (False, True)]


class Waited(NamedTuple):
    """How long each call took, what it answered, what the books said afterwards."""

    flush: float
    flushed: bool
    shutdown: float
    delivered: bool
    stats: Stats
    spool: Path


Waits = dict[tuple[str, str, bool], "Future[Waited]"]
"""By protocol, endpoint, and whether there is a spool."""


@contextmanager
def nobody(protocol: str, reply: Reply | None) -> Iterator[OtlpSettings]:
    """Settings that lead to a receiver that takes nothing, or to a port where none listens."""
    if reply is None:
        with refusing() as port:
            yield settings_for(protocol, port)
    else:
        with Receiver(protocol, then=reply) as receiver:
            yield receiver.settings()


def end_errors(processor: ErrorSpanProcessor) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("deadlines")
    for number in range(SPANS):
        span = tracer.start_span(f"failing {number}")
        span.set_status(StatusCode.ERROR)
        span.end()


def timed(call: Callable[[], bool]) -> tuple[float, bool]:
    begun = time.monotonic()
    answer = call()
    return time.monotonic() - begun, answer


def wait(protocol: str, endpoint: str, spool: Path | None, place: Path) -> Waited:
    with nobody(protocol, ENDPOINTS[endpoint]) as settings:
        processor = ErrorSpanProcessor("keep", transport=settings, spool_dir=spool)
        end_errors(processor)
        flush = timed(lambda: processor.force_flush(round(FLUSH * 1000)))
        shutdown = timed(lambda: processor.shutdown(round(SHUTDOWN * 1000)))
        return Waited(*flush, *shutdown, processor.stats(), place)


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waits]:
    with ThreadPoolExecutor(len(CASES)) as several:
        waits = {}
        for case in CASES:
            protocol, endpoint, has_spool = case
            place = tmp_path_factory.mktemp("deadlines") / "spool"
            waits[case] = several.submit(wait, protocol, endpoint, place if has_spool else None, place)
        yield waits


@pytest.mark.scenario("E1", "E2")
@pytest.mark.parametrize(("protocol", "endpoint", "has_spool"), CASES)
def test_a_flush_and_a_shutdown_end_in_time_and_tell_the_truth(
    protocol: str, endpoint: str, has_spool: bool, waits: Waits
) -> None:
    waited = waits[protocol, endpoint, has_spool].result()
    assert (False, False) == (waited.flushed, waited.delivered)
    assert waited.flush <= FLUSH * PROMISED, waited
    assert waited.shutdown <= SHUTDOWN * PROMISED, waited
    stats = waited.stats
    assert stats.balanced, stats
    assert (SPANS, 0, 0) == (stats.ended, stats.buffered, stats.in_flight)
    if has_spool:
        assert SPANS == stats.endings["spooled"], stats
    else:
        # What was sent and never answered may have arrived.
        assert SPANS == stats.endings["undelivered"] + stats.endings["delivery_unknown"], stats
        assert (endpoint in ("refused", "503")) == (stats.endings["undelivered"] == SPANS), stats


@pytest.mark.scenario("E1")
@pytest.mark.parametrize(("protocol", "endpoint"), [case[:2] for case in CASES if case[2]])
def test_the_next_process_delivers_what_is_in_the_spool(protocol: str, endpoint: str, waits: Waits) -> None:
    place = waits[protocol, endpoint, True].result().spool
    with Receiver(protocol) as receiver:
        processor = ErrorSpanProcessor("keep", transport=receiver.settings(), spool_dir=place, flush_errors_ms=0)
        assert receiver.wait_for(SPANS, 60)
        assert processor.shutdown()
        assert (0, SPANS, SPANS) == (
            processor.stats().ended,
            processor.stats().recovered,
            processor.stats().endings["delivered"],
        )
        assert {f"failing {number}" for number in range(SPANS)} == {one.span.name for one in receiver.spans()}
    assert [] == list(place.iterdir())
