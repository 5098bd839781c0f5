"""Resource and scope travel once per request, however many objects describe them."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import StatusCode
from opentelemetry.util.types import AttributeValue

from otel_errsample import ErrorFacts, ErrorSpanProcessor
from otel_errsample._hot import group_of
from otel_errsample.testing import CollectingTransport

MORE_THAN_REMEMBERED = 600  # the table holds 512


def sent(scopes: list[str], resources: list[Resource]) -> list[ExportTraceServiceRequest]:
    """One kept span for each scope name under each resource, as requests."""
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport, flush_errors_ms=60_000)
    for resource in resources:
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(processor)
        for name in scopes:
            provider.get_tracer(name).start_span("s").end()
    assert processor.shutdown(10_000)
    return [ExportTraceServiceRequest.FromString(payload) for payload in transport.accepted]


def test_equal_resources_and_scopes_of_different_objects_share_a_group() -> None:
    (request,) = sent(["a", "a"], [Resource({"service.name": "s"}), Resource({"service.name": "s"})])
    (resource,) = request.resource_spans
    (scope,) = resource.scope_spans
    assert 4 == len(scope.spans)


def test_different_scopes_stay_apart_under_their_resource() -> None:
    (request,) = sent(["a", "b"], [Resource({"service.name": "x"}), Resource({"service.name": "y"})])
    assert [["a", "b"], ["a", "b"]] == [
        sorted(scope.scope.name for scope in resource.scope_spans) for resource in request.resource_spans
    ]


def test_a_tracer_per_request_costs_no_span_its_scope() -> None:
    names = [f"scope {number}" for number in range(MORE_THAN_REMEMBERED)]
    requests = sent(names, [Resource({})])
    told = [
        (scope.scope.name, len(scope.spans))
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
    ]
    assert sorted((name, 1) for name in names) == sorted(told)


def test_a_group_costs_what_its_resource_and_scope_add_to_a_request() -> None:
    small = group_of(Resource({}), InstrumentationScope("s"))
    large = group_of(Resource({}), InstrumentationScope("s" * 101))
    assert 100 == large.overhead_bytes - small.overhead_bytes
    assert group_of(Resource({}), None).overhead_bytes < small.overhead_bytes


class Interrupted(Resource):
    """Reading it runs a signal's handler that raises, the first `times`."""

    def __init__(self, times: int, error: type[BaseException]) -> None:
        super().__init__({"service.name": "shop"})
        self.left, self.error = times, error

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        if getattr(self, "left", 0):
            self.left -= 1
            raise self.error
        return super().attributes


def named(transport: CollectingTransport) -> list[list[str]]:
    """The attributes of the resources that arrived."""
    requests = [ExportTraceServiceRequest.FromString(payload) for payload in transport.accepted]
    return [[item.key for item in one.resource.attributes] for request in requests for one in request.resource_spans]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param(1, [["service.name"]], id="once"),
        pytest.param(2, [[], ["service.name"]], id="for a span"),
        pytest.param(99, [[]], id="always"),
    ],
)
def test_a_signal_while_the_resource_is_read_costs_later_spans_nothing(times: int, expected: list[list[str]]) -> None:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport, flush_errors_ms=60_000)
    provider = TracerProvider(resource=Interrupted(times, TimeoutError), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    for _ in range(4):
        provider.get_tracer("orders").start_span("s").end()
    assert processor.shutdown(10_000)
    assert expected == named(transport)


def test_ctrl_c_while_the_resource_is_read_reaches_the_application() -> None:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport, flush_errors_ms=60_000)
    provider = TracerProvider(resource=Interrupted(1, KeyboardInterrupt), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    with pytest.raises(KeyboardInterrupt):  # at an instruction after the hook
        provider.get_tracer("orders").start_span("s").end()
        for _ in range(1_000):
            pass
    assert processor.shutdown(10_000)
    assert [["service.name"]] == named(transport)


def test_ctrl_c_in_enrich_on_the_first_span_reaches_the_application() -> None:
    def enrich(span: ReadableSpan, facts: ErrorFacts) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport, enrich=enrich, flush_errors_ms=60_000)
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    with pytest.raises(KeyboardInterrupt):
        span = provider.get_tracer("orders").start_span("s")
        span.set_status(StatusCode.ERROR)
        span.end()
        for _ in range(1_000):
            pass
    assert processor.shutdown(10_000)
    assert [["service.name"]] == named(transport)
    assert {"enrich": 1} == processor.stats().internal_errors
