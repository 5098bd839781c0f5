"""Greenlets that keep the CPU, and give up while they flush, beside the worker. Argument: when gevent patches."""

from __future__ import annotations

import sys

from gevent import Timeout, monkey, spawn

if sys.argv[1] == "early":
    monkey.patch_all()

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor
from tests.servers.apps import telemetry

SPANS = 500


class GivingUp(SpanExporter):
    """Its first export is ended by a timeout that somebody set in this greenlet's name."""

    def __init__(self) -> None:
        self.calls = 0
        self.exported = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.calls += 1
        if self.calls == 1:
            raise Timeout(1)
        self.exported += len(spans)
        return SpanExportResult.SUCCESS


def fail(processor: ErrorSpanProcessor, spans: int, name: str = "failing") -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("greedy")
    for _ in range(spans):
        span = tracer.start_span(name)
        span.set_status(StatusCode.ERROR)
        span.end()


def keep_the_cpu(processor: ErrorSpanProcessor) -> None:
    """Until all is delivered, without a switch: another greenlet would not come to deliver it."""
    while processor.stats().endings["delivered"] < SPANS:
        pass


processor = ErrorSpanProcessor("keep", flush_errors_ms=20)
if sys.argv[1] == "late":
    fail(processor, 1)
    assert processor.force_flush()
    monkey.patch_all()
fail(processor, SPANS)
spawn(keep_the_cpu, processor).join()
telemetry.tell("kept the CPU")

fail(processor, SPANS, "slow")  # the receiver takes its time for these
given_up = False
try:
    with Timeout(0.2):
        processor.force_flush()
except Timeout:
    given_up = True
telemetry.tell(f"gave up: {given_up}")
flushed, stats = processor.force_flush(), processor.stats()
telemetry.tell(f"flushed: {flushed}, balanced: {stats.balanced}")
processor.shutdown()

exporter = GivingUp()
processor = ErrorSpanProcessor("keep", exporter=exporter, flush_errors_ms=0)
fail(processor, 3)
flushed, stats = processor.force_flush(), processor.stats()
telemetry.tell(f"flushed: {flushed}, exported: {exporter.exported}, noted: {stats.internal_errors}")
processor.shutdown()
