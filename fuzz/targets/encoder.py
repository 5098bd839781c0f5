"""A span of any content, encoded: the request parses, keeps to its cap, and holds what the repairs promise.

A span the official encoder accepts, that is not cut and needs no repair has the official encoder's bytes.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from fuzz.source import Source
from fuzz.spans import Maker
from otel_errsample._hot import encode_counted, encode_request

MOST = 4096
WORDS = (
    b"exception", b"\xf0\x9f\x92\xa9", b"\xed\xa0\x80", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\xc3\xa9",
    b"ot=th:8,a=1", b"\x00\x00\x00\x00\x00\x00\xf0\x7f", b"\x00\x00\x00\x00\x00\x00\xf8\x7f",
)  # fmt: skip

_CAPS = (1 << 21, 1 << 21, 1 << 16, 4096)
_LONGEST_ERROR_TEXT = 256  # UTF-8 bytes of a description, the least of the bounds that hold on every span
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def check(data: bytes) -> None:
    source = Source(data)
    cap = source.pick(_CAPS)
    maker = Maker(source)
    span = maker.span()
    field, level, repaired = encode_counted(span, cap=cap)
    assert len(field) <= cap, "the cap holds"
    assert (field, level, repaired) == encode_counted(span, cap=cap), "the same span has the same bytes"
    (wire,) = ScopeSpans.FromString(field).spans
    _compare(span, wire, level)
    request = ExportTraceServiceRequest.FromString(encode_request([span, span], cap))
    ((first, second),) = [scope.spans for resource in request.resource_spans for scope in resource.scope_spans]
    assert first == second == wire, "a request holds the same"
    if maker.plain and not _has_long_texts(wire):
        _compare_with_official(span, field, level, repaired)


def _compare(span: ReadableSpan, wire: WireSpan, level: int) -> None:
    context: Any = span.context
    assert _masked(context.trace_id, 128) == wire.trace_id
    assert _masked(context.span_id, 64) == wire.span_id
    for number, written in ((span.start_time, wire.start_time_unix_nano), (span.end_time, wire.end_time_unix_nano)):
        if isinstance(number, int):
            assert min(max(number, 0), 2**64 - 1) == written
    assert (0 if span.kind is None else span.kind.value + 1) == wire.kind
    if level == 0 and type(span.name) is str:
        assert "".join(_REPLACEMENT if "\ud800" <= char < "\ue000" else char for char in span.name) == wire.name


def _masked(number: Any, bits: int) -> bytes:
    value = number & (1 << bits) - 1 if isinstance(number, int) else 0
    return int(value).to_bytes(bits // 8, "big")


def _has_long_texts(wire: WireSpan) -> bool:
    """Whether a text of an error may have been cut although nothing else was."""
    values = [item.value.string_value for event in wire.events for item in event.attributes]
    return any(len(text.encode()) + 4 > _LONGEST_ERROR_TEXT for text in (wire.status.message, *values))


def _compare_with_official(span: ReadableSpan, field: bytes, level: int, repaired: int) -> None:
    if level or repaired:
        return
    span._resource, span._instrumentation_scope = Resource({}), None  # what is repaired in these is not told
    (resource,) = encode_spans([span]).resource_spans  # that it accepts the span is a part of the promise
    scope = resource.scope_spans[0]
    scope.ClearField("scope")
    scope.ClearField("schema_url")
    assert scope.SerializeToString() == field, "the official encoder's bytes"
