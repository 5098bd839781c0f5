"""Trees: their canonical text parses to an equal tree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample.rules.parser import parse
from otel_errsample.rules.report import Report
from otel_errsample.rules.tree import (
    Action,
    And,
    Constant,
    Limit,
    Not,
    Operand,
    Or,
    Predicate,
    Rule,
    Word,
)

names = st.sampled_from(["a", "error_2", "kindly"])
texts = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]) | st.sampled_from("\n\t"), max_size=12)
operands = st.one_of(
    st.builds(Operand, st.just("fact"), st.one_of(names, st.just("span.kind"))),
    st.builds(
        Operand,
        st.sampled_from(["attribute", "resource"]),
        st.one_of(st.sampled_from(["http.route", "span.kind", "x-y.z", "a.b c", 'q"', "no_dot"]), texts.filter(bool)),
    ),
)
values = st.builds(
    Constant,
    st.one_of(texts, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans()),
)
tests = st.one_of(
    st.builds(Predicate, operands),
    st.builds(Predicate, operands, st.just("exists")),
    st.builds(Predicate, operands, st.just("is"), st.builds(Word, st.sampled_from(["ValueError", "a.b.C"]))),
    st.builds(Predicate, operands, st.sampled_from(["==", "!=", "<", ">=", "like", "contains"]), values),
    st.builds(
        Predicate,
        operands,
        st.sampled_from(["in", "not in"]),
        st.one_of(st.lists(values, min_size=1, max_size=3).map(tuple), st.builds(Word, st.just("transient"))),
    ),
)


def joined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, inner), st.builds(And, several), st.builds(Or, several))


conditions = st.recursive(tests, joined, max_leaves=6)
keys = st.lists(operands, max_size=3).map(tuple)
percents = st.builds(Constant, st.one_of(st.integers(0, 100), st.floats(0, 100)))
units = st.builds(Word, st.sampled_from(["second", "hour"]))
shadows = st.booleans()
scopes = st.one_of(st.none(), st.builds(Word, st.sampled_from(["trace", "span"])))
actions = st.one_of(
    st.builds(Action, st.sampled_from(["drop", "head"]), shadows),
    st.builds(Action, st.just("keep"), shadows, scopes),
    st.builds(Action, st.just("keep"), shadows, scopes, st.none(), percents),
    st.builds(Action, st.just("keep"), shadows, scopes, st.builds(Limit, st.integers(1, 9), units, keys)),
    st.builds(
        Action,
        st.just("keep"),
        shadows,
        scopes,
        st.builds(Limit, st.integers(1, 9), units, keys, st.just(True)),
        percents,
    ),
)
rules = st.builds(Rule, st.builds(Word, st.sampled_from(["a", "b-c", "drop", "x.y"])), actions, st.none() | conditions)


@given(st.lists(rules, max_size=3))
def test_the_canonical_text_parses_to_the_same_tree(written: list[Rule]) -> None:
    text = "\n".join(map(str, written))
    report = Report(text, "r")
    parsed = parse(text, report)
    report.finish()
    assert written == parsed
    assert text == "\n".join(map(str, parsed))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(Word("a"), Action("keep")), True),
        (Rule(Word("a"), Action("drop", shadow=True)), False),
        (Rule(Word("a"), Action("head"), Predicate(Operand("fact", "error"))), False),
    ],
    ids=["without condition", "shadow", "with condition"],
)
def test_a_rule_ends_the_set_when_it_always_decides(rule: Rule, expected: bool) -> None:
    assert expected == rule.ends


def test_a_quoted_attribute_that_no_bare_name_stands_for_stays_quoted() -> None:
    assert str(Operand("attribute", "exception.type")) == 'attributes["exception.type"]'
    assert str(Operand("attribute", "http.route")) == "http.route"
