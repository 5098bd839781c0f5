"""The exporter `errsample`, for where nothing but an exporter can be named: behind a BatchSpanProcessor."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_errsample.plugins.masking import told

logger = logging.getLogger("otel_errsample")


class ErrsampleSpanExporter(SpanExporter):
    """Hands the spans of a batch to a span processor of its own: rules, enrichment, scrubbing, budget and OTLP are its.

    What the processor before it does cannot be undone: unsampled spans do not arrive, the exception is over and has
    left its texts only, and of more than 2,048 waiting spans the oldest are gone whatever they are. So is the time
    they waited. Options are those of a span processor in a declarative file.
    """

    def __init__(self, **options: Any) -> None:
        self.processor = _processor(options)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            self.processor.on_end(span)
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self.processor.force_flush(timeout_millis)

    def shutdown(self) -> None:
        self.processor.shutdown()


def _processor(options: dict[str, Any]) -> SpanProcessor:
    """Ours, or where it cannot be made the SDK's: an exporter that fails would leave an application without traces."""
    try:
        from otel_errsample.plugins.options import arguments, build

        place = "exporter.errsample"
        return build(place, **arguments(options, place))
    except Exception as error:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor

        logger.error("spans are exported without otel-errsample, which failed: %s", told(error))
        return SimpleSpanProcessor(OTLPSpanExporter())
