"""Counts go on by the name of the rule, in bounded memory, and no sum ever goes back."""

from __future__ import annotations

from typing import Any

from otel_errsample import _hot
from otel_errsample.rules import Rules
from tests.model.spans import make_span

LIMITS = _hot.Limits(lambda: 0)


def table(tallies: Any, text: str) -> Any:
    return _hot.RuleTable(Rules.parse(text), LIMITS, tallies)


def decide(made: Any, spans: int = 1) -> None:
    for _ in range(spans):
        _hot.verdict(made, make_span())


def matched(tallies: Any, *names: str) -> dict[str, int]:
    return {count["name"]: count["matched"] for count in tallies.counts(names)}


def test_a_rule_counts_what_it_did() -> None:
    tallies = _hot.Tallies()
    made = table(tallies, "try: shadow drop; rest: keep 0%")
    decide(made, 3)
    shadow = {"matched": 3, "kept": 0, "dropped": 3, "suppressed": 0, "sampled_out": 0, "shadowed": 3, "bytes": 0}
    rest = {"matched": 3, "kept": 0, "dropped": 0, "suppressed": 0, "sampled_out": 3, "shadowed": 0, "bytes": 0}
    assert [{"name": "try", **shadow}, {"name": "rest", **rest}] == tallies.counts(made.names) == made.counts()


def test_the_counts_of_a_name_go_on_in_another_table() -> None:
    tallies = _hot.Tallies()
    former = table(tallies, "a: keep")
    decide(former, 2)
    present = table(tallies, "b: drop if root == false; a: drop")
    decide(present, 3)
    decide(former)  # a span whose decision was under way
    assert {"b": 0, "a": 6} == matched(tallies, *present.names)


def test_former_rules_are_listed_as_long_as_they_matched_something() -> None:
    tallies = _hot.Tallies()
    decide(table(tallies, "a: keep"), 2)
    table(tallies, "b: keep")
    decide(table(tallies, "c: drop"))
    assert {"c": 1, "a": 2} == matched(tallies, "c")


def test_names_without_a_rule_are_bounded_and_their_sum_is_kept() -> None:
    tallies = _hot.Tallies()
    for number in range(3000):
        decide(table(tallies, f"r{number}: keep"))
    counts = matched(tallies, "r2999")
    assert 3000 == sum(counts.values())
    assert 1002 == len(counts)
    assert 1999 == counts["(former rules)"]


def test_a_name_that_a_table_still_counts_with_is_never_given_up() -> None:
    tallies = _hot.Tallies()
    held = table(tallies, "held: keep")
    for number in range(1100):
        table(tallies, f"r{number}: keep")
    decide(held, 5)
    assert {"r1099": 0, "held": 5} == matched(tallies, "r1099")


def test_a_forked_child_counts_from_zero() -> None:
    tallies = _hot.Tallies()
    for number in range(1100):
        decide(table(tallies, f"r{number}: keep"))
    last = table(tallies, "last: keep")
    decide(last)
    tallies.reset()
    assert {"last": 0} == matched(tallies, "last")
    decide(last)
    assert {"last": 1} == matched(tallies, "last")


def test_a_table_may_count_for_itself() -> None:
    made = _hot.RuleTable(Rules.parse("a: keep"), LIMITS)
    decide(made, 2)
    assert 2 == made.counts()[0]["matched"]
