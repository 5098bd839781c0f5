"""A batch becomes a request that means what the official encoder's means, within its size."""

from __future__ import annotations

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags

from otel_errsample._hot import Batch, Buffer, Group, Ledger, Limits, encode, group_of, take

RESOURCES = [Resource({"service.name": "a"}), Resource({"service.name": "b"}, "https://schema/1")]
SCOPES = [InstrumentationScope("x", "1"), InstrumentationScope("y", schema_url="https://schema/2"), None]


def a_span(number: int, resource: Resource, scope: InstrumentationScope | None, size: int = 0) -> ReadableSpan:
    return ReadableSpan(
        f"span {number}",
        context=SpanContext(7, number + 1, False, TraceFlags(1)),
        resource=resource,
        instrumentation_scope=scope,
        attributes={"padding": "p" * size},
        start_time=1,
        end_time=2,
    )


def a_buffer() -> Buffer:
    return Buffer(Ledger(), Limits(), 1 << 20, 0, 512, 1 << 20)


def admitted(buffer: Buffer, spans: list[ReadableSpan]) -> None:
    groups: dict[tuple[int, int], Group] = {}
    for span in spans:
        key = (id(span.resource), id(span.instrumentation_scope))
        group = groups.setdefault(key, group_of(span.resource, span.instrumentation_scope))
        assert buffer.offer(encode(span), 1, group) is None


def taken(buffer: Buffer, most: int, most_bytes: int, upto: int, errors_only: bool) -> Batch:
    batch = take(buffer, most, most_bytes, upto, errors_only)
    assert batch is not None
    return batch


def parsed(payload: bytes) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(payload)


@pytest.mark.parametrize("count", [1, 2, 6, 40], ids=str)
def test_a_request_equals_the_official_encoders(count: int) -> None:
    spans = [a_span(n, RESOURCES[n % 2], SCOPES[n // 2 % 3]) for n in range(count)]
    buffer = a_buffer()
    admitted(buffer, spans)
    batch = taken(buffer, 512, 1 << 20, buffer.newest, False)
    assert encode_spans(spans) == parsed(batch.payload(0, len(batch)))


def test_a_part_of_a_batch_is_a_request_of_its_own() -> None:
    spans = [a_span(n, RESOURCES[0], SCOPES[0]) for n in range(10)]
    buffer = a_buffer()
    admitted(buffer, spans)
    batch = taken(buffer, 512, 1 << 20, buffer.newest, False)
    assert encode_spans(spans[3:7]) == parsed(batch.payload(3, 7))


@pytest.mark.scenario("D12")
@pytest.mark.parametrize("most_bytes", [1_000, 5_000, 20_000], ids=str)
def test_a_request_is_never_longer_than_asked_for(most_bytes: int) -> None:
    spans = [a_span(n, RESOURCES[n % 2], SCOPES[n % 3], size=50 * (n % 9)) for n in range(200)]
    buffer = a_buffer()
    admitted(buffer, spans)
    seen = 0
    while batch := take(buffer, 512, most_bytes, buffer.newest, False):
        payload = batch.payload(0, len(batch))
        assert len(payload) <= most_bytes
        seen += len(batch)
        batch.end(0, len(batch), "delivered")
    assert 200 == seen


def test_the_copy_that_is_being_sent_is_charged_until_the_batch_is_gone() -> None:
    buffer = a_buffer()
    admitted(buffer, [a_span(1, RESOURCES[0], SCOPES[0], size=1_000)])
    waiting = buffer.used
    batch = taken(buffer, 512, 1 << 20, buffer.newest, False)
    payload = batch.payload(0, 1)
    assert waiting + len(payload) == buffer.used
    batch.end(0, 1, "delivered")
    del batch
    assert 0 == buffer.used


def test_a_request_being_sent_costs_no_waiting_span_its_place() -> None:
    """The copy is reserved for beside the limit; counted in it too, one error would evict a request's worth of spans."""
    ledger = Ledger()
    buffer = Buffer(ledger, Limits(), 40_000, 10_000, 512, 1 << 20)
    group = group_of(RESOURCES[0], SCOPES[0])
    while buffer.offer(b"x" * 1_000, 2, group) is None and not ledger.endings["evicted"]:
        pass
    before = ledger.endings["evicted"]
    batch = taken(buffer, 8, 9_000, buffer.newest, False)
    batch.payload(0, len(batch))
    assert buffer.offer(b"x" * 1_000, 3, group) is None
    assert before + 1 == ledger.endings["evicted"]
    assert buffer.used <= 40_000


def test_healthy_spans_are_tried_again_after_a_request_came_back() -> None:
    buffer = Buffer(Ledger(), Limits(), 3_000, 0, 512, 1 << 20)
    group = group_of(RESOURCES[0], SCOPES[0])
    buffer.offer(b"x" * 1_000, 1, group)
    batch = taken(buffer, 8, 9_000, buffer.newest, False)
    assert "buffer_full" == buffer.offer(b"x" * 2_500, 1, group)
    batch.put_back(0, 1, False)
    assert buffer.offer(b"x" * 100, 1, group) is None


def test_only_what_was_admitted_before_a_moment_is_taken() -> None:
    buffer = a_buffer()
    admitted(buffer, [a_span(n, RESOURCES[0], SCOPES[0]) for n in range(3)])
    moment = buffer.newest
    admitted(buffer, [a_span(n, RESOURCES[0], SCOPES[0]) for n in range(4)])
    batch = taken(buffer, 512, 1 << 20, moment, False)
    assert 3 == len(batch)
    batch.end(0, 3, "delivered")
    assert take(buffer, 512, 1 << 20, moment, False) is None


def test_errors_only_leaves_the_healthy_spans() -> None:
    buffer = a_buffer()
    group = group_of(RESOURCES[0], SCOPES[0])
    for lane in (1, 2, 3, 0):
        buffer.offer(b"x" * 10, lane, group)
    assert 2 == len(taken(buffer, 512, 1 << 20, buffer.newest, True))
