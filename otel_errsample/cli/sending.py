"""One error through the active span processor, and what the endpoint said of it."""

from __future__ import annotations

from typing import NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import get_tracer_provider

from otel_errsample.cli.diagnosis import heard, mask
from otel_errsample.processor import ErrorSpanProcessor

NAME = "otel-errsample doctor"


class DoctorTestError(Exception):
    """Raised on purpose."""


class Sent(NamedTuple):
    """Whether the endpoint took the test error, its trace id, and in words what happened."""

    taken: bool
    trace_id: str
    what: str


def send(processor: ErrorSpanProcessor, timeout: float) -> Sent:
    """End a failing span that every rule lets through, and wait at most `timeout` seconds for the answer."""
    resource = getattr(get_tracer_provider(), "resource", None) or Resource.create()
    provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    before = processor.stats().endings
    with heard() as said:
        trace_id = _fail(provider)
        processor.force_flush(int(timeout * 1000))
        after = processor.stats()
    endings = [name for name, count in after.endings.items() if count > before[name]]
    to = f"{processor._sink.endpoint} (trace {trace_id})"
    if endings == ["delivered"]:
        return Sent(True, trace_id, f"the test error, by {to}")
    reason = ", ".join(endings) or f"no answer within {timeout:g} s"
    said = list(dict.fromkeys(mask(line) for line in said))
    return Sent(False, trace_id, f"the test error, by {to}: {'; '.join([reason, after.exporter, *said])}")


def _fail(provider: TracerProvider) -> str:
    tracer = provider.get_tracer("otel_errsample.doctor")
    try:
        with tracer.start_as_current_span(NAME, attributes={"errsample.keep": True}) as span:
            raise DoctorTestError("a test: otel-errsample doctor asks whether errors arrive")
    except DoctorTestError:
        return format(span.get_span_context().trace_id, "032x")
