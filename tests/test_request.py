"""Whole requests, and the resource and scope in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from tests.spans import hot, make_span, spans


@settings(max_examples=100, deadline=None)
@given(st.lists(spans(), max_size=5))
def test_a_request_has_the_official_encoders_bytes(batch: list[ReadableSpan]) -> None:
    official = encode_spans(batch).SerializeToString()
    ours = hot.encode_request(batch)
    assert grouped(official) == grouped(ours)
    if len(official) == len(ours):
        assert official == ours


Grouped = dict[tuple[bytes, ...], list[bytes]]


def grouped(data: bytes) -> Grouped:
    """Spans in any order, by what their resource and scope read as.

    The official encoder keeps no scope and an empty one apart, and takes the same attributes in any order for the same.
    """
    groups: Grouped = {}
    for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
        for scope in resource.scope_spans:
            heads = [_in_order(resource.resource), resource.schema_url.encode()]
            spans = groups.setdefault((*heads, _in_order(scope.scope), scope.schema_url.encode()), [])
            spans += [span.SerializeToString() for span in scope.spans]
            spans.sort()
    return groups


def _in_order(head: Any) -> bytes:
    head.attributes.sort(key=lambda item: item.key)
    serialized: bytes = head.SerializeToString()
    return serialized


def request_of(**fields: Any) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(hot.encode_request([make_span(**fields)]))


def test_a_huge_resource_is_bounded_and_says_what_was_left_out() -> None:
    attributes = {f"key{n}": "v" * 2000 for n in range(200)}
    resource = request_of(resource=Resource({"first": ["x" * 900] * 64, **attributes})).resource_spans[0].resource
    assert resource.ByteSize() < 65_536
    assert {1024} == {len(item.value.string_value) for item in resource.attributes[1:]}
    assert 201 == len(resource.attributes) + resource.dropped_attributes_count
    assert resource.dropped_attributes_count > 0


def test_a_huge_scope_is_bounded_and_says_what_was_left_out() -> None:
    scope = InstrumentationScope("n" * 100_000, "v" * 100_000, "s" * 100_000, {str(n): "v" * 2000 for n in range(200)})
    scope_spans = request_of(instrumentation_scope=scope).resource_spans[0].scope_spans[0]
    assert ("n" * 1024, "v" * 1024, "s" * 1024) == (
        scope_spans.scope.name,
        scope_spans.scope.version,
        scope_spans.schema_url,
    )
    assert scope_spans.scope.ByteSize() < 65_536
    assert 200 == len(scope_spans.scope.attributes) + scope_spans.scope.dropped_attributes_count


@pytest.mark.scenario("B1")
def test_surrogates_and_wrong_types_in_resource_and_scope_are_repaired() -> None:
    scope = InstrumentationScope("a\ud800", 5, b"url", {"k\udfff": object})  # type: ignore[arg-type,dict-item]
    resource_spans = request_of(resource=Resource({"r\ud800": "\udbff"}), instrumentation_scope=scope).resource_spans[0]
    attribute = resource_spans.resource.attributes[0]
    assert ("r\ufffd", "\ufffd") == (attribute.key, attribute.value.string_value)
    scope_spans = resource_spans.scope_spans[0]
    assert ("a\ufffd", "5", "url", "k\ufffd") == (
        scope_spans.scope.name,
        scope_spans.scope.version,
        scope_spans.schema_url,
        scope_spans.scope.attributes[0].key,
    )


class Broken:
    """Stands in for a resource or scope and can only be told apart from others."""

    @property
    def attributes(self) -> Any:
        raise RuntimeError

    name = version = schema_url = attributes


@pytest.mark.parametrize("field", ["resource", "instrumentation_scope"])
def test_a_resource_or_scope_that_raises_is_an_empty_message(field: str) -> None:
    resource_spans = request_of(**{field: Broken()}).resource_spans[0]
    assert (0, 0, 1) == (
        resource_spans.resource.ByteSize(),
        resource_spans.scope_spans[0].scope.ByteSize(),
        len(resource_spans.scope_spans[0].spans),
    )
