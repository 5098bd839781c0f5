"""A Collector that ends in the middle and comes back loses nothing that was acknowledged, and is sent the rest."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing.store import unpack
from tests.collector.peers import Collector, Peer
from tests.waiting import eventually

BATCH = 100
MOST = 50_000


@contextmanager
def flowing(tracer: Tracer) -> Iterator[None]:
    """Spans end meanwhile, about ten in a millisecond, but never more than the buffer holds."""
    over = threading.Event()

    def flow() -> None:
        for number in range(MOST):
            tracer.start_span(str(number)).end()
            if number % 10 == 9 and over.wait(0.001):
                return

    thread = threading.Thread(target=flow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def ids(payloads: Iterable[bytes]) -> Counter[bytes]:
    return Counter(received.span.span_id for payload in payloads for received in unpack(payload))


@pytest.mark.scenario("D8")
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("end", [Peer.kill, Peer.terminate])
def test_every_span_is_in_the_file_after_a_restart(
    collector_is_there: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[Peer], None],
    protocol: str,
) -> None:
    collector = Collector(tmp_path)
    for name, value in collector.environ(protocol).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", str(BATCH))
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    processor = ErrorSpanProcessor("all: keep")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)

    def delivered() -> int:
        return processor.stats().endings["delivered"]

    def delivers() -> bool:
        before = delivered()
        return eventually(lambda: delivered() > before)

    with collector.running():
        with flowing(provider.get_tracer("test")):
            for _ in range(2):
                assert delivers()
                end(collector)
                assert eventually(lambda: processor.stats().exporter != "ok")
                collector.start()
            assert delivers()
        assert processor.shutdown(60_000), processor.stats()
    stats = processor.stats()
    assert stats.ended == delivered()
    assert stats.retries > 0
    arrived = ids(collector.payloads())
    assert stats.ended == len(arrived), "each at least once"
    # Twice only what was written and whose answer was on its way: one request for each end of the Collector.
    assert sum(arrived.values()) - len(arrived) <= 2 * BATCH
