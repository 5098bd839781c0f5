"""The vocabulary: masks over closed lists, and attribute names that mean the same."""

from __future__ import annotations

import pytest
from opentelemetry.trace import SpanKind

from otel_errsample.rules.facts import (
    CHOICES,
    FACTS,
    FLAGS,
    KEYS,
    NUMBERS,
    OF_ANY_SPAN,
    SPAN_KINDS,
    TEXTS,
    accepted,
    meant_by,
    spellings,
)


def test_span_kinds_are_those_of_opentelemetry_in_order() -> None:
    assert SPAN_KINDS == tuple(kind.name.lower() for kind in sorted(SpanKind, key=lambda kind: kind.value))


def test_every_fact_has_exactly_one_type() -> None:
    assert sorted([*TEXTS, *FLAGS, *NUMBERS, *CHOICES]) == sorted(FACTS)
    assert OF_ANY_SPAN < set(FACTS)
    assert {*KEYS} - {"service"} < set(FACTS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("http.response.status_code", ("http.response.status_code", "http.status_code")),
        ("http.status_code", ("http.status_code", "http.response.status_code")),
        ("db.statement", ("db.statement", "db.query.text")),
        ("rpc.system", ("rpc.system", "rpc.system.name")),
        ("http.route", ("http.route",)),
        ("http.target", ("http.target",)),
    ],
)
def test_old_and_new_names_stand_for_each_other_and_the_written_one_goes_first(
    name: str, expected: tuple[str, ...]
) -> None:
    assert expected == spellings(name)


@pytest.mark.parametrize(
    ("op", "values", "expected"),
    [
        ("==", ("self",), 0b0010),
        ("!=", ("self",), 0b1101),
        ("in", ("caller", "unknown"), 0b1001),
        ("not in", ("caller", "unknown"), 0b0110),
    ],
)
def test_a_test_of_a_closed_list_is_the_mask_of_what_passes(op: str, values: tuple[str, ...], expected: int) -> None:
    assert expected == accepted("fault", op, values)


@pytest.mark.parametrize(("op", "expected"), [("<", 0b00011), ("<=", 0b00111), (">", 0b11000), (">=", 0b11100)])
def test_severities_have_an_order(op: str, expected: int) -> None:
    assert expected == accepted("severity", op, ("warn",))


@pytest.mark.parametrize(
    "name", ["http.route", "span.kind", "errsample.keep", "resource", "attributes", "a.service.name"]
)
def test_what_may_be_an_attribute_is_left_alone(name: str) -> None:
    assert meant_by(name) == ""
