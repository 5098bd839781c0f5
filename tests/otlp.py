"""OTLP requests for tests of what carries them."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status


def request(*names: str, filler: int = 0) -> bytes:
    """Return a request with one span for each name, with `filler` bytes in an attribute of the resource."""
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    if filler:
        attribute = resource_spans.resource.attributes.add(key="filler")
        attribute.value.string_value = "x" * filler
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "tests"
    for number, name in enumerate(names, start=1):
        span = scope_spans.spans.add(name=name, trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"))
        span.status.code = Status.STATUS_CODE_ERROR
    return message.SerializeToString()
