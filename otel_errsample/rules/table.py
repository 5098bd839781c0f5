"""A checked rule set to the flat table the extension walks.

A condition becomes a chain of tests with two jump targets each, so that evaluation needs neither stack nor memory. It
is compiled twice: for spans where something failed, and for the others, where most facts are missing and fold away;
a rule that folds to nothing is not even visited there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from otel_errsample.peers import outside
from otel_errsample.regex import Regex
from otel_errsample.rules.facts import CHOICES, FLAGS, OF_ANY_SPAN, UNITS, accepted, spellings
from otel_errsample.rules.tree import And, Condition, Constant, Not, Operand, Or, Predicate, Rule, Word
from otel_errsample.taxonomy import VIEWS

MATCH: Final = -1
NO_MATCH: Final = -2

# Randomness and thresholds of OpenTelemetry's consistent probability sampling have 56 bits.
CERTAIN_LOSS: Final = 1 << 56

# The operand that only `third_party` looks at: the host that a span called.
PEER: Final = ("peer", ())


class Node(NamedTuple):
    """One test; `yes` and `no` are indexes of nodes, MATCH or NO_MATCH.

    `constant` is a value for comparisons, a frozenset of values of one type for "in", a mask over the choices for a
    fact with a closed list (`op` is the fact), the index of a class for "exception is", a function for "matches".
    """

    op: str
    operand: int
    constant: object
    yes: int
    no: int


class ActionRow(NamedTuple):
    """`verb` is "keep", "drop", "head", "percent", "bucket" or "first"; `limiter` names the limit's state.

    `scope` is "span", "path" or "trace", or "" for the processor's.
    """

    verb: str
    scope: str
    shadow: bool
    threshold: int
    spans: int  # N of the limit
    unit: int  # ns
    keys: tuple[int, ...]  # operands
    limiter: str


class Table(NamedTuple):
    """All the extension is told about a rule set; `failed` and `clean` are (rule, first node) pairs."""

    names: tuple[str, ...]
    actions: tuple[ActionRow, ...]
    nodes: tuple[Node, ...]
    operands: tuple[tuple[str, tuple[str, ...]], ...]
    targets: tuple[str, ...]
    failed: tuple[tuple[int, int], ...]
    clean: tuple[tuple[int, int], ...]


def compile_table(rules: Sequence[Rule], internal_domains: Sequence[str] = ()) -> Table:
    """`internal_domains` are those that are no third party's, besides the private ones."""
    return _Compiler(outside(internal_domains)).table(rules)


def threshold(percent: float) -> int:
    """T of a percentage: a trace is kept when its randomness is at least T. 2**56 keeps nothing."""
    # repr gives back the decimal that was written, so that 0.1 means a thousandth and not its nearest binary fraction.
    return round((1 - Fraction(repr(percent)) / 100) * CERTAIN_LOSS)


def source_of(operand: Operand) -> tuple[str, tuple[str, ...]]:
    """The operand as the table has it: where its value comes from, and under which names."""
    if operand.source == "fact":
        return ("resource", ("service.name",)) if operand.name == "service" else (operand.name, ())
    return (operand.source, (operand.name,) if operand.source == "resource" else spellings(operand.name))


class _Compiler:
    def __init__(self, is_outside: Callable[[str], str | None]) -> None:
        self._is_outside = is_outside
        self._nodes: list[Node] = []
        self._operands: dict[tuple[str, tuple[str, ...]], int] = {}
        self._targets: dict[str, int] = {}
        self._clean = False

    def table(self, rules: Sequence[Rule]) -> Table:
        actions = tuple(self._action(rule) for rule in rules)
        failed = self._program(rules, clean=False)
        clean = self._program(rules, clean=True)
        names = tuple(rule.name.name for rule in rules)
        return Table(names, actions, tuple(self._nodes), tuple(self._operands), tuple(self._targets), failed, clean)

    def _program(self, rules: Sequence[Rule], clean: bool) -> tuple[tuple[int, int], ...]:
        self._clean = clean
        entries = []
        for number, rule in enumerate(rules):
            entry = self._entry(rule.condition, MATCH, NO_MATCH) if rule.condition else MATCH
            if entry != NO_MATCH:
                entries.append((number, entry))
            if entry == MATCH and not rule.action.shadow:
                break
        return tuple(entries)

    def _action(self, rule: Rule) -> ActionRow:
        action, limit = rule.action, rule.action.limit
        verb, share = action.verb, 0
        scope = action.scope.name if action.scope else ""
        if action.percent:
            assert not isinstance(action.percent.value, str)
            verb, share = "percent", threshold(action.percent.value)
        if limit is None:
            return ActionRow(verb, scope, action.shadow, share, 0, 0, (), "")
        keys = tuple(self._operand(key) for key in limit.keys)
        # A limit goes on across a reload of the rules as long as neither its rule's name nor its action changes.
        name = f"{rule.name}: {action}"
        verb = "first" if limit.first else "bucket"
        return ActionRow(verb, scope, action.shadow, share, int(limit.count), UNITS[limit.unit.name], keys, name)

    def _operand(self, operand: Operand) -> int:
        return self._operands.setdefault(source_of(operand), len(self._operands))

    # Conditions

    def _entry(self, condition: Condition, yes: int, no: int) -> int:
        """Compile a condition whose outcomes continue at `yes` and `no`; where it begins."""
        known = self._known(condition)
        if known is not None:
            return yes if known else no
        if isinstance(condition, Not):
            return self._entry(condition.item, no, yes)
        if isinstance(condition, And):
            for item in reversed(condition.items):
                yes = self._entry(item, yes, no)
            return yes
        if isinstance(condition, Or):
            for item in reversed(condition.items):
                no = self._entry(item, yes, no)
            return no
        return self._test(condition, yes, no)

    def _known(self, condition: Condition) -> bool | None:
        """The outcome where it is the same for every span of the present kind (failed or not)."""
        if isinstance(condition, Not):
            known = self._known(condition.item)
            return None if known is None else not known
        if isinstance(condition, And | Or):
            absorbing = isinstance(condition, Or)
            outcomes = [self._known(item) for item in condition.items]
            if absorbing in outcomes:
                return absorbing
            return None if None in outcomes else not absorbing
        operand = condition.operand
        if operand.source != "fact":
            return None
        if operand.name in FLAGS:
            passing = _flags(condition)
            if self._clean and operand.name == "error":
                return False in passing
            return None if len(passing) == 1 else bool(passing)
        return False if self._clean and operand.name not in OF_ANY_SPAN else None

    def _test(self, test: Predicate, yes: int, no: int) -> int:
        operand, op = test.operand, test.op
        if test.about_third_parties:
            return self._third_party(yes, no) if op == "in" else self._third_party(no, yes)
        if operand.source == "fact" and operand.name in FLAGS:
            return (
                self._node(operand.name, -1, None, yes, no)
                if True in _flags(test)
                else self._node(operand.name, -1, None, no, yes)
            )
        if operand.source == "fact" and operand.name in CHOICES:
            return self._node(operand.name, -1, _mask(test), yes, no)
        if op == "is":
            target = str(test.value).removeprefix("builtins.")
            return self._node(f"{operand} is", -1, self._targets.setdefault(target, len(self._targets)), yes, no)
        number = self._operand(operand)
        if isinstance(test.value, tuple):
            # One node per type: equal hashes of 1, 1.0 and True must not make them equal.
            for group in _groups(test.value):
                no = self._node(op, number, group, yes, no)
            return no
        constant = test.value.value if isinstance(test.value, Constant) else None
        return self._node(op, number, Regex(str(constant)).search if op == "matches" else constant, yes, no)

    def _third_party(self, yes: int, no: int) -> int:
        """A dependency at an address outside. On a SERVER span the address is its own."""
        peer = self._operands.setdefault(PEER, len(self._operands))
        yes = self._node("matches", peer, self._is_outside, yes, no)
        yes = self._node("span.kind", -1, accepted("span.kind", "!=", ("server",)), yes, no)
        return self._node("fault", -1, accepted("fault", "==", ("dependency",)), yes, no)

    def _node(self, op: str, operand: int, constant: object, yes: int, no: int) -> int:
        self._nodes.append(Node(op, operand, constant, yes, no))
        return len(self._nodes) - 1


def _values(test: Predicate) -> tuple[str | int | float | bool, ...]:
    constants = test.value if isinstance(test.value, tuple) else (test.value,)
    return tuple(constant.value for constant in constants if isinstance(constant, Constant))


def _flags(test: Predicate) -> set[bool]:
    """For which values of a flag the test passes."""
    if test.op == "":
        return {True}
    chosen = {bool(value) for value in _values(test)}
    return chosen if test.op in ("==", "in") else {True, False} - chosen


def _mask(test: Predicate) -> int:
    """The choices that pass a test of a closed list."""
    fact, op, values = test.operand.name, test.op, tuple(map(str, _values(test)))
    if op == "exists":
        return (1 << len(CHOICES[fact])) - 1
    if isinstance(test.value, Word):
        values = tuple(VIEWS[test.value.name])
    return accepted(fact, op, values)


def _groups(constants: tuple[Constant, ...]) -> list[frozenset[object]]:
    values = [constant.value for constant in constants]
    groups = [
        frozenset(value for value in values if isinstance(value, str)),
        frozenset(value for value in values if isinstance(value, int | float) and not isinstance(value, bool)),
        frozenset(value for value in values if isinstance(value, bool)),
    ]
    return [group for group in groups if group]
