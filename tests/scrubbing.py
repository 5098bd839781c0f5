"""A span processor with what it has sent, for the tests of what must not leave; and a text that lies about itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing.transport import CollectingTransport


class Bench:
    """A processor that keeps everything, a tracer on it, and what arrived."""

    def __init__(self, **settings: Any) -> None:
        self.transport = CollectingTransport()
        if "exporter" not in settings:
            settings["transport"] = self.transport
        self.processor = ErrorSpanProcessor("keep", **settings)
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self.processor)
        self.tracer: Tracer = self.provider.get_tracer("tests")

    def sent(self) -> bytes:
        """Everything that left."""
        assert self.processor.force_flush(10_000)
        assert self.processor.stats().balanced
        assert {} == self.processor.stats().internal_errors
        return b"".join(self.transport.payloads)

    def spans(self) -> list[WireSpan]:
        assert self.processor.force_flush(10_000)
        return self.transport.spans()

    def span(self) -> WireSpan:
        (one,) = self.spans()
        return one


Make = Callable[..., Bench]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Bench] = []

    def provide(**settings: Any) -> Bench:
        made.append(Bench(**settings))
        return made[-1]

    yield provide
    for bench in made:
        bench.processor.shutdown(2_000)
        assert bench.processor.stats().balanced


def attributes_of(owner: Any) -> dict[str, Any]:
    return {
        item.key: getattr(item.value, item.value.WhichOneof("value") or "string_value") for item in owner.attributes
    }


class Hostile(str):
    """A str whose own methods lie; what is written is its base type's data."""

    def __str__(self) -> str:
        raise RuntimeError

    def __len__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = str.__hash__
