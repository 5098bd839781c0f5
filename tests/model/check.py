"""Which rules of a set make no sense: the readable definition that the checks are compared with.

What a value has to pass is asked of every value in a pool; the pool holds those that rules generated for tests can
tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from otel_errsample.rules.facts import CHOICES, FACTS, FLAGS, NUMBERS, ORDERED, VIEW_NAMES
from otel_errsample.rules.tree import And, Condition, Constant, Not, Operand, Or, Predicate, Rule, Word
from tests.model.decide import kind_of, value_passes

Literal = tuple[Predicate, bool]

TEXTS = ["", "/a", "/b", "a", "x", "é", "é*", "\U0001f600", "http:503", "bug", "caller", "nope"]
NUMBERS_POOL = [-math.inf, -3, -1, 0, 0.1, 0.25, 0.5, 1, 2, 2.25, 2.5, 3, 5, math.inf, math.nan]
POOL = [None, ("a list",), True, False, *TEXTS, *(text + "\0" for text in TEXTS), *NUMBERS_POOL]

OPAQUE = ("contains", "startswith", "endswith", "like", "matches", "is")
INSIDE = ("contains", "startswith", "endswith")
ORDERINGS = ("<", "<=", ">", ">=")


def refused(rules: Sequence[Rule]) -> set[int]:
    """The places of the rules that are refused."""
    wrong = {place for place, rule in enumerate(rules) if bad_action(rule) or any(map(bad_test, tests_of(rule)))}
    for place, rule in enumerate(rules):
        if place in wrong or rule.condition is None:
            continue
        if any(contradictions(literals) for literals in conjunctions(rule.condition, True)):
            wrong.add(place)
    deciding: list[Condition] = []
    for place, rule in enumerate(rules):
        if rule.condition is None or bad_action(rule) or any(map(bad_test, tests_of(rule))):
            continue
        if any(implies((rule.condition, True), (earlier, True)) for earlier in deciding):
            wrong.add(place)
        elif not rule.action.shadow:
            deciding.append(rule.condition)
    return wrong


def bad_action(rule: Rule) -> bool:
    limit, percent = rule.action.limit, rule.action.percent
    if percent and not 0 <= float(percent.value) <= 100:
        return True
    if limit is None:
        return False
    return limit.count not in range(1, 1_000_001) or len(set(limit.keys)) < len(limit.keys)


def tests_of(rule: Rule) -> Iterator[Predicate]:
    def walk(condition: Condition) -> Iterator[Predicate]:
        if isinstance(condition, Predicate):
            yield condition
        else:
            for item in (condition.item,) if isinstance(condition, Not) else condition.items:
                yield from walk(item)

    return walk(rule.condition) if rule.condition else iter(())


def constants_of(test: Predicate) -> list[Any]:
    constants = test.value if isinstance(test.value, tuple) else (test.value,)
    return [constant.value for constant in constants if isinstance(constant, Constant)]


def bad_test(test: Predicate) -> bool:
    fact = test.operand.name if test.operand.source == "fact" else ""
    constants = constants_of(test)
    if fact and fact not in FACTS:
        return True
    if isinstance(test.value, Word):
        return test.op != "is" and (test.value.name not in VIEW_NAMES or fact != "kind")
    if test.op in OPAQUE and (not isinstance(constants[0], str) or fact in CHOICES):
        return True
    if test.op in ORDERINGS and (isinstance(constants[0], bool) or (fact in CHOICES and fact not in ORDERED)):
        return True
    return any(not could_be(fact, test.op, constant) for constant in constants)


def could_be(fact: str, op: str, constant: Any) -> bool:
    if not fact:
        return True
    if fact in CHOICES:
        return constant in CHOICES[fact]
    if fact == "code" and op not in (*OPAQUE, *ORDERINGS) and ":" not in str(constant):
        return False
    wanted = "bool" if fact in FLAGS else "number" if fact in NUMBERS else "text"
    return kind_of(constant) == wanted


def values_of(operand: Operand) -> Sequence[Any]:
    if operand.source == "fact" and operand.name in FLAGS:
        return [True, False]
    if operand.source == "fact" and operand.name in CHOICES:
        return [None, *CHOICES[operand.name], *(["a third party's"] if operand.name == "fault" else [])]
    return POOL


def literal_holds(literal: Literal, value: Any) -> bool:
    test, holds = literal
    fact = test.operand.name if test.operand.source == "fact" else ""
    if isinstance(test.value, Word) and test.value.name == "third_party":
        return (value is not None and (value == "a third party's") == (test.op == "in")) == holds
    if value == "a third party's":
        value = "dependency"
    return value_passes(test, fact, value, {}) == holds


def about(literal: Literal) -> Operand:
    """What decides the literal; a third party's fault is a dependency's."""
    test = literal[0]
    third_party = isinstance(test.value, Word) and test.value.name == "third_party"
    return Operand("fact", "fault") if third_party else test.operand


def demands(condition: Condition, holds: bool) -> list[Literal]:
    """The tests that must come out one way for the condition to come out as said."""
    if isinstance(condition, Predicate):
        return [(condition, holds)]
    if isinstance(condition, Not):
        return demands(condition.item, not holds)
    if isinstance(condition, And) == holds:
        return [literal for item in condition.items for literal in demands(item, holds)]
    return []


def conjunctions(condition: Condition, holds: bool) -> Iterator[list[Literal]]:
    yield demands(condition, holds)
    if isinstance(condition, Not):
        yield from conjunctions(condition.item, not holds)
    elif isinstance(condition, And | Or):
        for item in condition.items:
            yield from conjunctions(item, holds)


def contradictions(literals: list[Literal]) -> bool:
    if any(impossible([(test, True)]) for test, _ in literals):
        return True
    operands = {about(literal) for literal in literals}
    return any(impossible([literal for literal in literals if about(literal) == operand]) for operand in operands)


def impossible(literals: list[Literal]) -> bool:
    """Whether no value of their operand meets the literals, as far as is looked."""
    if any(
        (str(test), not holds) in {(str(t), h) for t, h in literals} for test, holds in literals if test.op in OPAQUE
    ):
        return True
    few = any(holds and test.op in ("==", "in") and constants_of(test) for test, holds in literals)
    told = [literal for literal in literals if literal[0].op not in OPAQUE or (few and literal[0].op in INSIDE)]
    return not any(all(literal_holds(literal, value) for literal in told) for value in values_of(about(literals[0])))


def implies(one: tuple[Condition, bool], other: tuple[Condition, bool]) -> bool:
    """Whether a span for which the one comes out as said certainly makes the other come out as said."""
    (condition, holds), (covering, wanted) = one, other
    if isinstance(condition, Not):
        return implies((condition.item, not holds), other)
    if isinstance(covering, Not):
        return implies(one, (covering.item, not wanted))
    if isinstance(condition, And | Or) and isinstance(condition, Or) == holds:
        return all(implies((item, holds), other) for item in condition.items)
    if isinstance(covering, And | Or):
        every = isinstance(covering, And) == wanted
        return (all if every else any)(implies(one, (item, wanted)) for item in covering.items)
    known = [literal for literal in demands(condition, holds) if about(literal) == about((covering, wanted))]
    return bool(known) and impossible([*known, (covering, not wanted)])
