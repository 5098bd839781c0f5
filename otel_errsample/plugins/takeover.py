"""Our span processor in a tracer provider that somebody else has configured."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.util._importlib_metadata import entry_points

from otel_errsample.plugins.exporter import ErrsampleSpanExporter
from otel_errsample.plugins.exporters import otlp_of
from otel_errsample.plugins.options import build
from otel_errsample.plugins.switch import CONFIGURATOR, CONFIGURATORS, NAME
from otel_errsample.processor import ErrorSpanProcessor
from otel_errsample.transport.settings import OtlpSettings

logger = logging.getLogger("otel_errsample")

# A configurator that makes every exporter from the environment and from nothing else.
_BY_ENVIRONMENT: Final = "opentelemetry.distro:OpenTelemetryConfigurator"
_STOCK: Final = {
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter": "otlp_proto_grpc",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter": "otlp_proto_http",
}


def take_over(provider: TracerProvider, place: str, options: Mapping[str, Any]) -> None:
    """Put our span processor where a BatchSpanProcessor is, or beside what else exports; nothing where it is already.

    Each BatchSpanProcessor goes, not a class derived from it, and its exporter stays; only where everything came from
    the environment does an OTLP exporter go too, for the bytes that are sent from here. Beside another kind of
    processor ours exports only what the head sampler left out, so that nothing arrives twice.
    """
    several = provider._active_span_processor
    present: Sequence[SpanProcessor] = several._span_processors
    if any(isinstance(processor, ErrorSpanProcessor) for processor in present):
        return
    batches = [processor for processor in present if type(processor) is BatchSpanProcessor]
    for batch in batches:
        exporter = batch.span_exporter
        successor = _successor(exporter, place, options)  # what fails here leaves everything as it was
        _exchange(several, batch, successor)
        if successor._sink.destination is not exporter:
            exporter.shutdown()
    if batches:
        return
    if not present and os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        logger.warning("%s: nothing is exported, since OTEL_TRACES_EXPORTER is none", place)
        return
    provider.add_span_processor(build(place, **{"head_sampled": not present, **options}))
    if present:
        logger.info("%s: stands beside %s", place, ", ".join(type(processor).__name__ for processor in present))


def _successor(exporter: SpanExporter, place: str, options: Mapping[str, Any]) -> ErrorSpanProcessor:
    if isinstance(exporter, ErrsampleSpanExporter):
        return build(place, **options)
    target = _from_environment(exporter)
    if target is None:
        return build(place, **options, exporter=exporter)
    return build(place, **options, transport=target)


def _from_environment(exporter: SpanExporter) -> OtlpSettings | None:
    """Where an OTLP exporter sends to, if that is known: a vendor's may hold tokens that stand in no variable."""
    name = _STOCK.get(type(exporter).__module__)
    if name is None or type(exporter).__name__ != "OTLPSpanExporter" or os.environ.get("OTEL_CONFIG_FILE"):
        return None
    chosen = os.environ.get(CONFIGURATOR)
    for point in entry_points(group=CONFIGURATORS):
        if point.name != NAME and chosen in (None, point.name):
            return otlp_of(name) if point.value == _BY_ENVIRONMENT else None
    return None


def _exchange(several: Any, batch: BatchSpanProcessor, successor: ErrorSpanProcessor) -> None:
    with several._lock:
        several._span_processors = tuple(
            successor if processor is batch else processor for processor in several._span_processors
        )
    # Its thread ends, and hands on what waits there, without a word to an exporter that is not its any more.
    batch._batch_processor._exporter = _HandOn(successor)
    batch.shutdown()


class _HandOn(SpanExporter):
    """Takes what still waits in a processor that goes to the one that comes."""

    def __init__(self, successor: SpanProcessor) -> None:
        self._successor = successor

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            self._successor.on_end(span)
        return SpanExportResult.SUCCESS
