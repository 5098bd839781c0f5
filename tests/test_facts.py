"""ErrorFacts name their axes with the words of the taxonomy and cannot be changed."""

from __future__ import annotations

import pytest

from otel_errsample import _hot
from otel_errsample.taxonomy import FAULTS, KINDS, RECOVERIES, SEVERITIES

AXES = [
    pytest.param(axis, word, id=f"{axis} {word}")
    for axis, words in {
        "kind": KINDS,
        "fault": FAULTS,
        "severity": SEVERITIES,
        "recovery": RECOVERIES,
        "source": ("live", "event", "event_partial", "status", "code"),
    }.items()
    for word in words
]


@pytest.mark.parametrize(("axis", "word"), AXES)
def test_every_word_of_an_axis_is_read_back(axis: str, word: str) -> None:
    assert word == getattr(_hot.make_facts(**{axis: word}), axis)  # type: ignore[arg-type]  # a word for any axis


@pytest.mark.parametrize("axis", ["kind", "fault", "severity", "recovery", "source"])
def test_a_word_of_no_axis_is_refused(axis: str) -> None:
    with pytest.raises(ValueError):
        _hot.make_facts(**{axis: "no such word"})  # type: ignore[arg-type]  # a word for any axis


@pytest.mark.parametrize("name", ["error", "exception", "code", "fingerprint", "kind", "severity"])
def test_what_rules_read_cannot_be_changed_by_a_callback(name: str) -> None:
    facts = _hot.make_facts(exception="KeyError")
    with pytest.raises(AttributeError):
        setattr(facts, name, "other")


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        (_hot.make_facts(exception="shop.Refused", code="http:503"), "shop.Refused"),
        (_hot.make_facts(code="http:503"), "http:503"),
        (_hot.make_facts(), "error"),
    ],
    ids=["class", "code", "neither"],
)
def test_the_repr_names_the_most_telling_fact(facts: _hot.ErrorFacts, what: str) -> None:
    assert repr(facts).startswith(f"ErrorFacts({what}, kind=unknown, ")
