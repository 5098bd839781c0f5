"""What explain says of a rule is what the extension decides, and the part it blames is one that does not hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind

from otel_errsample import _hot
from otel_errsample.cli.witness import Witness, shown
from otel_errsample.errors import RuleError
from otel_errsample.rules import Rules
from otel_errsample.rules.parser import parse
from otel_errsample.rules.report import Report
from tests.model.decide import holds
from tests.model.generated import facts_of, rule_sets, spans
from tests.model.spans import make_span


@pytest.fixture(autouse=True, scope="module")
def layout() -> None:
    assert _hot.probe()


def why(condition: str, facts: dict[str, Any] | None = None, sampled: bool = True, **span: Any) -> tuple[str, ...]:
    """The failing part and what it saw."""
    made = None if facts is None else _hot.make_facts(**facts)
    (answer,) = Witness(Rules.parse(f"keep if {condition}")).answers(make_span(**span), made, sampled)
    assert not answer.matches
    return answer.failing, *answer.seen


@given(rule_sets, spans, st.none() | facts_of, st.booleans())
def test_answers_agree_with_the_model_and_with_what_is_decided(
    text: str, span: Any, facts: dict[str, Any] | None, sampled: bool
) -> None:
    try:
        rules = Rules.parse(text)
    except RuleError:
        reject()
    made = None if facts is None else _hot.make_facts(**facts)
    answers = Witness(rules).answers(span, made, sampled)
    for rule, answer in zip(rules._rules, answers, strict=True):
        assert answer.rule is rule
        assert answer.matches == (rule.condition is None or holds(rule.condition, span, facts, sampled))
        if not answer.matches:
            (blamed,) = parse(f"keep if {answer.failing}", Report("", ""))
            assert blamed.condition is not None
            assert not holds(blamed.condition, span, facts, sampled)
            assert answer.seen
    table = _hot.RuleTable(rules, _hot.Limits())
    decisive = [place for place, answer in enumerate(answers) if answer.matches and not answer.rule.action.shadow]
    assert (decisive or [-1])[0] == _hot.verdict(table, span, made, sampled)[1]


FAILED: dict[str, Any] = {"kind": "bug", "severity": "warn", "exception": "ValueError", "message": "m" * 70}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('severity >= "error"', ('severity >= "error"', 'severity is "warn"')),
        ('error and severity >= "error" and root', ('severity >= "error"', 'severity is "warn"')),
        ('error and (root and kind in transient)', ("kind in transient", 'kind is "bug"')),
        ("not error", ("not error", "error is true")),
        ("sampled == false", ("sampled == false", "sampled is true")),
        ("not (root or sampled)", ("not (root or sampled)", "root is true")),
        ("not (root and error)", ("not (root and error)", "root is true", "error is true")),
        ('kind == "timeout" or code == "http:503"', ('kind == "timeout" or code == "http:503"', 'kind is "bug"', "code is missing")),
        ('kind == "timeout" or kind == "data"', ('kind == "timeout" or kind == "data"', 'kind is "bug"')),
        ('a.b == "x"', ('a.b == "x"', "a.b is missing")),
        ("exception is OSError", ("exception is OSError", "exception is ValueError")),
        ("cause is OSError", ("cause is OSError", "cause is missing")),
        ('message contains "x"', ('message contains "x"', f'message is "{"m" * 60}"...')),
        ("duration > 2", ("duration > 2", "duration is 0.25")),
        ('span.kind == "server"', ('span.kind == "server"', 'span.kind is "internal"')),
        ('resource["a"] exists', ('resource["a"] exists', 'resource["a"] is missing')),
    ],
)  # fmt: skip
def test_the_first_part_that_fails_is_named_with_what_it_saw(condition: str, expected: tuple[str, ...]) -> None:
    assert expected == why(condition, FAILED)


@pytest.mark.parametrize(
    ("test", "value", "seen"),
    [
        ('a.b == "402"', 402, "a.b is 402, not text"),
        ("a.b == 402", "402", 'a.b is "402", not a number'),
        ("a.b == 402", True, "a.b is true, not a number"),
        ('a.b in ("x", 1)', False, "a.b is false, not text or a number"),
        ('a.b contains "x"', 5, "a.b is 5, not text"),
        ("a.b > 5", 4.5, "a.b is 4.5"),
        ("not a.b exists", 5, "a.b is 5"),
        ('a.b == "x"', ("x",), "a.b is a list, which no test looks into"),
        ('a.b == "x"', {"x": 1}, "a.b is a map, which no test looks into"),
        ('a.b == "x"', b"x", "a.b is bytes, which no test looks into"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_said_to_be_one(test: str, value: object, seen: str) -> None:
    assert (test, seen) == why(test, attributes={"a.b": value})


@pytest.mark.parametrize(
    ("fault", "span", "seen"),
    [
        ("self", {}, 'fault is "self"'),
        ("dependency", {"kind": SpanKind.SERVER, "attributes": {"server.address": "shop.example.com"}}, 'span.kind is "server"'),
        ("dependency", {}, "no attribute tells whom it called"),
        ("dependency", {"attributes": {"net.peer.name": "db.internal"}}, 'it called "db.internal", which is your own'),
        ("dependency", {"attributes": {"url.full": "https://a.shop.example/x"}}, 'it called "a.shop.example", which is your own'),
    ],
)  # fmt: skip
def test_what_makes_an_error_no_third_partys_is_told(fault: str, span: dict[str, Any], seen: str) -> None:
    rules = Rules.parse("keep if kind in third_party")
    (answer,) = Witness(rules, ["shop.example"]).answers(make_span(**span), _hot.make_facts(fault=fault), True)
    assert ("kind in third_party", (seen,), False) == (answer.failing, answer.seen, answer.matches)


def test_whom_it_called_is_told_of_what_must_not_be_a_third_partys() -> None:
    facts: dict[str, Any] = {"fault": "dependency"}
    failing = why("error and kind not in third_party", facts, attributes={"server.address": "8.8.8.8"})
    assert ("kind not in third_party", 'it called "8.8.8.8", a third party') == failing


@pytest.mark.parametrize("test", ["kind in transient", 'message contains "x"', "exception is OSError", "cause exists"])
def test_where_nothing_failed_that_is_said(test: str) -> None:
    assert (test, "nothing failed") == why(test, None)


def test_where_nothing_failed_facts_of_any_span_still_are_facts() -> None:
    assert ('span.kind == "client"', 'span.kind is "server"') == why('span.kind == "client"', kind=SpanKind.SERVER)
    assert ("error", "error is false") == why("error")


def test_a_class_that_is_not_imported_is_known_by_its_name_only() -> None:
    facts = {"exception": "shop.CardDeclined"}
    seen = "exception is shop.CardDeclined, whose base classes are not imported"
    assert ("exception is shop.PaymentError", seen) == why("exception is shop.PaymentError", facts)


def test_equal_constants_of_different_types_are_different_tests() -> None:
    assert ("a.b == 1", "a.b is true, not a number") == why(
        "(a.b == true or root) and a.b == 1", root=False, attributes={"a.b": True}
    )


@pytest.mark.parametrize(
    ("value", "expected"), [(("a", 1, (True,)), '"a", 1, true'), (2.5, "2.5"), ('"\n', r'"\"\n"'), (b"", "bytes")]
)
def test_values_are_written_as_constants(value: object, expected: str) -> None:
    assert expected == shown(value)
