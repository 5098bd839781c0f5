"""Generated traces of a shop: the same spans, ids and times for everybody who asks with the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from benchmarks.collector.policies import SHARE, SLOW_SECONDS

# Per thousand traces. The rest are ordinary requests.
MIX: Final = {"health": 150, "error": 15, "deep_error": 10, "slow": 10, "forced": 5, "large": 10}
_START: Final = 1_750_000_000_000_000_000
_MICROSECOND: Final = 1000


class Trace(NamedTuple):
    """What is known of a trace before anybody decided about it."""

    kind: str
    trace_id: int
    spans: int

    @property
    def wanted(self) -> bool:
        """Whether what `policies` say keeps it."""
        if self.kind == "health":
            return False
        return self.kind != "ordinary" or self.trace_id & (1 << 56) - 1 >= (1 - SHARE) * (1 << 56)


class SeededIds(IdGenerator):
    """The ids of a seed, in the order they are asked for."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self.trace_id = 0
        """The last one given."""

    def generate_trace_id(self) -> int:
        self.trace_id = self._draw.getrandbits(128) or 1
        return self.trace_id

    def generate_span_id(self) -> int:
        return self._draw.getrandbits(64) or 1


class Shop:
    """Ends traces, one at a time; times are those of the spans, nothing waits."""

    def __init__(self, tracer: Tracer, ids: SeededIds, seed: int) -> None:
        self._tracer = tracer
        self._ids = ids
        self._draw = random.Random(seed)
        self._now = _START
        self._spans = 0

    def traces(self, count: int) -> Iterator[Trace]:
        kinds = [*MIX, "ordinary"]
        weights = [*MIX.values(), 1000 - sum(MIX.values())]
        for kind in self._draw.choices(kinds, weights, k=count):
            self._spans = 0
            self._now += 4_000 * _MICROSECOND
            self._health() if kind == "health" else self._request(kind)
            yield Trace(kind, self._ids.trace_id, self._spans)

    def _health(self) -> None:
        self._end(self._start("GET /healthz", None, SpanKind.SERVER, {"http.route": "/healthz"}), 300)

    def _request(self, kind: str) -> None:
        """A request with a few database calls, and a call of a provider with one below it."""
        route = self._draw.choice(("/cart", "/checkout", "/orders/{id}", "/search"))
        took = self._draw.randrange(20_000, 400_000)
        if kind == "slow":
            took = self._draw.randrange(int(SLOW_SECONDS * 1.1e6), 5_000_000)
        attributes: dict[str, Any] = {
            "http.request.method": "POST",
            "http.route": route,
            "url.path": f"{route}?page={self._draw.randrange(100)}",
            "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            "client.address": "192.0.2.7",
            "cart.items": self._draw.randrange(50, 101) if kind == "large" else self._draw.randrange(1, 50),
        }
        root = self._start(f"POST {route}", None, SpanKind.SERVER, attributes)
        for _ in range(self._draw.randrange(2, 6)):
            query = f"SELECT id, customer, total, created_at FROM orders WHERE customer = {took} AND open ORDER BY id"
            call = self._start(
                "SELECT orders", root, SpanKind.CLIENT, {"db.system.name": "postgresql", "db.query.text": query}
            )
            self._end(call, self._draw.randrange(500, 9_000))
        provider = self._start("POST", root, SpanKind.CLIENT, {"server.address": "pay.example.com", "server.port": 443})
        if kind == "forced":
            provider.set_attribute("app.force_sample", True)
        inner = self._start("authorise", provider, SpanKind.INTERNAL, {"payment.method": "card"})
        if kind == "deep_error":
            self._fail(inner)
        self._end(inner, 2_000)
        self._end(provider, 3_000)
        if kind == "error":
            self._fail(root)
        else:
            root.set_attribute("http.response.status_code", 200)
        self._end(root, took)

    def _start(self, name: str, parent: Span | None, kind: SpanKind, attributes: dict[str, Any]) -> Span:
        self._spans += 1
        context = None if parent is None else set_span_in_context(parent)
        return self._tracer.start_span(name, context, kind, attributes, start_time=self._now)

    def _end(self, span: Span, microseconds: int) -> None:
        span.end(self._now + microseconds * _MICROSECOND)

    def _fail(self, span: Span) -> None:
        try:
            raise ConnectionError("the provider hung up")
        except ConnectionError as error:
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, "ConnectionError: the provider hung up"))
