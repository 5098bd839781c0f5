"""A user's exporter is a sink like the OTLP transport, and cannot hurt the worker."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_errsample import ErrorSpanProcessor
from otel_errsample.sink import ExporterSink
from otel_errsample.testing import CollectingTransport
from otel_errsample.transport import Answer, Outcome


class Exporter(SpanExporter):
    def __init__(self, answer: SpanExportResult | type[BaseException]) -> None:
        self.answer = answer
        self.got: list[object] = []
        self.shut_down = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.got += spans
        if isinstance(self.answer, type):
            raise self.answer
        return self.answer

    def shutdown(self) -> None:
        self.shut_down += 1


class Batch:
    def spans(self, start: int, stop: int) -> list[int]:
        return list(range(start, stop))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (SpanExportResult.SUCCESS, Outcome.ACCEPTED),
        (SpanExportResult.FAILURE, Outcome.FAILED),
        (ValueError, Outcome.FAILED),
        (None, Outcome.FAILED),
    ],
    ids=["success", "failure", "raises", "returns nonsense"],
)
def test_the_exporters_answer_decides(answer: SpanExportResult, outcome: Outcome) -> None:
    exporter = Exporter(answer)
    assert outcome is ExporterSink(exporter).deliver(Batch(), 1, 3, 1.0).outcome  # type: ignore[arg-type]  # a stand-in
    assert [1, 2] == exporter.got


def test_the_endpoint_names_the_exporters_class() -> None:
    assert "Exporter" == ExporterSink(Exporter(SpanExportResult.SUCCESS)).endpoint


def test_close_shuts_the_exporter_down() -> None:
    exporter = Exporter(SpanExportResult.SUCCESS)
    sink = ExporterSink(exporter)
    sink.release()
    sink.forget()
    sink.abort()
    assert 0 == exporter.shut_down
    sink.close()
    assert 1 == exporter.shut_down


@pytest.mark.scenario("D11")
def test_a_dead_destination_takes_nothing_from_the_other_one() -> None:
    """It fills its own budget, and counts what it has no room for."""
    dead = CollectingTransport(then=Answer(Outcome.RETRY, cause="refused"))
    alive = CollectingTransport()
    provider = TracerProvider(shutdown_on_exit=False)
    processors = [ErrorSpanProcessor("keep", transport=each, max_buffer_bytes=64 << 10) for each in (dead, alive)]
    for processor in processors:
        provider.add_span_processor(processor)
    tracer = provider.get_tracer("tests")
    for number in range(2000):
        tracer.start_span(f"{number} {'x' * 50}").end()
        if number % 100 == 99:
            assert processors[1].force_flush()
    assert [f"{number} {'x' * 50}" for number in range(2000)] == [span.name for span in alive.spans()]
    answers = [processor.shutdown(timeout_millis=0) for processor in processors]
    assert [False, True] == answers
    lost, kept = (processor.stats().endings for processor in processors)
    assert 2000 == kept["delivered"] == lost["buffer_full"] + lost["undelivered"]
    assert lost["buffer_full"] > 0
