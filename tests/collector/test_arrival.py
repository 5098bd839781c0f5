"""What leaves over OTLP arrives field by field at receivers that others wrote, over every way there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from otel_errsample import ErrorSpanProcessor
from tests.collector.peers import Collector, Peer, Rotel

EVERY_TYPE: Final[dict[str, Any]] = {
    "text": "größer, 値, \N{PILE OF POO}",
    "empty": "",
    "true": True,
    "false": False,
    "zero": 0,
    "least": -(2**63),
    "most": 2**63 - 1,
    "fraction": 1e-300,
    "infinite": float("inf"),
    "bytes": b"\x00\xff\x80",
    "texts": ["a", "", "ä"],
    "flags": [True, False],
    "numbers": [1, -(2**63), 2**63 - 1],
    "fractions": [0.5, -0.0],
    "nothing": [],
    "map": {"inner": {"deep": [1, "two", 3.0, True]}, "empty": {}},
}

REMOTE: Final = SpanContext(
    0x0102030405060708090A0B0C0D0E0F10,
    0x1112131415161718,
    True,
    TraceFlags(1),
    TraceState([("vendor", "a:b"), ("ot", "rv:0123456789abcd;th:8")]),
)
LINKED: Final = SpanContext(
    0xF102030405060708090A0B0C0D0E0F10, 0xF112131415161718, True, TraceFlags(0), TraceState([("other", "x")])
)


class Arrived(NamedTuple):
    """A span with all that a request says of it, in the words of the protocol."""

    resource: list[KeyValue]
    resource_schema: str
    scope: tuple[str, str, list[KeyValue], int]
    scope_schema: str
    span: Span


Arrivals = dict[tuple[bytes, bytes], Arrived]
"""By trace id and span id."""


def unpacked(payloads: Iterable[bytes]) -> Arrivals:
    found: Arrivals = {}
    for payload in payloads:
        for of_resource in ExportTraceServiceRequest.FromString(payload).resource_spans:
            resource = sorted(of_resource.resource.attributes, key=lambda item: item.key)
            for of_scope in of_resource.scope_spans:
                scope = of_scope.scope
                told = (scope.name, scope.version, list(scope.attributes), scope.dropped_attributes_count)
                for span in of_scope.spans:
                    key = (span.trace_id, span.span_id)
                    assert key not in found, "each arrives once"
                    found[key] = Arrived(resource, of_resource.schema_url, told, of_scope.schema_url, span)
    return found


def ends_spans(provider: TracerProvider) -> None:
    """Spans that use every field there is."""
    bare = provider.get_tracer("bare")
    rich = provider.get_tracer("rich", "1.2.3", "https://example.com/schemas/2.0", {"scope.attribute": "a"})
    with bare.start_as_current_span("root") as root:
        root.set_status(Status(StatusCode.OK))
        bare.start_span("child").end()
    for kind in SpanKind:
        rich.start_span(kind.name, kind=kind, attributes=EVERY_TYPE).end()
    remote = set_span_in_context(NonRecordingSpan(REMOTE))
    links = [Link(LINKED, EVERY_TYPE), Link(root.get_span_context())]
    span = rich.start_span("ä" * 300, remote, SpanKind.SERVER, {"a": 1}, links, start_time=1)
    span.add_event("first", EVERY_TYPE, timestamp=2)
    span.add_event("", timestamp=2**63)
    span.add_event("beyond the limit")
    for number in range(20):
        span.set_attribute(f"number {number}", number)
    span.end(end_time=2**63 + 1)
    failed = rich.start_span("failed", attributes={"http.response.status_code": 500})
    failed.record_exception(ValueError("wrong"), timestamp=7)
    failed.set_status(Status(StatusCode.ERROR, "wrong"))
    failed.end()


def sent(peer: Peer, monkeypatch: pytest.MonkeyPatch, protocol: str, compression: str, rules: str) -> Arrivals:
    """End spans behind the processor, which sends them to the peer; what the official encoder makes of them."""
    for name, value in peer.environ(protocol, compression).items():
        monkeypatch.setenv(name, value)
    beside = InMemorySpanExporter()
    resource = Resource({"service.name": "shop", **EVERY_TYPE}, "https://example.com/schemas/1.0")
    limits = SpanLimits(max_span_attributes=20, max_events=2)
    provider = TracerProvider(resource=resource, span_limits=limits, shutdown_on_exit=False)
    processor = ErrorSpanProcessor(rules, scrub="off")
    provider.add_span_processor(processor)
    provider.add_span_processor(SimpleSpanProcessor(beside))
    ends_spans(provider)
    assert processor.shutdown(30_000), processor.stats()
    expected = unpacked([encode_spans(beside.get_finished_spans()).SerializeToString()])
    assert len(expected) == processor.stats().endings["delivered"]
    return expected


# As many have it: spans are collected before they are passed on.
BATCHED: Final[dict[str, Any]] = {"processors": {"batch": {}}, "exporters": {"debug": {"verbosity": "detailed"}}}
THROUGH_A_BATCH: Final[dict[str, Any]] = {
    "traces": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["file/spans", "debug"]}
}


@pytest.fixture(params=["collector", "batching collector", "rotel"])
def peer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Peer]:
    request.getfixturevalue(f"{request.param.split()[-1]}_is_there")
    made: dict[str, Callable[[], Peer]] = {
        "collector": lambda: Collector(tmp_path),
        "batching collector": lambda: Collector(tmp_path, BATCHED, THROUGH_A_BATCH),
        "rotel": lambda: Rotel(tmp_path),
    }
    with made[request.param]().running() as running:
        yield running


ways = pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
compressions = pytest.mark.parametrize("compression", ["none", "gzip"])


FAILED: Final = {"errsample.kind": "bug", "errsample.code": "http:500", "error.type": "ValueError"}


def ours(item: KeyValue) -> bool:
    return item.key.startswith("errsample.") or item.key == "error.type"


def separated(span: Span) -> tuple[Span, dict[str, Any]]:
    """The span as the application made it, and the attributes that the processor added."""
    plain = Span()
    plain.CopyFrom(span)
    del plain.attributes[:]
    plain.attributes.extend(item for item in span.attributes if not ours(item))
    added = [item for item in span.attributes if ours(item)]
    return plain, {item.key: getattr(item.value, str(item.value.WhichOneof("value"))) for item in added}


@ways
@compressions
def test_every_field_arrives(peer: Peer, protocol: str, compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = sent(peer, monkeypatch, protocol, compression, "all: head")
    assert peer.has(len(expected))
    arrived = unpacked(peer.payloads())
    for key, span in expected.items():
        plain, added = separated(arrived[key].span)
        assert span == arrived[key]._replace(span=plain)
        if span.span.name == "failed":
            assert FAILED.items() <= added.items()
        else:
            assert {} == added
    assert expected.keys() == arrived.keys()
