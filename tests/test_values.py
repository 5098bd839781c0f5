"""Attribute values: every type on the wire, repaired where protobuf has no room for it."""

from __future__ import annotations

import collections
import enum
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from opentelemetry.exporter.otlp.proto.common._internal import _encode_value
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.sdk.trace import Event

from tests.hostile import Shouting
from tests.spans import hot, make_span, parse, values


def wire_value(value: Any) -> AnyValue:
    return parse(hot.encode(make_span(attributes={"k": value}))).attributes[0].value


def repairs(value: Any) -> int:
    count: int = hot.encode_counted(make_span(attributes={"k": value}))[2]
    return count


@settings(deadline=None, max_examples=300)
@given(values)
def test_values_are_those_of_the_official_encoder(value: Any) -> None:
    assert _encode_value(value).SerializeToString() == wire_value(value).SerializeToString()
    assert 0 == repairs(value)


@pytest.mark.parametrize("length", [*range(4), *range(115, 132), 16_384])
@pytest.mark.parametrize("key", ["", "k", "key" * 30, "schlüssel"])
def test_texts_of_every_length_are_those_of_the_official_encoder(key: str, length: int) -> None:
    """Lengths of 128 and more take a second byte, of the text, of its AnyValue and of the KeyValue around them."""
    span = make_span(attributes={key: "v" * length, f"{key}2": "v" * (length - 1) + "ü"})
    expected = encode_spans([span]).resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    assert expected == parse(hot.encode(span)).SerializeToString()
    assert expected == hot.encode(span)[-len(expected) :]


@pytest.mark.parametrize("number", [0, 1, 127, 128, 2**30 - 1, 2**30, 2**60, 2**63 - 1, -1, -(2**63), True, False])
@pytest.mark.parametrize("key", ["k" * length for length in (1, 110, 111, 112, 113, 114, 120, 121)])
def test_numbers_of_every_length_are_those_of_the_official_encoder(key: str, number: int) -> None:
    span = make_span(attributes={key: number})
    expected = encode_spans([span]).resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    assert expected == hot.encode(span)[-len(expected) :]


class Number(int):
    __int__ = __index__ = __repr__ = __str__ = __hash__ = None  # type: ignore[assignment]


class Real(float):
    __float__ = __repr__ = __str__ = __hash__ = None  # type: ignore[assignment]


class Raw(bytes):
    __bytes__ = __len__ = __iter__ = __getitem__ = None  # type: ignore[assignment]


class Colour(enum.IntEnum):
    RED = 1


class Point(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(Number(5), 5, id="int subclass"),
        pytest.param(Colour.RED, 1, id="int enum"),
        pytest.param(Real(2.5), 2.5, id="float subclass"),
        pytest.param(Raw(b"raw"), b"raw", id="bytes subclass"),
        pytest.param(bytearray(b"raw"), b"raw", id="bytearray"),
        pytest.param(memoryview(b"raw"), b"raw", id="memoryview"),
        pytest.param(memoryview(b"abcd")[::-2], b"db", id="memoryview with steps"),
        pytest.param(Point(1, 2), (1, 2), id="named tuple"),
        pytest.param(range(3), (0, 1, 2), id="range"),
        pytest.param(collections.deque([1]), (1,), id="deque"),
        pytest.param(collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}, id="dict subclass"),
        pytest.param(MappingProxyType({"a": None}), {"a": None}, id="mapping proxy"),
        pytest.param({"": ""}, {"": ""}, id="empty key"),
        pytest.param([], (), id="empty"),
    ],
)
def test_uncommon_types_are_written_as_what_they_hold(value: Any, expected: Any) -> None:
    assert (_encode_value(expected), 0) == (wire_value(value), repairs(value))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -0.0, 5e-324], ids=str)
def test_doubles_keep_their_bits(number: float) -> None:
    assert struct.pack("<d", number) == struct.pack("<d", wire_value(number).double_value)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        pytest.param(2**63, "9223372036854775808", id="one too many"),
        pytest.param(-(2**63) - 1, "-9223372036854775809", id="one too few"),
        pytest.param(Number(2**64), "18446744073709551616", id="subclass"),
        pytest.param(2**4096 - 1, str(2**4096 - 1), id="widest"),
        pytest.param(2**4096, "<builtins.int>", id="too wide"),
    ],
)
def test_an_int_beyond_64_bits_is_its_decimal_text(number: int, expected: str) -> None:
    assert (expected, 1) == (wire_value(number).string_value, repairs(number))


class BadSequence(Sequence[Any]):
    def __len__(self) -> int:
        raise RuntimeError

    def __getitem__(self, index: Any) -> Any:
        raise RuntimeError


class BadMapping(Mapping[Any, Any]):
    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Any]:
        yield "a"
        raise GeneratorExit

    def __getitem__(self, key: Any) -> Any:
        return key


def released() -> memoryview:
    view = memoryview(b"gone")
    view.release()
    return view


@pytest.mark.scenario("A2")
@pytest.mark.parametrize(
    ("value", "label"),
    [
        pytest.param({1, 2}, "<builtins.set>", id="set"),
        pytest.param(1j, "<builtins.complex>", id="complex"),
        pytest.param(int, "<builtins.type>", id="class"),
        pytest.param(Shouting(), "<tests.hostile.Shouting>", id="hostile"),
        pytest.param(BadSequence(), "<tests.test_values.BadSequence>", id="raising sequence"),
        pytest.param(BadMapping(), "<tests.test_values.BadMapping>", id="raising mapping"),
        pytest.param(released(), "<builtins.memoryview>", id="released memoryview"),
    ],
)
def test_anything_else_is_a_placeholder(value: Any, label: str) -> None:
    assert (label, 1) == (wire_value(value).string_value, repairs(value))
    assert [label, "next"] == [item.string_value for item in wire_value([value, "next"]).array_value.values]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        pytest.param(7, "7", id="int"),
        pytest.param(None, "<builtins.NoneType>", id="none"),
        pytest.param(b"raw", "raw", id="bytes"),
        pytest.param((1,), "<builtins.tuple>", id="tuple"),
    ],
)
def test_a_key_that_is_no_str_becomes_text(key: Any, text: str) -> None:
    field, _, repaired = hot.encode_counted(make_span(attributes={key: {key: 1}}))
    outer = parse(field).attributes[0]
    assert (text, text, 2) == (outer.key, outer.value.kvlist_value.values[0].key, repaired)


@pytest.mark.parametrize("kind", ["list", "map"])
def test_nesting_ends_where_parsers_give_up(kind: str) -> None:
    """The parser used here refuses a 101st nested message: that it reads an event's value is the test."""
    value: Any = "core"
    for _ in range(100):
        value = [value] if kind == "list" else {"k": value}
    request = hot.encode_request([make_span(events=[Event("e", {"k": value}, 1)])])
    event = ExportTraceServiceRequest.FromString(request).resource_spans[0].scope_spans[0].spans[0].events[0]
    found, depth = event.attributes[0].value, 0
    while found.WhichOneof("value") != "string_value":
        found = found.array_value.values[0] if kind == "list" else found.kvlist_value.values[0].value
        depth += 1
    assert (31, "<builtins.list>" if kind == "list" else "<builtins.dict>") == (depth, found.string_value)


@pytest.mark.scenario("B2")
def test_a_list_that_holds_itself_is_cut_and_costs_its_neighbours_nothing() -> None:
    endless: list[Any] = []
    endless += [endless, endless]
    field, level, _ = hot.encode_counted(
        make_span(attributes={"k": endless}), extra={"errsample.rule": "pay"}, cap=8192
    )
    assert (3, "errsample.rule") == (level, parse(field).attributes[0].key)


class Endless(Sequence[int]):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> Any:
        return index


def test_no_more_than_65536_items_are_taken_from_a_sequence_of_another_type() -> None:
    assert (65_536, 1) == (len(wire_value(Endless()).array_value.values), repairs(Endless()))


@pytest.mark.parametrize("view", [True, False], ids=["memoryview", "bytearray"])
def test_long_buffers_are_cut_like_bytes(view: bool) -> None:
    data = bytearray(range(256)) * 100
    value = memoryview(data) if view else data
    field, level, _ = hot.encode_counted(make_span(attributes={"k": value}), cap=4096)
    assert (1, bytes(data[:1024])) == (level, parse(field).attributes[0].value.bytes_value)
