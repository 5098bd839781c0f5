"""A receiver that takes less in one request than we send gets it in pieces; what it never takes costs nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing.store import unpack
from tests.collector.peers import Collector, Peer, Rotel

MIB: Final = 1 << 20
SPANS: Final = 60
SIZE: Final = 50_000  # 3 MB together
TOO_LARGE: Final = 30  # 1.5 MB alone

PEERS: Final[dict[str, Callable[[Path], Peer]]] = {
    "collector": lambda folder: Collector(
        folder, receiver={"grpc": {"max_recv_msg_size_mib": 1}, "http": {"max_request_body_size": MIB}}
    ),
    "rotel": lambda folder: Rotel(folder, "--otlp-grpc-max-recv-msg-size-mib", "1"),
}


@pytest.mark.scenario("B7")
@pytest.mark.parametrize(
    ("name", "protocol"), [("collector", "grpc"), ("collector", "http/protobuf"), ("rotel", "grpc")]
)
def test_only_what_is_too_large_alone_is_lost_and_that_is_counted(
    name: str, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(f"{name}_is_there")
    peer = PEERS[name](tmp_path)
    for variable, value in peer.environ(protocol).items():
        monkeypatch.setenv(variable, value)
    with peer.running():
        processor = ErrorSpanProcessor("all: keep")
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        tracer = provider.get_tracer("test")
        for number in range(SPANS):
            fillers = 30 if number == TOO_LARGE else 1
            tracer.start_span(str(number), attributes={f"filler {n}": "x" * SIZE for n in range(fillers)}).end()
        assert not processor.shutdown(60_000), "not everything was delivered"
        assert peer.has(SPANS - 1)
        stats = processor.stats()
        assert (SPANS - 1, 1) == (stats.endings["delivered"], stats.endings["rejected"]), stats
        arrived = [received.span.name for payload in peer.payloads() for received in unpack(payload)]
    assert sorted(map(str, {*range(SPANS)} - {TOO_LARGE})) == sorted(arrived)
