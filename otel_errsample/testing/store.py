"""What a receiver has received."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


class Received(NamedTuple):
    """One span with what it came in."""

    resource: Resource
    scope: InstrumentationScope
    span: Span


@dataclass(frozen=True, slots=True)
class Request:
    """One request that arrived, whatever it was answered.

    `size` counts bytes after decompression, `wire_size` as they were sent (equal over gRPC, which does not tell).
    `headers` are HTTP headers or gRPC metadata, names in lower case.
    """

    size: int
    wire_size: int
    headers: Mapping[str, str]
    compression: str


class Store:
    """Thread-safe memory of a receiver; with `keep=False` it counts requests and their bytes, and reads none of them."""

    def __init__(self, keep: bool = True) -> None:
        self.keep = keep
        self.requests: list[Request] = []
        self._received: list[Received] = []
        self._bytes = self._requests = 0
        self._changed = threading.Condition()

    def arrived(self, request: Request) -> None:
        with self._changed:
            self._requests += 1
            self._bytes += request.size
            if self.keep:
                self.requests.append(request)
            self._changed.notify_all()

    def stored(self, payload: bytes) -> None:
        if not self.keep:
            return
        spans = list(unpack(payload))
        with self._changed:
            self._received += spans
            self._changed.notify_all()

    def spans(self) -> list[Received]:
        with self._changed:
            return list(self._received)

    def wait_for(self, spans: int, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self._received) >= spans, timeout)

    def wait_for_requests(self, requests: int, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._requests >= requests, timeout)

    def summary(self) -> dict[str, Any]:
        """Return the counts: requests, bytes; for kept spans their number, distinct ids, spans by name and by status."""
        with self._changed:
            counts: dict[str, Any] = {"requests": self._requests, "bytes": self._bytes}
            if self.keep:
                counts["spans"] = len(self._received)
                spans = [received.span for received in self._received]
                counts["distinct_span_ids"] = len({(span.trace_id, span.span_id) for span in spans})
                counts["by_name"] = dict(Counter(span.name for span in spans))
                counts["by_status"] = dict(Counter(Status.StatusCode.Name(span.status.code) for span in spans))
            return counts


def unpack(payload: bytes) -> Iterator[Received]:
    """Yield the spans of a serialised ExportTraceServiceRequest; raises `DecodeError` if it is none."""
    for resource_spans in ExportTraceServiceRequest.FromString(payload).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield Received(resource_spans.resource, scope_spans.scope, span)
