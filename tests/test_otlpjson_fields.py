"""Fields have protobuf's defaults, and a wrong type is said with what was expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from otel_errsample.otlpjson.fields import OtlpJsonError, each, enum, hex_id, integer, part, text, whole

MEMBERS = {"ZERO": "zero", "ONE": "one"}


@pytest.mark.parametrize(
    ("read", "given", "expected"),
    [
        (lambda owner: text(owner, "x"), None, ""),
        (lambda owner: text(owner, "x"), "é", "é"),
        (lambda owner: whole(owner, "x", 8), None, 0),
        (lambda owner: whole(owner, "x", 8), 255, 255),
        (lambda owner: whole(owner, "x", 8), "255", 255),
        (lambda owner: whole(owner, "x", 8), 2.55e2, 255),
        (lambda owner: integer(owner, "x", -5, 6), "-5", -5),
        (lambda owner: enum(owner, "x", MEMBERS, "default"), None, "default"),
        (lambda owner: enum(owner, "x", MEMBERS, "default"), 1, "one"),
        (lambda owner: enum(owner, "x", MEMBERS, "default"), "ONE", "one"),
        (lambda owner: enum(owner, "x", MEMBERS, "default"), 2, "default"),
        (lambda owner: hex_id(owner, "x", 4), "00fF", 255),
        (lambda owner: part(owner, "x", dict), None, {}),
        (lambda owner: part(owner, "x", dict), {"a": 1}, {"a": 1}),
        (lambda owner: each(owner, "x", dict), None, []),
        (lambda owner: each(owner, "x", dict), [{"a": 1}, {}], [{"a": 1}, {}]),
    ],
)
def test_fields_are_read(read: Callable[[dict[str, Any]], object], given: object, expected: object) -> None:
    assert expected == read({"x": given})
    if given is None:
        assert expected == read({})


@pytest.mark.parametrize(
    ("read", "given", "expected"),
    [
        (lambda owner: text(owner, "x"), 5.5, "x is expected to be text, got 5.5"),
        (lambda owner: whole(owner, "x", 8), 256, "x is expected to be a whole number from 0 to 255, got 256"),
        (lambda owner: whole(owner, "x", 8), 1.5, "x is expected to be a whole number from 0 to 255, got 1.5"),
        (lambda owner: whole(owner, "x", 8), "+5", 'x is expected to be a whole number from 0 to 255, got "+5"'),
        (lambda owner: whole(owner, "x", 8), "٣", 'x is expected to be a whole number from 0 to 255, got "\\u0663"'),
        (lambda owner: whole(owner, "x", 8), float("inf"), "x is expected to be a whole number from 0 to 255, got Infinity"),
        (lambda owner: whole(owner, "x", 8), False, "x is expected to be a whole number from 0 to 255, got false"),
        (lambda owner: enum(owner, "x", MEMBERS, ""), "one", 'x is expected to be one of ZERO, ONE, got "one"'),
        (lambda owner: hex_id(owner, "x", 4), "00 f", 'x is expected to be 4 hexadecimal digits, got "00 f"'),
        (lambda owner: part(owner, "x", dict), [1], "x is expected to be an object, got a list"),
        (lambda owner: each(owner, "x", dict), {"a": 1}, "x is expected to be a list, got an object"),
        (lambda owner: each(owner, "x", dict), [{}, None], "x[1] is expected to be an object, got nothing"),
        (lambda owner: part(owner, "x", lambda x: each(x, "y", lambda y: text(y, "z"))), {"y": [{"z": 1}]}, "x.y[0].z is expected to be text, got 1"),
    ],
)  # fmt: skip
def test_another_type_is_an_error(read: Callable[[dict[str, Any]], object], given: object, expected: str) -> None:
    with pytest.raises(OtlpJsonError) as caught:
        read({"x": given})
    assert expected == str(caught.value)
