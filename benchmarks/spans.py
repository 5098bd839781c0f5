"""The spans that are measured: made by the SDK itself, every one with values of its own as in a real service."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from otel_errsample import ErrorAwareSampler

FRAMES: Final = 15
# Distinct places that fail: a storm repeats a few stacks, it does not invent a new one per request.
SITES: Final = 16

RESOURCE: Final = Resource(
    {
        "service.name": "shop",
        "service.version": "4.12.0",
        "service.instance.id": "shop-5d9c7b6f4-x2x7p",
        "deployment.environment.name": "production",
        "host.name": "node-17.eu-west.example.com",
        "process.pid": 4242,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "1",
    }
)


class SeededIds(IdGenerator):
    """The same ids in every run, so that instruction counts repeat."""

    def __init__(self) -> None:
        self._random = random.Random(20)

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128) or 1


class _Collect(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def provider(processor: SpanProcessor | None = None, sampler: Sampler = ALWAYS_ON) -> TracerProvider:
    """A tracer provider as a service has it, ids seeded; without a processor where None is given."""
    made = TracerProvider(sampler, RESOURCE, shutdown_on_exit=False, id_generator=SeededIds())
    if processor is not None:
        made.add_span_processor(processor)
    return made


def start(tracer: trace.Tracer, index: int, context: Context | None = None) -> trace.Span:
    """Start the HTTP server span of request `index`: 10 attributes, 0.5 kB on the wire."""
    return tracer.start_span("GET /api/v2/orders/{id}", context, SpanKind.SERVER, request(index))


def request(index: int) -> dict[str, AttributeValue]:
    return {
        "http.request.method": "GET",
        "http.route": "/api/v2/orders/{id}",
        "url.path": f"/api/v2/orders/{index:08d}",
        "url.scheme": "https",
        "server.address": "shop.example.com",
        "server.port": 443,
        "client.address": f"203.0.113.{index % 250}",
        "user_agent.original": f"Mozilla/5.0 (X11; Linux x86_64; rv:{index % 40}.0) Gecko/20100101 Firefox/128.0",
        "network.protocol.version": "1.1",
    }


def finish(span: trace.Span, status: int = 200) -> None:
    span.set_attribute("http.response.status_code", status)
    span.end()


def fail(span: trace.Span, index: int, quoting: str = "") -> None:
    """Let the span fail as record_exception does, with a stack text that is ready: 15 frames, 2.3 kB."""
    message = complaint(index) + quoting
    span.add_event(
        "exception",
        {
            "exception.type": f"{__name__}.ReservationError",
            "exception.message": message,
            "exception.stacktrace": stack_text(index % SITES) + f"{__name__}.ReservationError: {message}\n",
            "exception.escaped": "False",
        },
    )
    span.set_status(Status(StatusCode.ERROR, f"ReservationError: {message}"))


@functools.cache
def stack_text(site: int) -> str:
    lines = ["Traceback (most recent call last):"]
    for depth in range(FRAMES):
        place = f"/srv/shop/releases/current/shop/orders/layer_{depth:02d}.py"
        lines.append(f'  File "{place}", line {100 + 7 * depth + site}, in handle_step_{depth:02d}_{site:02d}')
        lines.append("    return self.next_layer.handle(order, context, retry=retry)")
    return "\n".join(lines) + "\n"


@functools.cache
def typical(count: int, *, sampled: bool = True) -> Sequence[ReadableSpan]:
    """`count` ended spans of requests that went well."""
    collect = _Collect()
    tracer = provider(collect, ALWAYS_ON if sampled else ErrorAwareSampler(ALWAYS_OFF)).get_tracer("shop.web", "4.12.0")
    for index in range(count):
        finish(start(tracer, index))
    return collect.spans


@functools.cache
def failed(count: int, *, sampled: bool = True, leaking: bool = False) -> Sequence[ReadableSpan]:
    """`count` ended spans with status ERROR and one exception event; 3.2 kB on the wire. `leaking`: of a password."""
    collect = _Collect()
    tracer = provider(collect, ALWAYS_ON if sampled else ErrorAwareSampler(ALWAYS_OFF)).get_tracer("shop.web", "4.12.0")
    for index in range(count):
        span = start(tracer, index)
        fail(span, index, f" (user=shop password=x{index:07d})" if leaking else "")
        finish(span, 500)
    return collect.spans


def wire_size(spans: Sequence[ReadableSpan]) -> float:
    """Bytes per span in an export request of the official encoder, the shared resource and scope left out."""
    request = encode_spans(spans)
    return sum(
        span.ByteSize() for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
    ) / len(spans)


def complaint(index: int) -> str:
    return f"order {index:08d} could not be reserved: stock service answered 503"


class ReservationError(Exception):
    """What the failing request raises."""


def descend(depth: int, index: int) -> None:
    """Raise through `depth` frames of this module."""
    if depth <= 1:
        raise ReservationError(complaint(index))
    descend(depth - 1, index)
