"""The values of attributes."""

from __future__ import annotations

import math
from typing import Any

import pytest

from otel_errsample.otlpjson.fields import OtlpJsonError
from otel_errsample.otlpjson.values import MAX_DEPTH, attributes, bounded


def value_of(value: Any) -> Any:
    return attributes({"attributes": [{"key": "a", "value": value}]})["a"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"stringValue": "x"}, "x"),
        ({"boolValue": False}, False),
        ({"intValue": "-9223372036854775808"}, -(2**63)),
        ({"intValue": 503}, 503),
        ({"doubleValue": 1}, 1.0),
        ({"doubleValue": "-Infinity"}, float("-inf")),
        ({"bytesValue": "//8="}, b"\xff\xff"),
        ({"bytesValue": "__8"}, b"\xff\xff"),
        ({"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "x"}, {}]}}, (1, "x", None)),
        ({"arrayValue": {}}, ()),
        ({"kvlistValue": {"values": [{"key": "k", "value": {"arrayValue": {}}}]}}, {"k": ()}),
        ({}, None),
        (None, None),
        ({"stringValue": None, "intValue": 1}, 1),
        ({"ofTomorrow": 7}, None),
    ],
)
def test_values_are_pythons(value: Any, expected: object) -> None:
    found = value_of(value)
    assert (type(expected), expected) == (type(found), found)


def test_not_a_number_is_one() -> None:
    assert math.isnan(value_of({"doubleValue": "NaN"}))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"boolValue": "true"}, 'value.boolValue is expected to be true or false, got "true"'),
        ({"doubleValue": "1.5"}, 'value.doubleValue is expected to be a number, got "1.5"'),
        ({"doubleValue": True}, "value.doubleValue is expected to be a number, got true"),
        ({"bytesValue": "a"}, 'value.bytesValue is expected to be base64, got "a"'),
        ({"bytesValue": "ä==="}, 'value.bytesValue is expected to be base64, got "\\u00e4==="'),
        ({"arrayValue": {"values": [{}, 1]}}, "value.arrayValue.values[1] is expected to be an object, got 1"),
    ],
)
def test_what_is_none_is_named(value: Any, message: str) -> None:
    with pytest.raises(OtlpJsonError) as caught:
        value_of(value)
    assert f"attributes[0].{message}" == str(caught.value)


@pytest.mark.parametrize("kind", ["arrayValue", "kvlistValue"])
def test_nesting_is_bounded(kind: str) -> None:
    value: Any = {"intValue": 1}
    for _ in range(MAX_DEPTH):
        value = {kind: {"values": [value if kind == "arrayValue" else {"key": "k", "value": value}]}}
    value_of(value)
    with pytest.raises(OtlpJsonError, match="is expected to be nested at most 32 deep"):
        value_of({kind: {"values": [value if kind == "arrayValue" else {"key": "k", "value": value}]}})


def test_a_container_knows_how_many_were_dropped() -> None:
    container = bounded({"attributes": [{"key": "a", "value": {"intValue": 1}}], "droppedAttributesCount": 3})
    assert ({"a": 1}, 3) == (dict(container), container.dropped)
