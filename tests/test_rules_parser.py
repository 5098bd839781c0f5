"""Tokens to trees: precedence, shapes, and what each misspelling is told."""

from __future__ import annotations

import pytest

from otel_errsample.errors import RuleError
from otel_errsample.rules.parser import parse
from otel_errsample.rules.report import Report
from otel_errsample.rules.tree import And, Constant, Not, Operand, Or, Predicate, Rule, Word


def rules(text: str) -> list[Rule]:
    report = Report(text, "r")
    parsed = parse(text, report)
    report.finish()
    return parsed


def problems(text: str) -> list[str]:
    with pytest.raises(RuleError) as caught:
        rules(text)
    return [str(problem) for problem in caught.value.problems]


def condition(text: str) -> object:
    return rules(f"keep if {text}")[0].condition


A, B, C = (Predicate(Operand("fact", name)) for name in "abc")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a or b and c", Or((A, And((B, C))))),
        ("(a or b) and c", And((Or((A, B)), C))),
        ("not a and b", And((Not(A), B))),
        ("not (a and b)", Not(And((A, B)))),
        ("not not a", Not(Not(A))),
        ("a and b and c", And((A, B, C))),
        ("((a))", A),
        ("not a == true", Not(Predicate(Operand("fact", "a"), "==", Constant(True)))),
        ("a.b not in (1,)", Predicate(Operand("attribute", "a.b"), "not in", (Constant(1),))),
        ("span.kind exists", Predicate(Operand("fact", "span.kind"), "exists")),
        ("kind in transient", Predicate(Operand("fact", "kind"), "in", Word("transient"))),
        ("cause is a.b.C", Predicate(Operand("fact", "cause"), "is", Word("a.b.C"))),
        ('resource["a"] like "*"', Predicate(Operand("resource", "a"), "like", Constant("*"))),
        ('attributes["a b"] < -1.5', Predicate(Operand("attribute", "a b"), "<", Constant(-1.5))),
    ],
)
def test_conditions_have_the_precedence_of_python(text: str, expected: object) -> None:
    assert expected == condition(text)


@pytest.mark.parametrize(
    "text",
    [
        "rule_1: keep",
        "x: drop",
        "x: head",
        "x: keep span 12.5%",
        "x: keep 5 per second",
        "x: keep 5 per minute by fingerprint, http.route if error",
        'x: keep trace first 3 per hour by attributes["a b"] then 5% if error',
        "x: shadow keep 1 per second",
    ],
)
def test_actions_read_as_they_are_written(text: str) -> None:
    assert [text] == [str(rule) for rule in rules(text)]


def test_rules_without_a_name_are_counted_from_one_among_all() -> None:
    assert ["rule_1", "b", "rule_3"] == [rule.name.name for rule in rules("keep; b: drop\nhead")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kep if a", "r:1:1: expected an action, got 'kep' (did you mean 'keep'?)"),
        ("5%", "r:1:1: expected an action, got '5' (one of keep, drop, head, shadow)"),
        ("x:", "r:1:3: expected an action, got the end of the rule (one of keep, drop, head, shadow)"),
        ("shadow shadow drop", "r:1:8: 'shadow' is written once"),
        ("keep error", "r:1:6: expected 'if' before the condition, got 'error' (write: keep if error ...)"),
        ("drop 50%", "r:1:6: unexpected '50' after 'drop' ('keep' takes numbers, as in: keep 5%)"),
        ("shadow head 5 per s", "r:1:13: unexpected '5' after 'shadow head' ('keep' takes numbers, as in: keep 5%)"),
        ("drop unless a", "r:1:6: expected 'if' before the condition, got 'unless' (write: drop if not (...))"),
        ("keep 5% iff error", "r:1:9: expected 'if' before the condition, got 'iff' (did you mean 'if'?)"),
        ("drop )", "r:1:6: unexpected ')' after the action"),
        ("keep drop", "r:1:6: unexpected 'drop' after the action (separate rules by a new line or ';')"),
        ("keep by name", "r:1:6: unexpected 'by' after the action (write, for instance: keep 5 per second by name)"),
        ("keep if", "r:1:8: expected a condition after 'if', got the end of the rule"),
        ("keep 5 if a", "r:1:8: expected 'per' after the number, got 'if' (write a percentage, or: keep 5 per second)"),
        ("keep 5 per 1", "r:1:12: expected a unit after 'per', got '1' (one of second, minute, hour)"),
        ("keep first x", "r:1:12: expected how many spans to keep, got 'x' (write a number)"),
        (
            "keep first 3 per minute if a",
            "r:1:25: expected 'then' and a percentage after 'first N per UNIT', got 'if' (write, for instance: then 5%)",
        ),
        ("keep first 3 per minute then 5", "r:1:31: expected '%' after the number, got the end of the rule"),
        ("keep 1 per hour by 5", "r:1:20: expected a key, got '5' (the fact comes first, as in: duration > 2.0)"),
        ("keep if 2 < a", "r:1:9: expected a fact or an attribute, got '2' (the fact comes first, as in: duration > 2.0)"),
        ("keep if and", "r:1:9: expected a fact or an attribute, got 'and'"),
        ("keep if a == b", "r:1:14: expected a value after '==', got 'b' (put text in quotes: \"b\")"),
        ("keep if a ==", "r:1:13: expected a value after '==', got the end of the rule"),
        ("keep if 'a' in b", "r:1:9: expected a fact or an attribute, got ''a'' (the fact comes first, as in: duration > 2.0)"),
        ("keep if a < 1 < 2", "r:1:15: comparisons do not chain (join two comparisons with 'and')"),
        ("keep if (a < 1 < 2)", "r:1:16: comparisons do not chain (join two comparisons with 'and')"),
        ("keep if a like 'x' contains 'y'", "r:1:20: comparisons do not chain (join two comparisons with 'and')"),
        ("keep if a contain 'x'", "r:1:11: expected an operator after 'a', got 'contain' (did you mean 'contains'?)"),
        ("keep if a andd b", "r:1:11: expected an operator after 'a', got 'andd' (did you mean 'and'?)"),
        ("keep if a == 1 andd b", "r:1:16: unexpected 'andd' after the condition (did you mean 'and'?)"),
        ("keep if a drop", "r:1:11: expected an operator after 'a', got 'drop'"),
        ("keep if a == 1 drop", "r:1:16: unexpected 'drop' after the condition (separate rules by a new line or ';')"),
        ("keep if (a b)", "r:1:12: expected an operator after 'a', got 'b'"),
        ("keep if (a == 1 b)", "r:1:17: expected ')' to close '(', got 'b'"),
        ("keep if a)", "r:1:10: unexpected ')' after the condition"),
        ("keep if a.x[1]", "r:1:12: unexpected '[' after the condition"),
        ("keep if attributes.x[1]", "r:1:9: 'attributes.x' is no attribute of a span (write: attributes[\"x\"])"),
        ("drop if span.attributes['x'] exists", "r:1:9: 'span.attributes' is no attribute of a span (write: attributes["),
        ("drop if resource.attributes.a.b == 1", "r:1:9: 'resource.attributes.a.b' is no attribute of a span (write: resource[\"a.b\"])"),
        ("keep 1 per hour by service.name", "r:1:20: 'service.name' is no attribute of a span (write: resource[\"service.name\"])"),
        ("keep if a and not exception.type == 'x'", "r:1:19: 'exception.type' is no attribute of a span (write: exception)"),
        ("keep if errsample.span.kind == 'server'", "r:1:9: 'errsample.span.kind' is no attribute of a span (write: span.kind)"),
        ("keep if status.code == 2", "r:1:9: 'status.code' is no attribute of a span (write: error)"),
        ("keep if attributes", "r:1:19: expected '[' after 'attributes', got the end of the rule "),
        ("keep if attributes[a]", "r:1:20: expected an attribute name in quotes, got 'a'"),
        ("keep if exception is 'x'", "r:1:22: expected the name of a class after 'is', got ''x'' (write it without quotes)"),
        ("keep if exception is not x", "r:1:22: expected the name of a class after 'is', got 'not' (write: not exception is"),
        ("keep if exception is", "r:1:21: expected the name of a class after 'is', got the end of the rule "),
        ("keep if a in 'x'", "r:1:14: expected '(' after 'in', got ''x'' (write: in (\"a\", \"b\"))"),
        ("keep if a in ()", "r:1:15: expected a value after 'in (', got ')'"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_and_what_to_write(text: str, expected: str) -> None:
    assert problems(text)[0].startswith(expected)


def test_every_broken_rule_is_reported_and_sound_ones_are_not() -> None:
    assert ["r:1:1", "r:3:6", "r:4:9"] == [
        problem.split(": ")[0] for problem in problems("kepe\nkeep\ndrop x\ndrop if (\nhead")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keep if " + " and ".join(["a"] * 101), "a rule is expected to have at most 200 tests and connectives"),
        ("keep if " + "not " * 33 + "a", "'not' is expected to be nested at most 32 deep"),
        (f"keep if a in ({', '.join(['1'] * 257)})", "'in' is expected to have at most 256 values"),
    ],
    ids=["nodes", "nots", "values"],
)
def test_stops_at_its_bounds(text: str, message: str) -> None:
    assert message in problems(text)[-1]


def test_reads_up_to_its_bounds() -> None:
    assert isinstance(condition(" and ".join(["a"] * 100)), And)
    assert isinstance(condition("not (" * 32 + "a" + ")" * 32), Not)
    assert isinstance(condition(f"a in ({', '.join(['1'] * 256)})"), Predicate)
