"""The instrumentor: options from a declarative file, and nothing for programs that instrument whatever is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

pytest.importorskip("opentelemetry.instrumentation.instrumentor")

from otel_errsample.plugins.instrumentor import ErrsampleInstrumentor


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: made)
    yield made
    ErrsampleInstrumentor().uninstrument()
    made.shutdown()


def processors_of(provider: TracerProvider) -> list[str]:
    return [type(processor).__name__ for processor in provider._active_span_processor._span_processors]


@pytest.mark.parametrize("options", [{}, {"tracer_provider": None}], ids=str)
@pytest.mark.parametrize("enabled", ["", "false"])
def test_instrumenting_all_that_is_installed_switches_nothing_on(
    enabled: str, options: dict[str, Any], provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ERRSAMPLE_ENABLED", enabled)
    ErrsampleInstrumentor().instrument(**options)
    assert ["BatchSpanProcessor"] == processors_of(provider)


def test_what_was_not_asked_may_be_asked_later(provider: TracerProvider) -> None:
    ErrsampleInstrumentor().instrument()
    ErrsampleInstrumentor().instrument(rules="keep if error")
    assert ["ErrorSpanProcessor"] == processors_of(provider)


def test_the_variable_asks_for_it(provider: TracerProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_ERRSAMPLE_ENABLED", "true")
    ErrsampleInstrumentor().instrument()
    assert ["ErrorSpanProcessor"] == processors_of(provider)


@pytest.mark.parametrize("named", ["errsample", "flask"])
def test_a_file_asks_for_it_where_it_names_it(
    named: str, provider: TracerProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    pytest.importorskip("opentelemetry.configuration")
    path = tmp_path / "otel.yaml"
    path.write_text(f'file_format: "1.0"\ninstrumentation/development: {{python: {{{named}: {{}}}}}}\n')
    monkeypatch.setenv("OTEL_CONFIG_FILE", str(path))
    ErrsampleInstrumentor().instrument()
    assert ["ErrorSpanProcessor" if named == "errsample" else "BatchSpanProcessor"] == processors_of(provider)
