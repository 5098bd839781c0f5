"""plugins/takeover.py: our span processor in a tracer provider that somebody else has configured."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_errsample import ErrorSpanProcessor
from otel_errsample.plugins import takeover
from otel_errsample.plugins.exporter import ErrsampleSpanExporter
from otel_errsample.plugins.takeover import take_over
from otel_errsample.transport.settings import OtlpSettings


class Vendors(BatchSpanProcessor):
    """A vendor's own, which may do anything."""


class Baggage(SpanProcessor):
    """One that exports nothing."""


def provider_with(*processors: SpanProcessor) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    return provider


def processors_of(provider: TracerProvider) -> tuple[SpanProcessor, ...]:
    return provider._active_span_processor._span_processors


def chosen(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    points = [EntryPoint("errsample", "ours:Ours", "g"), EntryPoint("configurator", value, "g")]
    monkeypatch.setattr(takeover, "entry_points", lambda group: points)


def test_a_batch_processor_goes_and_its_exporter_stays() -> None:
    exported = InMemorySpanExporter()
    batch, baggage = BatchSpanProcessor(exported), Baggage()
    provider = provider_with(baggage, batch)
    tracer = provider.get_tracer("t")
    tracer.start_span("before").end()
    take_over(provider, "here", {"rules": "keep"})
    tracer.start_span("after").end()
    first, ours = processors_of(provider)
    assert first is baggage
    assert isinstance(ours, ErrorSpanProcessor)
    assert ours.force_flush(10_000)
    assert ["before", "after"] == [span.name for span in exported.get_finished_spans()], "what waited was handed on"
    assert not batch._batch_processor._worker_thread.is_alive()
    provider.shutdown()


@pytest.mark.parametrize("plug_in", [False, True])
def test_where_ours_cannot_be_made_the_exporter_goes_on(plug_in: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen(monkeypatch, "opentelemetry.distro:OpenTelemetryConfigurator")
    exporter = ErrsampleSpanExporter() if plug_in else OTLPSpanExporter()
    shut: list[object] = []
    stop = exporter.shutdown
    monkeypatch.setattr(exporter, "shutdown", lambda *_: shut.append(exporter))
    batch = BatchSpanProcessor(exporter)
    provider = provider_with(batch)

    def fail(*_: object, **__: object) -> None:
        raise ImportError("half a package")

    with monkeypatch.context() as patch:
        patch.setattr(takeover, "build", fail)
        with pytest.raises(ImportError, match="half a package"):
            take_over(provider, "here", {})
    assert ((batch,), []) == (processors_of(provider), shut)
    take_over(provider, "here", {})
    assert [exporter] == shut, "and with a successor it goes"
    stop()
    provider.shutdown()


def test_a_second_time_changes_nothing() -> None:
    provider = provider_with(BatchSpanProcessor(InMemorySpanExporter()))
    take_over(provider, "here", {})
    before = processors_of(provider)
    take_over(provider, "here", {})
    assert before == processors_of(provider)
    provider.shutdown()


@pytest.mark.parametrize("made", [Vendors, SimpleSpanProcessor])
def test_beside_another_kind_of_processor_only_the_rest_is_exported(
    made: type[BatchSpanProcessor], caplog: pytest.LogCaptureFixture
) -> None:
    theirs = made(InMemorySpanExporter())
    provider = provider_with(theirs)
    with caplog.at_level(logging.INFO):
        take_over(provider, "here", {})
    assert f"here: stands beside {made.__name__}" in caplog.messages
    first, ours = processors_of(provider)
    assert first is theirs
    assert isinstance(ours, ErrorSpanProcessor)
    provider.get_tracer("t").start_span("sampled").end()
    assert 1 == ours.stats().endings["left_to_head"]
    provider.shutdown()


def test_alone_it_exports_the_head_sample_too() -> None:
    provider = provider_with()
    take_over(provider, "here", {"exporter": InMemorySpanExporter()})
    (ours,) = processors_of(provider)
    assert isinstance(ours, ErrorSpanProcessor)
    provider.get_tracer("t").start_span("sampled").end()
    assert 1 == ours.stats().buffered
    provider.shutdown()


def test_none_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    provider = provider_with()
    take_over(provider, "here", {})
    assert () == processors_of(provider)


def test_an_exporter_made_from_the_environment_gives_way_to_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen(monkeypatch, "opentelemetry.distro:OpenTelemetryConfigurator")
    provider = provider_with(BatchSpanProcessor(OTLPSpanExporter()))
    take_over(provider, "here", {})
    (ours,) = processors_of(provider)
    assert isinstance(ours, ErrorSpanProcessor)
    assert OtlpSettings() == ours._sink.destination
    provider.shutdown()


@pytest.mark.parametrize(
    ("value", "variables"),
    [
        ("vendor.distro:Configurator", {}),
        ("opentelemetry.distro:OpenTelemetryConfigurator", {"OTEL_CONFIG_FILE": "otel.yaml"}),
        ("opentelemetry.distro:OpenTelemetryConfigurator", {"OTEL_PYTHON_CONFIGURATOR": "elsewhere"}),
    ],
    ids=["a vendor's configurator", "a file", "a configurator that is not there"],
)
def test_an_exporter_that_may_hold_more_than_the_environment_says_stays(
    value: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen(monkeypatch, value)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    exporter = OTLPSpanExporter(headers={"authorization": "token"})
    provider = provider_with(BatchSpanProcessor(exporter))
    take_over(provider, "here", {})
    (ours,) = processors_of(provider)
    assert isinstance(ours, ErrorSpanProcessor)
    assert exporter is ours._sink.destination
    provider.shutdown()


def test_the_exporter_plug_in_gives_way_to_the_whole() -> None:
    provider = provider_with(BatchSpanProcessor(ErrsampleSpanExporter()))
    take_over(provider, "here", {})
    (ours,) = processors_of(provider)
    assert isinstance(ours, ErrorSpanProcessor)
    assert isinstance(ours._sink.destination, OtlpSettings)
    provider.shutdown()
