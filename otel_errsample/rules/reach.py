"""Conditions that no span can meet, and rules that no span can reach.

The literals of a conjunction, tests that hold or do not hold, are tried on sample values of what they look at. The
samples of comparisons stand for all values there are; text operators and class tests are only known to contradict
themselves, or to fail on the few texts that an `==` or `in` leaves. So what is reported is certain, and not everything
that is certain is reported.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from otel_errsample.rules.facts import CHOICES, FLAGS, THIRD_PARTY
from otel_errsample.rules.report import Report
from otel_errsample.rules.tree import And, Condition, Not, Operand, Or, Predicate, Rule, Word
from otel_errsample.taxonomy import VIEWS

# Tests that are tried on values for one rule set, which takes 5 ms: a person's mistakes are found long before.
_MOST_TRIALS: Final = 5000

_ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_INSIDE: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": operator.contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_COMPARISONS: Final = ("", "exists", "in", "not in", *_ORDERINGS)
# A dependency's fault, where the dependency is a third party: the one fault that its view tells from the others.
_FAULT_OF_THIRD_PARTY: Final = "dependency " + THIRD_PARTY
# Present, and of a type that compares with nothing: a list or bytes.
_OTHER: Final = object()


class Literal(NamedTuple):
    test: Predicate
    holds: bool

    @property
    def about(self) -> Operand:
        """What the test looks at, which for one view is another fact than it is written for."""
        operand = self.test.operand
        return Operand("fact", "fault", operand.at) if self.test.about_third_parties else operand

    def __str__(self) -> str:
        return str(self.test) if self.holds else f"not {self.test}"


def check_reach(rules: Sequence[Rule], report: Report) -> None:
    """Report conditions that are never true, and rules that an earlier one leaves nothing to decide.

    Expects rules whose tests make sense one by one.
    """
    search = _Search()
    for rule in rules:
        if rule.condition and not search.spent:
            for literals in _conjunctions(_plain(rule.condition)):
                _check_conjunction(literals, search, report)
    _check_order(rules, search, report)


def _check_conjunction(literals: list[Literal], search: _Search, report: Report) -> None:
    for place, last in enumerate(literals):
        alone = next((each for each in (Literal(last.test, True), last) if search.contradictory([each])), None)
        if alone:
            report.add(last.test.at, str(last.test.operand), f"'{alone}' is never true")
            return
        before = [literal for literal in literals[:place] if literal.about == last.about]
        if before and search.contradictory([*before, last]):
            other = next((literal for literal in before if search.contradictory([literal, last])), None)
            if other:
                message = f"'{other}' and '{last}' are never true together"
            else:
                message = f"'{last}' is never true after the tests of '{last.about}' before it"
            report.add(last.test.at, str(last.test.operand), message, "join alternatives with 'or'")
            return


def _check_order(rules: Sequence[Rule], search: _Search, report: Report) -> None:
    for rule, earlier in _covered(rules, search):
        name = rule.name.name
        message = f"rule '{name}' is never reached: '{earlier.name}' before it matches every span that it does"
        report.add(rule.at, name, message, "move it up, or make the earlier condition narrower")


def unreached(rules: Sequence[Rule]) -> set[str]:
    """The names of the rules that certainly never decide."""
    return {rule.name.name for rule, _ in _covered(rules, _Search())}


def _covered(rules: Sequence[Rule], search: _Search) -> Iterator[tuple[Rule, Rule]]:
    """Rules with an earlier one that matches every span they match."""
    deciding: list[tuple[Rule, Condition]] = []
    for rule in rules:
        if rule.condition is None:
            if rule.ends:
                return  # what follows it is the business of `check`
            continue
        if search.spent:
            return
        condition = _plain(rule.condition)
        earlier = next((earlier for earlier, covering in deciding if search.implies(condition, covering)), None)
        if earlier:
            yield rule, earlier
        elif not rule.action.shadow:
            deciding.append((rule, condition))


# Shapes


def _plain(condition: Condition, holds: bool = True) -> Condition:
    """The condition with every `not` at a test."""
    if isinstance(condition, Not):
        return _plain(condition.item, not holds)
    if isinstance(condition, And | Or):
        kind = And if isinstance(condition, And) == holds else Or
        items: list[Condition] = []
        for item in condition.items:
            plain = _plain(item, holds)
            items += plain.items if isinstance(plain, kind) else [plain]
        return kind(tuple(items))
    return condition if holds else Not(condition)


def _literals(condition: Condition) -> list[Literal]:
    """The tests that a plain condition demands one and all; those inside an `or` are not among them."""
    literals = []
    for item in condition.items if isinstance(condition, And) else (condition,):
        test = item.item if isinstance(item, Not) else item
        if isinstance(test, Predicate):
            literals.append(Literal(test, not isinstance(item, Not)))
    return literals


def _conjunctions(condition: Condition) -> Iterator[list[Literal]]:
    """The tests that a plain condition and each alternative inside it demand."""
    if not isinstance(condition, Or):
        yield _literals(condition)
    if isinstance(condition, And | Or):
        for item in condition.items:
            if isinstance(condition, Or) or isinstance(item, Or):
                yield from _conjunctions(item)


class _Search:
    """Answers that are certain, and no after a bounded number of trials."""

    def __init__(self) -> None:
        self._trials = 0

    @property
    def spent(self) -> bool:
        return self._trials > _MOST_TRIALS

    def implies(self, condition: Condition, other: Condition) -> bool:
        """Whether every span that meets the one meets the other."""
        self._trials += 1
        if self.spent:
            return False
        if isinstance(condition, Or):
            return all(self.implies(item, other) for item in condition.items)
        if isinstance(other, And):
            return all(self.implies(condition, item) for item in other.items)
        if isinstance(other, Or):
            return any(self.implies(condition, item) for item in other.items)
        (wanted,) = _literals(other)
        known = [literal for literal in _literals(condition) if literal.about == wanted.about]
        return bool(known) and self.contradictory([*known, Literal(wanted.test, not wanted.holds)])

    def contradictory(self, literals: Sequence[Literal]) -> bool:
        """Whether no value of their operand meets all the literals."""
        opaque = {(str(test), holds) for test, holds in literals if test.op not in _COMPARISONS}
        if any((text, not holds) in opaque for text, holds in opaque):
            return True
        samples = _samples(literals[0].about, [literal.test for literal in literals])
        self._trials += len(samples) // 8
        finite = any(literal.holds and literal.test.op in ("==", "in") for literal in literals)
        told = [
            literal
            for literal in literals
            if literal.test.op in _COMPARISONS or (finite and literal.test.op in _INSIDE)
        ]
        return not any(self._meets(told, value) for value in samples)

    def _meets(self, literals: Sequence[Literal], value: object) -> bool:
        for test, holds in literals:
            self._trials += 1 + (len(test.value) // 8 if isinstance(test.value, tuple) else 0)
            if self.spent:
                return True  # for all that is known
            if _passes(test, value) != holds:
                return False
        return True


# Values


def _samples(operand: Operand, tests: Sequence[Predicate]) -> list[object]:
    """Values that stand for all that what the tests look at can have."""
    if operand.source == "fact" and operand.name in FLAGS:
        return [True, False]
    if operand.source == "fact" and operand.name in CHOICES:
        third = [_FAULT_OF_THIRD_PARTY] if operand.name == "fault" else []
        return [*CHOICES[operand.name], *third, None]
    constants = [value for test in tests for value in _wanted(test)]
    texts = {value for value in constants if isinstance(value, str)}
    # True equals 1 and would take its place.
    numbers = sorted({value for value in constants if isinstance(value, int | float) and not isinstance(value, bool)})
    # Right after a text comes the one with a NUL more; what is between two numbers all compares alike.
    between = [
        value
        for low, high in pairwise(numbers)
        for value in (low + 1, math.nextafter(low, math.inf), (low + high) / 2)
        if low < value < high
    ]
    around = [-math.inf, math.inf, math.nan]
    return [None, _OTHER, True, False, "", *texts, *(text + "\0" for text in texts), *numbers, *between, *around]


def _wanted(test: Predicate) -> tuple[str | int | float | bool, ...]:
    if test.about_third_parties:
        return (_FAULT_OF_THIRD_PARTY,)
    if isinstance(test.value, Word):
        return tuple(VIEWS.get(test.value.name, ()))
    constants = test.value if isinstance(test.value, tuple) else (test.value,)
    return tuple(constant.value for constant in constants if constant is not None)


def _passes(test: Predicate, value: object) -> bool:
    if test.op in ("", "exists"):
        return value is True if test.op == "" else value is not None
    if value == _FAULT_OF_THIRD_PARTY and not test.about_third_parties:
        value = "dependency"
    wanted = [constant for constant in _wanted(test) if _type(constant) is _type(value)]
    if value is None or not wanted:
        return False
    if test.op in ("in", "not in"):
        return (value in wanted) == (test.op == "in")
    if test.op in _INSIDE:
        return _INSIDE[test.op](str(value), str(wanted[0]))
    if test.operand.source == "fact" and test.operand.name in CHOICES:
        choices = CHOICES[test.operand.name]
        return _ORDERINGS[test.op](choices.index(str(value)), choices.index(str(wanted[0])))
    return _ORDERINGS[test.op](value, wanted[0])


def _type(value: object) -> type:
    """What a value compares with: whole and fractional numbers with each other, else its own type."""
    return float if type(value) is int else type(value)
