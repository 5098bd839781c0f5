"""Lengths, nested messages and growth of the scratch buffer, seen through whole spans."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link, Status, StatusCode

from tests.spans import hot, make_context, make_span

# Either side of each size at which the varint of a length, of the message itself or of one around it, gets wider.
WIDTHS = sorted({edge + off for edge in (0, 127, 16_383, 2_097_151) for off in range(-40, 3) if edge + off >= 0})


@pytest.mark.parametrize("where", ["name", "attribute", "event", "link", "status", "array", "map"])
def test_lengths_of_every_width_are_those_of_protobuf(where: str) -> None:
    for size in WIDTHS:
        if where == "status" and size > 256:
            break  # a description is cut to 256 bytes
        text = "x" * size
        every: dict[str, dict[str, Any]] = {
            "name": {"name": text},
            "attribute": {"attributes": {"k": text}},
            "event": {"events": [Event("e", {"k": text}, 1)]},
            "link": {"links": [Link(make_context(), {"k": text})]},
            "status": {"status": Status(StatusCode.ERROR, text)},
            "array": {"attributes": {"k": [text, [text]]}},
            "map": {"attributes": {"k": {text: {"k": None}}}},
        }
        span = make_span(**every[where])
        assert encode_spans([span]).SerializeToString() == hot.encode_request([span], cap=2**24), size


@pytest.mark.parametrize("exponent", range(0, 64, 7))
def test_varints_and_fixed_numbers_of_every_width(exponent: int) -> None:
    for number in (2**exponent - 1, 2**exponent):
        attributes = {"a": number % 2**63, "b": -number, "c": float(number)}
        span = make_span(attributes=attributes, start_time=number, end_time=2**64 - 1 - number)
        assert encode_spans([span]).SerializeToString() == hot.encode_request([span])


def test_the_cap_is_exact() -> None:
    span = make_span(attributes={"k": "x" * 100_000})
    whole = hot.encode(span)
    assert (whole, 0, 0) == hot.encode_counted(span, cap=len(whole))
    assert 1 == hot.encode_counted(span, cap=len(whole) - 1)[1]


def test_a_block_is_reused_and_a_grown_one_is_not() -> None:
    small, large = make_span(attributes={"k": "x" * 1000}), make_span(attributes={"k": "y" * 500_000})
    first, second = hot.encode(small), hot.encode(large)
    for _ in range(100):
        assert [first, second, first] == [hot.encode(small), hot.encode(large), hot.encode(small)]
