"""A Collector that takes nothing for now is sent everything again when it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing.store import unpack
from tests.collector.peers import Collector
from tests.waiting import eventually

# It is over this limit with nothing to do.
LIMIT: Final[dict[str, Any]] = {"processors": {"memory_limiter": {"check_interval": "10ms", "limit_mib": 1}}}
LIMITED: Final[dict[str, Any]] = {
    "traces": {"receivers": ["otlp"], "processors": ["memory_limiter"], "exporters": ["file/spans"]}
}
SPANS: Final = 500


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_what_the_memory_limiter_refuses_arrives_once_it_has_room(
    collector_is_there: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    full, roomy = Collector(tmp_path / "full", LIMIT, LIMITED), Collector(tmp_path / "roomy")
    roomy.ports = full.ports
    for name, value in full.environ(protocol).items():
        monkeypatch.setenv(name, value)
    processor = ErrorSpanProcessor("all: keep")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    with full.running():
        assert eventually(lambda: any("Refusing data" in line for line in full.log)), full.log
        for number in range(SPANS):
            tracer.start_span(str(number)).end()
        assert not processor.force_flush(1_000)
        assert eventually(lambda: processor.stats().retries > 0)
        stats = processor.stats()
        assert (0, 0) == (stats.endings["delivered"], stats.endings["rejected"]), stats
    with roomy.running():
        assert processor.shutdown(60_000), processor.stats()
        assert SPANS == processor.stats().endings["delivered"]
    arrived = [received.span.name for payload in roomy.payloads() for received in unpack(payload)]
    assert sorted(map(str, range(SPANS))) == sorted(arrived)
    assert [] == full.payloads()
