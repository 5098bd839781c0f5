"""The telemetry of every application here, stock or ours, and a piece of work that is traced."""

from __future__ import annotations

import os

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

FAILS_EVERY = 4


def start() -> None:
    """Make the global tracer provider, with the processor that SIDE names."""
    provider = TracerProvider()
    provider.add_span_processor(_processor())
    trace.set_tracer_provider(provider)


def work(number: int) -> None:
    """One span; every fourth fails."""
    with trace.get_tracer("servers").start_as_current_span("work") as span:
        span.set_attribute("number", number)
        if number % FAILS_EVERY == 0:
            span.record_exception(KeyError("price"))
            span.set_status(trace.StatusCode.ERROR)


def tell(line: str) -> None:
    """Write a line that the harness waits for; past every logging and buffering, from any process."""
    os.write(1, f"{line}\n".encode())


def line(name: str) -> bool:
    """Whether the application is to do what docs/deployment.md says under this name."""
    return os.environ["LINE"] == name


def _processor() -> SpanProcessor:
    if os.environ["SIDE"] == "ours":
        from otel_errsample import ErrorSpanProcessor

        return ErrorSpanProcessor("keep")
    if os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # type: ignore[assignment]  # of the same name
    return BatchSpanProcessor(OTLPSpanExporter())
