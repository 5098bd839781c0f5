"""The Collector asks for a client certificate, as it does between organisations; both protocols."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorSpanProcessor
from otel_errsample.ledger import Stats
from otel_errsample.testing.store import unpack
from tests.collector.peers import Collector
from tests.tls_files import Authority, Pair

protocols = pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def collector(collector_is_there: None, authority: Authority, tmp_path: Path) -> Iterator[Collector]:
    server = authority.issue("server")
    tls = {"cert_file": server.certificate, "key_file": server.key, "client_ca_file": authority.roots}
    made = Collector(tmp_path, receiver={"grpc": {"tls": tls}, "http": {"tls": tls}})
    with made.running():
        yield made


def ended_span(
    collector: Collector, protocol: str, authority: Authority, client: Pair | None, patience_ms: int
) -> tuple[bool, Stats]:
    """One span ends; whether all was delivered, and the books."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in collector.environ(protocol).items():
            patch.setenv(name, value.replace("http://", "https://"))
        patch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.roots)
        if client is not None:
            patch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", client.certificate)
            patch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", client.key)
        processor = ErrorSpanProcessor("all: keep")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    provider.get_tracer("test").start_span("trusted").end()
    return processor.shutdown(patience_ms), processor.stats()


@protocols
def test_with_the_certificate_spans_arrive(collector: Collector, authority: Authority, protocol: str) -> None:
    delivered, stats = ended_span(collector, protocol, authority, authority.issue("client"), 30_000)
    assert delivered, stats
    assert ["trusted"] == [received.span.name for payload in collector.payloads() for received in unpack(payload)]


@protocols
def test_without_it_nothing_does_and_the_books_say_so(
    collector: Collector, authority: Authority, protocol: str
) -> None:
    delivered, stats = ended_span(collector, protocol, authority, None, 1_000)
    assert not delivered
    assert (0, 1) == (stats.endings["delivered"], stats.endings["undelivered"] + stats.endings["delivery_unknown"])
    assert [] == collector.payloads()
