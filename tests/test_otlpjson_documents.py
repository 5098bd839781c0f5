"""JSON is read within bounds, and what is none is named with its position."""

from __future__ import annotations

import pytest

from otel_errsample.otlpjson import JsonError, documents


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \r\n\t", []),
        ('{"a": 1}', [(1, {"a": 1})]),
        ('{"a": 1}\n{"b": 2}\n', [(1, {"a": 1}), (2, {"b": 2})]),
        ('\n{\n "a": [\n1]\n}\n{}', [(2, {"a": [1]}), (6, {})]),
        ('{"a": "\\u001b\\ud800"}', [(1, {"a": "\x1b\ud800"})]),
        ('{"a": 1, "a": 2}', [(1, {"a": 2})]),
        ('{"a": 1e400}', [(1, {"a": float("inf")})]),
        ('{"a": 18446744073709551615}', [(1, {"a": 2**64 - 1})]),
    ],
)
def test_values_follow_each_other_in_any_layout(text: str, expected: list[tuple[int, object]]) -> None:
    assert expected == list(documents(text))


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("{", (1, 2), "expecting property name enclosed in double quotes"),
        ('{"a": 1}\n{"b": x}', (2, 7), "expecting value"),
        ('{"a": "\n"}', (1, 8), "invalid control character"),
        ('{"a": "b', (1, 7), "unterminated string"),
        ('{"a": NaN}', (1, 1), "NaN is no JSON, it is written as text"),
        ('{}\n [-Infinity]', (2, 2), "-Infinity is no JSON, it is written as text"),
        ("{}\n" + "[" * 200_000, (2, 1), "brackets are nested too deeply"),
        ('{"a":' * 200_000, (1, 1), "brackets are nested too deeply"),
        ("\ufeff{}", (1, 1), "expecting value"),
    ],
)  # fmt: skip
def test_the_position_of_what_is_no_json_is_said(text: str, place: tuple[int, int], message: str) -> None:
    with pytest.raises(JsonError) as caught:
        list(documents(text))
    assert (message, place) == (caught.value.message, (caught.value.line, caught.value.column))


def test_a_number_of_a_million_digits_costs_no_quadratic_time() -> None:
    ((_, value),) = documents("[" + "9" * 1_000_000 + "]")
    assert [float("inf")] == value
