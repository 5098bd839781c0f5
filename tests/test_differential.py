"""Random spans, encoded here and by the official encoder: the same bytes.

The strategies of test_encode.py look for the odd span; these are many ordinary ones, by a seed.
"""

from __future__ import annotations

import os
import random
import string
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from otel_errsample import _hot

LONG = os.environ.get("ERRSAMPLE_LONG") == "1"
SPANS = 100_000 if LONG else 5_000
BATCH = 500
LETTERS = string.ascii_letters + "äß漢\N{PILE OF POO}\0\n"


class Random:
    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.resources = [Resource(self.attributes(3), schema) for schema in (None, "https://example.com/1")]
        self.scopes = [InstrumentationScope(self.text(), "1", None, self.attributes(2)) for _ in range(3)]

    def text(self, most: int = 20) -> str:
        return "".join(self.draw.choices(LETTERS, k=self.draw.randint(1, most)))

    def value(self, depth: int = 0) -> Any:
        kind = self.draw.randrange(9 if depth < 2 else 6)
        if kind == 0:
            return self.draw.random() < 0.5
        if kind == 1:
            return self.draw.getrandbits(self.draw.randint(1, 63)) * self.draw.choice((1, -1))
        if kind == 2:
            return self.draw.uniform(-1e300, 1e300)
        if kind == 3:
            return self.draw.randbytes(self.draw.randint(0, 9))
        if kind < 6:
            return self.text(300)
        if kind == 6:
            return {self.text(): self.value(depth + 1) for _ in range(self.draw.randint(0, 3))}
        return tuple(self.value(depth + 1) for _ in range(self.draw.randint(0, 4)))

    def attributes(self, most: int) -> dict[str, Any]:
        return {self.text(): self.value() for _ in range(self.draw.randint(0, most))}

    def bounded(self, most: int) -> BoundedAttributes:
        held = BoundedAttributes(128, self.attributes(most))
        held.dropped = self.draw.choice((0, 0, 3))
        return held

    def context(self) -> SpanContext:
        state = TraceState([("vendor", "a1"), ("ot", "rv:0123456789abcd")] if self.draw.random() < 0.2 else [])
        bits = self.draw.getrandbits
        return SpanContext(bits(128), bits(64), self.draw.random() < 0.3, TraceFlags(bits(1)), state)

    def span(self) -> ReadableSpan:
        draw = self.draw
        start = draw.getrandbits(60)
        code = draw.choice(list(StatusCode))
        return ReadableSpan(
            self.text(60),
            context=self.context(),
            parent=self.context() if draw.random() < 0.7 else None,
            resource=draw.choice(self.resources),
            attributes=self.bounded(8),
            events=[Event(self.text(), self.bounded(4), start + 1) for _ in range(draw.choice((0, 0, 1, 3)))],
            links=[Link(self.context(), self.bounded(2)) for _ in range(draw.choice((0, 0, 2)))],
            kind=draw.choice(list(SpanKind)),
            status=Status(code, self.text(200) if code is StatusCode.ERROR else None),
            start_time=start,
            end_time=start + draw.getrandbits(40),
            instrumentation_scope=draw.choice(self.scopes),
        )


@pytest.mark.timeout(900 if LONG else 120)
@pytest.mark.scenario("B3")
def test_every_random_span_has_the_bytes_of_the_official_encoder() -> None:
    assert _hot.probe()
    chance = Random(3)
    for _ in range(SPANS // BATCH):
        spans = [chance.span() for _ in range(BATCH)]
        official = iter(encode_spans(spans).SerializeToString() for spans in ([span] for span in spans))
        for span, expected in zip(spans, official, strict=True):
            group = _hot.group_of(span.resource, span.instrumentation_scope)
            field, level, repaired = _hot.encode_counted(span)
            assert (0, 0) == (level, repaired)
            assert ExportTraceServiceRequest.FromString(expected) == request_of(group, field)


def request_of(group: Any, field: bytes) -> ExportTraceServiceRequest:
    buffer = _hot.Buffer(_hot.Ledger(), _hot.Limits(), 1 << 20, 0, 512, 1 << 19)
    assert buffer.offer(field, 1, group) is None
    batch = _hot.take(buffer, 1, 1 << 19, buffer.newest, False)
    assert batch is not None
    return ExportTraceServiceRequest.FromString(batch.payload(0, 1))
