"""What a rule set means: the readable definition that the extension is compared with.

It evaluates the tree of the rules directly, without table, folding or jumps, and fetches every value anew.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from otel_errsample.rules import Rules
from otel_errsample.rules.facts import ORDERED, UNITS, spellings
from otel_errsample.rules.tree import And, Condition, Constant, Limit, Not, Operand, Or, Predicate, Rule, Word
from otel_errsample.taxonomy import RECOVERIES, SEVERITIES, VIEWS

Facts = Mapping[str, Any]

SEEN = 4096
SLOTS = 1024
CERTAIN_LOSS = 1 << 56
# What make_facts assumes of the axes it is not told.
UNSAID = {"kind": "unknown", "fault": "unknown", "severity": "error", "recovery": "none"}

PEERS = ("pay.example.com", "Pay.Example.com:443", "8.8.8.8", "db", "db.shop.internal", "10.0.0.7", "[::1]:80", "")
THIRD_PARTIES = PEERS[:3]


class Verdict(NamedTuple):
    action: str
    rule: int = -1
    weight: str = "as_is"
    threshold: int = 0
    carried: int = 0


class Slot:
    def __init__(self) -> None:
        self.moment = self.spent = self.suppressed = 0


class Model:
    """Decides like the extension; `clock` returns monotonic ns."""

    def __init__(self, rules: Rules, clock: Callable[[], int]) -> None:
        self.rules: tuple[Rule, ...] = rules._rules
        self.clock = clock
        self.slots: dict[tuple[int, int], Slot] = defaultdict(Slot)

    def decide(self, span: ReadableSpan, facts: Facts | None, sampled: bool) -> Verdict:
        forced = dict(span.attributes or {}).get("errsample.keep")
        if forced is True:
            return Verdict("keep", -1, "set")
        if forced is False:
            return Verdict("drop")
        for number, rule in enumerate(self.rules):
            if rule.condition and not holds(rule.condition, span, facts, sampled):
                continue
            verdict = self.act(number, rule, span, facts)
            if not rule.action.shadow:
                return verdict
        return Verdict("head")

    def act(self, number: int, rule: Rule, span: ReadableSpan, facts: Facts | None) -> Verdict:
        action = rule.action
        if action.verb != "keep":
            return Verdict(action.verb, number)
        if action.limit is None and action.percent is None:
            return Verdict("keep", number, "set")
        drawn = Verdict("suppressed", number)
        if action.percent:
            least = round((1 - Fraction(str(action.percent.value)) / 100) * CERTAIN_LOSS)
            if randomness(span) >= least:
                drawn = Verdict("keep", number, "set", least)
            elif least < CERTAIN_LOSS or action.limit is None:
                drawn = Verdict("sampled_out", number)
        if action.limit is None:
            return drawn
        slot = self.slots[number, slot_number(action.limit, span, facts)]
        if (window if action.limit.first else bucket)(slot, action.limit, self.clock()):
            carried, slot.suppressed = slot.suppressed, 0
            return Verdict("keep", number, "erased", 0, carried)
        slot.suppressed += drawn.action == "suppressed"
        return drawn


def bucket(slot: Slot, limit: Limit, now: int) -> bool:
    unit, count = UNITS[limit.unit.name], int(limit.count)
    slot.spent = max(0, slot.spent - max(0, now - slot.moment) * count)
    slot.moment = max(now, slot.moment)
    if slot.spent + unit > count * unit:
        return False
    slot.spent += unit
    return True


def window(slot: Slot, limit: Limit, now: int) -> bool:
    number = now // UNITS[limit.unit.name]
    if number > slot.moment:
        slot.moment, slot.spent = number, 0
    if slot.spent >= int(limit.count):
        return False
    slot.spent += 1
    return True


def slot_number(limit: Limit, span: ReadableSpan, facts: Facts | None) -> int:
    combined = 0
    for key in limit.keys:
        value = value_of(key, span, facts)
        number = 0
        if type(value) is int and not -(2**63) <= value < 2**63:
            number = 1 if value > 0 else -1
        elif type(value) in (str, int, float, bool):
            number = hash(value[:SEEN] if isinstance(value, str) else value)
        combined = mixed(combined ^ (number % 2**64))
    return combined % SLOTS if limit.keys else 0


def mixed(value: int) -> int:
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


def randomness(span: ReadableSpan) -> int:
    context = span.context
    assert context is not None
    for member in context.trace_state.get("ot", "").split(";"):
        if re.fullmatch("rv:[0-9a-f]{14}", member):
            return int(member[3:], 16)
    return int(context.trace_id) % CERTAIN_LOSS


def holds(condition: Condition, span: ReadableSpan, facts: Facts | None, sampled: bool) -> bool:
    if isinstance(condition, Not):
        return not holds(condition.item, span, facts, sampled)
    if isinstance(condition, And):
        return all(holds(item, span, facts, sampled) for item in condition.items)
    if isinstance(condition, Or):
        return any(holds(item, span, facts, sampled) for item in condition.items)
    return passes(condition, span, facts, sampled)


def passes(test: Predicate, span: ReadableSpan, facts: Facts | None, sampled: bool) -> bool:
    fact = test.operand.name if test.operand.source == "fact" else ""
    if test.op == "is":
        assert isinstance(test.value, Word)
        return facts is not None and class_passes(test.value.name, fact, facts)
    if isinstance(test.value, Word) and test.value.name == "third_party":
        return facts is not None and third_party(span, facts) == (test.op == "in")
    flags = {
        "error": facts is not None and bool(facts.get("error", True)),
        "root": span.parent is None,
        "sampled": sampled,
    }
    value = flags[fact] if fact in flags else value_of(test.operand, span, facts)
    return value_passes(test, fact, value, facts)


def third_party(span: ReadableSpan, facts: Facts) -> bool:
    attributes = dict(span.attributes or {})
    hosts = [attributes.get(name) for name in ("server.address", "net.peer.name", "net.peer.ip")]
    peer = next((host for host in hosts if type(host) is str), "")
    return facts.get("fault") == "dependency" and span.kind is not SpanKind.SERVER and peer in THIRD_PARTIES


def value_passes(test: Predicate, fact: str, value: Any, facts: Facts | None) -> bool:
    if test.op == "":
        return bool(value)
    if value is None or test.op == "exists":
        return value is not None
    if isinstance(test.value, Word):
        return (value in VIEWS[test.value.name]) == (test.op == "in")
    constants = test.value if isinstance(test.value, tuple) else (test.value,)
    wanted = [constant.value for constant in constants if isinstance(constant, Constant)]
    comparable = [constant for constant in wanted if kind_of(constant) == kind_of(value)]
    if not comparable:
        return False
    if fact in ORDERED:
        order = SEVERITIES if fact == "severity" else RECOVERIES
        value, comparable = order.index(value), [order.index(str(constant)) for constant in comparable]
    return OPERATORS[test.op](value, comparable)


def kind_of(value: Any) -> str:
    return {str: "text", int: "number", float: "number", bool: "bool"}.get(type(value), repr(type(value)))


@cache
def glob(text: str, pattern: str) -> bool:
    """All ways of covering the text at once: `re` would take for ever where there are many."""
    pieces = re.findall(r"\\.|.", pattern, re.DOTALL)

    def past_stars(places: set[int]) -> set[int]:
        """The places in the pattern, and those behind a `*` that covers nothing."""
        behind = {place + 1 for place in places if place < len(pieces) and pieces[place] == "*"}
        return places | past_stars(behind) if behind else places

    places = past_stars({0})
    for letter in text:
        covering = {place for place in places if place < len(pieces) and pieces[place] in ("*", "?")}
        same = {place for place in places - covering if place < len(pieces) and pieces[place][-1] == letter}
        stars = {place for place in covering if pieces[place] == "*"}
        places = past_stars({place + 1 for place in (covering - stars) | same} | stars)
    return len(pieces) in places


OPERATORS: dict[str, Callable[[Any, list[Any]], bool]] = {
    "==": lambda value, wanted: value == wanted[0],
    "!=": lambda value, wanted: value != wanted[0],
    "<": lambda value, wanted: value < wanted[0],
    "<=": lambda value, wanted: value <= wanted[0],
    ">": lambda value, wanted: value > wanted[0],
    ">=": lambda value, wanted: value >= wanted[0],
    "in": lambda value, wanted: value in wanted,
    "not in": lambda value, wanted: value not in wanted,
    "contains": lambda value, wanted: wanted[0] in value[:SEEN],
    "startswith": lambda value, wanted: value.startswith(wanted[0]),
    "endswith": lambda value, wanted: value.endswith(wanted[0]),
    "like": lambda value, wanted: glob(value[:SEEN], wanted[0]),
    "matches": lambda value, wanted: re.search(wanted[0], value[:SEEN]) is not None,
}


def class_passes(target: str, fact: str, facts: Facts) -> bool:
    target = target.removeprefix("builtins.")
    meant = imported(target)
    classes = [facts.get(f"{fact}_class")]
    if classes == [None]:
        if facts.get(fact) == target:
            return True
        classes = [imported(facts.get(fact) or "")]
    classes += facts.get("leaf_classes" if fact == "exception" else "cause_leaf_classes") or ()
    bases = [base for cls in classes if cls is not None for base in cls.__mro__]
    names = (target, f"builtins.{target}")
    return any(base is meant or f"{base.__module__}.{base.__qualname__}" in names for base in bases)


def imported(name: str) -> type[BaseException] | None:
    parts = ["builtins", *name.split(".")] if "." not in name else name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:length]))
        if found is not None:
            for part in parts[length:]:
                found = getattr(found, part, None)
            return found if isinstance(found, type) and issubclass(found, BaseException) else None
    return None


def value_of(operand: Operand, span: ReadableSpan, facts: Facts | None) -> Any:
    attributes = dict(span.attributes or {})
    if operand.source == "attribute":
        present = [attributes[name] for name in spellings(operand.name) if attributes.get(name) is not None]
        return present[0] if present else None
    resource = dict(span.resource.attributes)
    if operand.source == "resource" or operand.name == "service":
        return resource.get("service.name" if operand.source == "fact" else operand.name)
    if operand.name == "name":
        return span.name
    if operand.name == "endpoint":
        return endpoint(span, attributes)
    if operand.name == "span.kind":
        return span.kind.name.lower()
    if operand.name == "duration":
        started, ended = span.start_time, span.end_time
        return None if started is None or ended is None else (ended - started) / 1e9
    if facts is None:
        return None
    return facts.get(operand.name, UNSAID.get(operand.name))


def endpoint(span: ReadableSpan, attributes: Mapping[str, Any]) -> Any:
    names = ("http.route", "rpc.method", "rpc.service")
    route, method, service = (
        str.__str__(value) if isinstance(value := attributes.get(name), str) else None for name in names
    )
    if route is not None:
        return route
    if method is not None:
        return method if service is None else f"{service}/{method}"
    return span.name
