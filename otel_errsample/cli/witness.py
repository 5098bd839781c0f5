"""Why a rule matched a span or not: the first part of its condition that fails, and the values it saw.

Nothing is evaluated here. Every part of every condition is compiled to a rule of its own, so that the extension
answers for each part as it does for the whole; this module only picks the answer that settles the matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan

from otel_errsample._hot import ErrorFacts, Limits, RuleTable
from otel_errsample.rules import Rules
from otel_errsample.rules.classes import resolve
from otel_errsample.rules.facts import CHOICES, CLASSES, FLAGS, OF_ANY_SPAN
from otel_errsample.rules.table import PEER, source_of
from otel_errsample.rules.tree import Action, And, Condition, Constant, Not, Or, Predicate, Rule, Word, quoted

_LONGEST_VALUE: Final = 60
_TYPES: Final[dict[type, str]] = {str: "text", int: "a number", float: "a number", bool: "true or false"}


class Answer(NamedTuple):
    """Whether a rule matches; `failing` is the first part that does not hold, `seen` what it looked at."""

    rule: Rule
    matches: bool
    failing: str = ""
    seen: tuple[str, ...] = ()


class Witness:
    """The rules of a set, ready to be asked about spans; `internal_domains` are no third party's."""

    def __init__(self, rules: Rules, internal_domains: Sequence[str] = ()) -> None:
        self._rules: tuple[Rule, ...] = rules._rules
        parts = [part for rule in self._rules if rule.condition for part in _parts(rule.condition)]
        # By identity: the constants 1, 1.0 and true are equal, but they are not the same condition.
        self._places = {id(part): place for place, part in enumerate(parts)}
        shadow = Action("keep", shadow=True)  # which ends no rule set, so that every part is asked
        asked = Rules._of([Rule(Word(f"part_{place}"), shadow, part) for place, part in enumerate(parts)], "")
        self._sources = {source: place for place, source in enumerate(asked._table.operands)}
        self._table = RuleTable(asked, Limits(), internal_domains=internal_domains)

    def answers(self, span: ReadableSpan, facts: ErrorFacts | None, sampled: bool) -> list[Answer]:
        """One answer for each rule, also for those after the one that decides."""
        held, values = self._table.look(span, facts, sampled)
        return [_Look(self, span, facts, sampled, held, values).answer(rule) for rule in self._rules]


def _parts(condition: Condition) -> Iterator[Condition]:
    yield condition
    if isinstance(condition, Not):
        yield from _parts(condition.item)
    elif isinstance(condition, And | Or):
        for item in condition.items:
            yield from _parts(item)


class _Look(NamedTuple):
    witness: Witness
    span: ReadableSpan
    facts: ErrorFacts | None
    sampled: bool
    held: tuple[bool, ...]
    values: tuple[object, ...]

    def holds(self, part: Condition) -> bool:
        return self.held[self.witness._places[id(part)]]

    def answer(self, rule: Rule) -> Answer:
        if rule.condition is None or self.holds(rule.condition):
            return Answer(rule, True)
        failing = self.first_failing(rule.condition)
        seen = dict.fromkeys(self.seen(test) for test in self.settling(failing))
        return Answer(rule, False, str(failing), tuple(seen))

    def first_failing(self, condition: Condition) -> Condition:
        if isinstance(condition, And):
            return self.first_failing(next(item for item in condition.items if not self.holds(item)))
        return condition

    def settling(self, condition: Condition) -> Iterator[Predicate]:
        """The tests by which the condition has its outcome; others could have any."""
        if isinstance(condition, Predicate):
            yield condition
        elif isinstance(condition, Not):
            yield from self.settling(condition.item)
        elif self.holds(condition) == isinstance(condition, And):
            for item in condition.items:
                yield from self.settling(item)
        else:
            wanted = isinstance(condition, Or)
            yield from self.settling(next(item for item in condition.items if self.holds(item) == wanted))

    def seen(self, test: Predicate) -> str:
        """What a test looked at, as in `severity is "warn"`."""
        name = str(test.operand)
        if test.operand.source == "fact":
            if name in FLAGS:
                return f"{name} is {str(self.flag(name)).lower()}"
            if self.facts is None and name not in OF_ANY_SPAN:
                return "nothing failed"
            if name in CLASSES and test.op == "is":
                return self.seen_class(name)
            if test.about_third_parties:
                return self.seen_peer(test)
            if name in CHOICES:
                return f"{name} is {quoted(self.choice(name))}"
        value = self.values[self.witness._sources[source_of(test.operand)]]
        if value is None:
            return f"{name} is missing"
        if type(value) not in _TYPES:
            return f"{name} is {_container(value)}, which no test looks into"
        said = f"{name} is {shown(value)}"
        wanted = _wanted(test)
        return said if not wanted or _TYPES[type(value)] in wanted else f"{said}, not {' or '.join(wanted)}"

    def seen_class(self, name: str) -> str:
        assert self.facts is not None
        found = self.facts.exception if name == "exception" else self.facts.cause
        if found is None:
            return f"{name} is missing"
        return f"{name} is {found}" if resolve(found) else f"{name} is {found}, whose base classes are not imported"

    def seen_peer(self, test: Predicate) -> str:
        assert self.facts is not None
        if self.facts.fault != "dependency":
            return f"fault is {quoted(self.facts.fault)}"
        if self.choice("span.kind") == "server":
            return 'span.kind is "server"'
        peer = self.values[self.witness._sources[PEER]]
        if peer is None:
            return "no attribute tells whom it called"
        theirs = self.holds(test) == (test.op == "in")
        return f"it called {shown(peer)}, {'a third party' if theirs else 'which is your own'}"

    def flag(self, name: str) -> bool:
        if name == "error":
            return self.facts is not None and self.facts.error
        return self.sampled if name == "sampled" else self.span.parent is None

    def choice(self, name: str) -> str:
        if name == "span.kind":
            return self.span.kind.name.lower()
        value: str = getattr(self.facts, name)
        return value


def _wanted(test: Predicate) -> list[str]:
    """The types that can pass a test of a value; none where any can."""
    constants = test.value if isinstance(test.value, tuple) else (test.value,)
    return list(dict.fromkeys(_TYPES[type(constant.value)] for constant in constants if isinstance(constant, Constant)))


def shown(value: object) -> str:
    """A value as a constant of the rule language, cut where it is long."""
    if isinstance(value, str):
        return quoted(value) if len(value) <= _LONGEST_VALUE else quoted(value[:_LONGEST_VALUE]) + "..."
    if isinstance(value, bool | int | float):
        return str(Constant(value))
    return ", ".join(map(shown, value)) if isinstance(value, tuple) else _container(value)


def _container(value: object) -> str:
    if isinstance(value, bytes):
        return "bytes"
    if isinstance(value, dict):
        return "a map"
    return "a list" if isinstance(value, tuple | list) else "a value"
