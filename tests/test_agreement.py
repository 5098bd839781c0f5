"""The extension and the model agree: on what rule sets are refused, and on what the others decide.

Hypothesis shapes the rule sets, because they are what fails and what has to be shrunk. Each meets 200 spans of a pool
that chance fills once, by a seed that a failure shows: drawn one by one they would take an hour. A few sets meet spans
that Hypothesis shapes too.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_errsample import _hot
from otel_errsample.errors import RuleError
from otel_errsample.rules import Rules
from otel_errsample.rules.parser import parse
from otel_errsample.rules.report import Report
from tests.model.check import refused
from tests.model.decide import Model
from tests.model.generated import doubtful_sets, pool, rule_sets, steps
from tests.model.spans import SECOND

CASES = int(os.environ.get("ERRSAMPLE_CASES", "100_000"))
SPANS_A_SET = 200
POOL_SEED = 2026


class Clock:
    def __init__(self) -> None:
        self.now = 5 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture(autouse=True, scope="module")
def layout() -> None:
    assert _hot.probe()


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model looks for mistakes as long as it takes."""
    monkeypatch.setattr("otel_errsample.rules.reach._MOST_TRIALS", 10**9)


def accepted(text: str) -> Rules | None:
    """The rules, where extension and model agree that they make sense; they agree on each rule that does not."""
    wrong = refused(parse(text, Report(text, "r")))
    try:
        rules = Rules.parse(text)
    except RuleError as error:
        assert wrong == {problem.line - 1 for problem in error.problems}, str(error)
        return None
    assert set() == wrong
    return rules


def decided_alike(rules: Rules, sequence: list[tuple[Any, ...]]) -> None:
    clock = Clock()
    limits = _hot.Limits(clock)
    table = _hot.RuleTable(rules, limits)
    model = Model(rules, clock)
    for number, (span, facts, made, sampled, passed) in enumerate(sequence):
        clock.now += passed
        expected = model.decide(span, facts, sampled)
        assert expected == _hot.verdict(table, span, made, sampled)[:5], f"span {number}: {span.to_json()} {facts}"
    # Rules with different limits share nothing, so the sums agree too.
    assert sum(slot.suppressed for slot in model.slots.values()) == sum(limits.pending().values())


def test_extension_and_model_decide_a_hundred_thousand_spans_alike() -> None:
    spans = pool(4000, POOL_SEED)
    decided = 0

    # An accepted set in three is a cautious guess of what is left when the checks have refused the others.
    @settings(max_examples=3 * CASES // SPANS_A_SET, deadline=None)
    @given(rule_sets, st.integers(0, 2**32))
    def agree(text: str, seed: int) -> None:
        nonlocal decided
        rules = accepted(text)
        if rules is not None and decided < CASES:
            decided_alike(rules, random.Random(seed).choices(spans, k=SPANS_A_SET))
            decided += SPANS_A_SET

    agree()
    assert decided >= CASES


@settings(max_examples=max(CASES // 200, 10), deadline=None)
@given(doubtful_sets)
def test_extension_and_model_refuse_the_same_rules(text: str) -> None:
    accepted(text)


@settings(max_examples=max(CASES // 1000, 10), deadline=None)
@given(rule_sets, st.lists(steps, min_size=1, max_size=8))
def test_they_agree_on_spans_of_any_shape(text: str, sequence: list[Any]) -> None:
    rules = accepted(text)
    if rules is not None:
        made = [None if facts is None else _hot.make_facts(**facts) for _, facts, _, _ in sequence]
        decided_alike(rules, [(*step[:2], facts, *step[2:]) for step, facts in zip(sequence, made, strict=True)])
