"""Resource and scope travel once per request, however many objects describe them."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_errsample import ErrorSpanProcessor
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
