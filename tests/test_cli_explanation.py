"""What is decided about a span, by which rule, and what is added to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from otel_errsample.cli.explanation import Explanation, explain
from otel_errsample.cli.trial import Trial
from otel_errsample.cli.witness import Witness
from otel_errsample.rules import Rules
from otel_errsample.rules.document import Document
from tests.failing import event, make_span


def explained(text: str, span: ReadableSpan, **more: Any) -> Explanation:
    trial = Trial(Document("r", Rules.parse(text)), **more)
    return explain(span, trial, Witness(trial.rules))


FAILING = make_span(status="ERROR", events=[event("shop.PaymentError", "declined")])


@pytest.mark.parametrize(
    ("rules", "action", "rule", "asked", "exported"),
    [
        pytest.param("a: drop if root; b: keep", "drop", "a", 1, False, id="first"),
        pytest.param("a: drop if not root; b: keep; ", "keep", "b", 2, True, id="second"),
        pytest.param("a: shadow drop; b: keep if not root", "head", None, 3, True, id="none"),
        pytest.param("a: head", "head", "a", 1, True, id="head"),
        pytest.param("a: keep 0%; ", "sampled_out", "a", 1, False, id="sampled out"),
        pytest.param("", "head", None, 1, True, id="no rules"),
    ],
)
def test_the_rule_that_decides_is_the_last_one_asked(
    rules: str, action: str, rule: str | None, asked: int, exported: bool
) -> None:
    it = explained(rules, FAILING if rule else make_span())
    assert (action, rule, asked, exported) == (
        it.action,
        it.rule and it.rule.rule.name.name,
        len(it.answers),
        it.exported,
    )
    assert len(Rules.parse(rules).with_defaults()) == len(it.answers) + len(it.unasked)


@pytest.mark.parametrize(("keep", "action"), [(True, "keep"), (False, "drop")])
def test_where_the_application_decided_no_rule_is_asked(keep: bool, action: str) -> None:
    it = explained("a: keep if error; b: drop", make_span(attributes={"errsample.keep": keep}))
    assert (action, None, [], ["a", "b"], keep) == (it.action, it.rule, it.answers, it.unasked, it.exported)


@pytest.mark.parametrize(
    ("action", "would"),
    [
        ("keep", "kept"),
        ("drop", "dropped"),
        ("keep 0%", "sampled out"),
        ("keep 1 per hour", "kept"),
        ("head", "left to the head sampler"),
    ],
)
def test_a_shadow_rule_tells_what_it_would_have_done(action: str, would: str) -> None:
    it = explained(f"a: shadow {action}; b: keep", FAILING)
    assert ({"a": would}, "b") == (it.would, it.rule and it.rule.rule.name.name)


def test_every_span_finds_the_limits_unspent() -> None:
    trial = Trial(Document("r", Rules.parse("a: keep 1 per hour if root; b: drop")))
    witness = Witness(trial.rules)
    assert ["keep"] * 3 == [explain(FAILING, trial, witness).action for _ in range(3)]


def test_what_is_added_is_what_the_span_would_carry() -> None:
    it = explained("pay: keep if error", FAILING)
    assert "ot=th:0" == it.trace_state
    assert ("shop.PaymentError", "unknown", "pay") == (
        it.added["error.type"],
        it.added["errsample.kind"],
        it.added["errsample.rule"],
    )
    assert ({}, None) == ((dropped := explained("drop", FAILING)).added, dropped.trace_state)


def test_a_head_sampler_may_leave_it_out() -> None:
    assert not explained("head", FAILING, head=0.0).exported
    assert explained("head", FAILING, head=1.0).exported


def test_all_of_it_is_json() -> None:
    it = explained("a: drop if kind in transient; s: shadow drop; b: keep 100%", FAILING)
    values = json.loads(json.dumps(it.as_dict()))
    assert {
        "trace_id": "0" * 31 + "3", "span_id": "0" * 15 + "5", "name": "work", "sampled": True, "unasked": [],
        "action": "keep", "rule": "b", "threshold": "0", "exported": True, "trace_state": "ot=th:0",
    }.items() <= values.items()  # fmt: skip
    assert ("shop.PaymentError", "declined", True) == tuple(
        values["facts"][name] for name in ("exception", "message", "error")
    )
    first, second, third = values["rules"]
    assert {
        "name": "a", "action": "drop", "condition": "kind in transient", "matches": False,
        "failing": "kind in transient", "seen": ['kind is "unknown"'], "would": None,
    } == first  # fmt: skip
    assert ("s", "dropped", "b", None) == (second["name"], second["would"], third["name"], third["condition"])


def test_where_nothing_failed_there_are_no_facts() -> None:
    assert explained("head", make_span()).as_dict()["facts"] is None
