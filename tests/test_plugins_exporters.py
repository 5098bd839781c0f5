"""plugins/exporters.py: a span processor for each exporter that OTEL_TRACES_EXPORTER names."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from otel_errsample.plugins import exporters
from otel_errsample.plugins.exporters import from_environment
from otel_errsample.sink import ExporterSink, OtlpSink
from otel_errsample.transport.settings import OtlpSettings


class Failing(SpanExporter):
    def __init__(self) -> None:
        raise OSError("no disk")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("console", "opentelemetry.sdk.trace.export:ConsoleSpanExporter", "g"),
        EntryPoint("otlp_proto_grpc", "opentelemetry.exporter.otlp.proto.grpc.trace_exporter:OTLPSpanExporter", "g"),
        EntryPoint("failing", f"{__name__}:Failing", "g"),
        EntryPoint("text", "builtins:str", "g"),
    ]
    monkeypatch.setattr(
        exporters, "entry_points", lambda group, name=None: [p for p in points if name in (None, p.name)]
    )


def sinks(monkeypatch: pytest.MonkeyPatch, names: str | None) -> list[Any]:
    if names is not None:
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", names)
    made = from_environment({})
    for processor in made:
        processor.shutdown()
    return [processor._sink for processor in made]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (None, [("grpc", "localhost:4317")]),
        ("otlp", [("grpc", "localhost:4317")]),
        ("otlp, errsample,,otlp_proto_grpc", [("grpc", "localhost:4317")]),
        ("otlp_proto_http", [("http/protobuf", "http://localhost:4318/v1/traces")]),
        (
            "otlp_proto_http,otlp",
            [("http/protobuf", "http://localhost:4318/v1/traces"), ("grpc", "localhost:4317")],
        ),
        (" None ", []),
    ],
)
def test_otlp_by_any_name_is_sent_from_here(
    names: str | None, expected: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [sink.destination for sink in sinks(monkeypatch, names)]
    assert all(isinstance(each, OtlpSettings) for each in found)
    assert expected == [(each.protocol, each.endpoint) for each in found]


def test_another_exporter_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    otlp, console = sinks(monkeypatch, "otlp,console")
    assert isinstance(otlp, OtlpSink)
    assert isinstance(console, ExporterSink)
    assert isinstance(console.destination, ConsoleSpanExporter)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("consol", "an exporter that it names is not installed and is left out; did you mean 'console'?"),
        ("zipkin", "an exporter that it names is not installed and is left out"),
        ("failing", f"the exporter {__name__}:Failing cannot be used and is left out (no disk)"),
        ("text", "the exporter builtins:str cannot be used and is left out (str is no SpanExporter)"),
    ],
)
def test_what_cannot_be_used_is_said_and_spans_go_over_otlp(
    name: str, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (sink,) = sinks(monkeypatch, name)
    assert isinstance(sink, OtlpSink)
    assert [f"OTEL_TRACES_EXPORTER: {said}"] == caplog.messages


def test_credentials_of_a_plug_in_need_the_stock_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PYTHON_EXPORTER_OTLP_GRPC_TRACES_CREDENTIAL_PROVIDER", "cloud")
    monkeypatch.setattr("opentelemetry.exporter.otlp.proto.grpc.trace_exporter.OTLPSpanExporter", ConsoleSpanExporter)
    (sink,) = sinks(monkeypatch, "otlp")
    assert isinstance(sink.destination, ConsoleSpanExporter)
