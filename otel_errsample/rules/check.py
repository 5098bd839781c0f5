"""Whether a rule set makes sense: names, types of comparisons, limits, rules that are never reached."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from typing import Final

from otel_errsample.regex import Regex, RegexInvalid, RegexUnavailable
from otel_errsample.rules.facts import (
    CHOICES,
    CLASSES,
    FACTS,
    FLAGS,
    KEYS,
    NUMBERS,
    ORDERED,
    TEXTS,
    UNITS,
    VIEW_NAMES,
)
from otel_errsample.rules.parser import TEXT_OPERATORS
from otel_errsample.rules.reach import check_reach
from otel_errsample.rules.report import Report, did_you_mean
from otel_errsample.rules.tree import Action, Condition, Constant, Limit, Not, Operand, Predicate, Rule, Word

# Keeps the arithmetic of a token bucket, count * unit in ns, inside 64 bits.
MAX_COUNT: Final = 1_000_000
MAX_KEYS: Final = 8
MAX_OPERANDS: Final = 128
MAX_CLASSES: Final = 128
_MAX_CLASS_PARTS: Final = 16
_ORDERINGS: Final = ("<", "<=", ">", ">=")

# Built-in exceptions that a supported Python may be too old for.
_NEWER: Final = ("BaseExceptionGroup", "ExceptionGroup", "EncodingWarning", "PythonFinalizationError")

# Words that other tools have for our facts.
_MEANT: Final = {
    "service": 'resource["service.name"]',
    "status": "error",
    "status_code": "http.response.status_code",
    "latency": "duration",
    "route": "http.route",
    "path": "url.path",
    "method": "http.request.method",
    "operation": "name",
    "span_name": "name",
    "level": "severity",
    "type": "exception",
    "exception_type": "exception",
    "attribute": 'attributes["key"]',
}


_BUILT_IN: Final = (
    *(name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)),
    *_NEWER,
)


def check(rules: Sequence[Rule], report: Report) -> None:
    """Report every problem in the meaning of the rules."""
    lines: dict[str, Rule] = {}
    ending: Rule | None = None
    reported = False
    sound = []
    for rule in rules:
        known = len(report)
        name = rule.name.name
        if name in lines:
            report.add(rule.name.at, name, f"rule name '{name}' is used twice", "give one of the two another name")
        lines[name] = rule
        if ending and not reported:
            reported = True
            message = f"rule '{name}' is never reached: '{ending.name}' before it has no condition"
            report.add(rule.at, name, message, "move it up, or give the earlier rule a condition")
        ending = ending or (rule if rule.ends else None)
        _check_action(rule.action, report)
        if rule.condition:
            for test in _tests(rule.condition):
                _check_test(test, report)
        if len(report) == known:
            sound.append(rule)
    _check_variety(rules, report)
    check_reach(sound, report)


def _check_action(action: Action, report: Report) -> None:
    if action.limit:
        _check_limit(action.limit, report)
    if action.percent:
        value = action.percent.value
        if isinstance(value, str) or not 0 <= value <= 100:
            report.add(
                action.percent.at, str(value), f"a percentage is expected between 0 and 100, got {action.percent}"
            )


def _check_limit(limit: Limit, report: Report) -> None:
    text = repr(limit.count)
    if limit.count == 0:
        report.add(limit.at, text, "a limit of 0 keeps nothing", "write: drop")
    elif not isinstance(limit.count, int):
        message = f"a limit is expected to be a whole number, got {text}"
        report.add(limit.at, text, message, "for less than one a second write, for instance: 30 per minute")
    elif not 0 < limit.count <= MAX_COUNT:
        report.add(limit.at, text, f"a limit is expected between 1 and {MAX_COUNT}, got {text}")
    if limit.unit.name not in UNITS:
        hint = did_you_mean(limit.unit.name, UNITS) or f"one of {', '.join(UNITS)}"
        report.add(limit.unit.at, limit.unit.name, f"unknown unit '{limit.unit}'", hint)
    if len(limit.keys) > MAX_KEYS:
        report.add(limit.keys[MAX_KEYS].at, "", f"at most {MAX_KEYS} keys are expected, got {len(limit.keys)}")
    for place, key in enumerate(limit.keys):
        if key in limit.keys[:place]:
            report.add(key.at, key.name, f"key '{key}' is given twice", "leave one out")
        if key.source == "fact" and key.name not in KEYS:
            hint = did_you_mean(key.name, KEYS) or f"one of {', '.join(KEYS)}, or an attribute such as http.route"
            report.add(key.at, key.name, f"'{key.name}' is not a key of a limit", hint)


def _tests(condition: Condition) -> Iterator[Predicate]:
    if isinstance(condition, Predicate):
        yield condition
    else:
        for item in (condition.item,) if isinstance(condition, Not) else condition.items:
            yield from _tests(item)


def _check_variety(rules: Sequence[Rule], report: Report) -> None:
    """Bound what a span is asked for: each value is fetched once, each class name resolved once."""
    operands: set[Operand] = set()
    classes: set[str] = set()
    for rule in rules:
        tests = list(_tests(rule.condition)) if rule.condition else []
        keys = rule.action.limit.keys if rule.action.limit else ()
        for operand in (*keys, *(test.operand for test in tests)):
            operands.add(operand)
            if len(operands) > MAX_OPERANDS:
                message = f"rules are expected to look at no more than {MAX_OPERANDS} different facts and attributes"
                report.stop(operand.at, str(operand), message)
        for test in tests:
            if test.op == "is":
                classes.add(str(test.value))
                if len(classes) > MAX_CLASSES:
                    message = f"rules are expected to name at most {MAX_CLASSES} different classes"
                    report.stop(test.at, str(test.value), message, "name a common base class")


def _check_test(test: Predicate, report: Report) -> None:
    operand = test.operand
    if operand.source == "fact" and operand.name not in FACTS:
        report.add(operand.at, operand.name, f"unknown fact '{operand.name}'", _meant(operand.name))
    elif test.op == "":
        if operand.source != "fact" or operand.name not in FLAGS:
            report.add(test.at, str(operand), f"expected an operator after '{operand}'", f"write: {operand} exists")
    elif test.op == "exists":
        if operand.name in FLAGS and operand.source == "fact":
            report.add(test.at, operand.name, f"'{operand}' always exists", f"write: {operand}")
    elif test.op == "is":
        _check_class(test, report)
    elif isinstance(test.value, Word):
        _check_view(operand, test.value, report)
    else:
        _check_comparison(test, _constants(test), report)


def _meant(name: str) -> str:
    if name.lower() in _MEANT:
        return f"write: {_MEANT[name.lower()]}"
    return did_you_mean(name, FACTS) or f'for an attribute without a dot write: attributes["{name}"]'


def _constants(test: Predicate) -> tuple[Constant, ...]:
    if isinstance(test.value, tuple):
        return test.value
    assert isinstance(test.value, Constant)
    return (test.value,)


def _check_class(test: Predicate, report: Report) -> None:
    assert isinstance(test.value, Word)
    name = test.value.name
    if test.operand.source != "fact" or test.operand.name not in CLASSES:
        message = f"'is' tests the class of exception or cause, got '{test.operand}'"
        report.add(test.at, str(test.operand), message, "compare with ==")
    elif "-" in name or name.count(".") >= _MAX_CLASS_PARTS:
        report.add(
            test.value.at, name, f"'{name}' is not the name of a class", "as in: exception is package.module.Class"
        )
    elif "." not in name and name not in _BUILT_IN:
        hint = did_you_mean(name, _BUILT_IN, 0.85) or f"write its module too, as in: exception is package.module.{name}"
        report.add(test.value.at, name, f"'{name}' is no built-in exception", hint)


def _check_view(operand: Operand, view: Word, report: Report) -> None:
    if view.name not in VIEW_NAMES:
        hint = did_you_mean(view.name, VIEW_NAMES) or f'one of {", ".join(VIEW_NAMES)}, or values: in ("a", "b")'
        report.add(view.at, view.name, f"unknown view '{view}'", hint)
    elif operand.source != "fact" or operand.name != "kind":
        report.add(operand.at, str(operand), f"'{view}' is a view over kind, got '{operand}'", f"write: kind in {view}")


def _check_comparison(test: Predicate, constants: tuple[Constant, ...], report: Report) -> None:
    operand, op = test.operand, test.op
    if op in TEXT_OPERATORS and not isinstance(constants[0].value, str):
        report.add(constants[0].at, str(constants[0]), f"'{op}' expects text in quotes, got {constants[0]}")
        return
    if op in _ORDERINGS and isinstance(constants[0].value, bool):
        report.add(constants[0].at, str(constants[0]), f"true and false have no order for '{op}'", "compare with ==")
        return
    if op == "matches":
        _check_pattern(constants[0], report)
    if operand.source != "fact":
        return
    if operand.name in CHOICES:
        _check_choices(test, constants, report)
        return
    wanted, article = _expected(operand.name)
    if op in TEXT_OPERATORS and operand.name not in TEXTS:
        report.add(test.at, operand.name, f"'{operand}' is {article} and never passes '{op}'")
        return
    for constant in constants:
        if operand.name == "code" and op in ("==", "!=", "in", "not in") and ":" not in str(constant.value):
            number = str(constant.value).isdecimal()
            hint = f'write: "http:{constant.value}"' if number else 'write its scheme too: "grpc:UNAVAILABLE"'
            report.add(constant.at, str(constant), f"'code' is never {constant}", hint)
        elif _type_name(constant.value) != wanted:
            message = f"'{operand}' is {article} and never compares with {constant}"
            report.add(constant.at, str(constant), message)


def _check_choices(test: Predicate, constants: tuple[Constant, ...], report: Report) -> None:
    fact, op = test.operand.name, test.op
    choices = CHOICES[fact]
    if op in TEXT_OPERATORS or (op in _ORDERINGS and fact not in ORDERED):
        usable = "==, !=, in, not in, <, <=, > and >=" if fact in ORDERED else "==, !=, in and not in"
        report.add(test.at, fact, f"'{fact}' is tested with {usable}, got '{op}'")
        return
    for constant in constants:
        if not isinstance(constant.value, str):
            message = f"'{fact}' never compares with {constant}"
            report.add(constant.at, str(constant), message, f"write a name in quotes, one of {', '.join(choices)}")
        elif constant.value not in choices:
            view = fact == "kind" and constant.value in VIEW_NAMES
            hint = f"write: kind in {constant.value}" if view else did_you_mean(constant.value, choices)
            message = f"'{fact}' is never {constant}"
            report.add(constant.at, str(constant), message, hint or f"one of {', '.join(choices)}")


def _check_pattern(constant: Constant, report: Report) -> None:
    try:
        Regex(str(constant.value))
    except RegexUnavailable:
        hint = "pip install 'otel-errsample[re2]', or use contains or like"
        report.add(constant.at, str(constant), "'matches' needs RE2, which is not installed", hint)
    except RegexInvalid as error:
        report.add(constant.at, str(constant), f"RE2 refuses the pattern: {error}")


def _expected(fact: str) -> tuple[str, str]:
    if fact in FLAGS:
        return "bool", "true or false"
    return ("number", "a number of seconds") if fact in NUMBERS else ("text", "text")


def _type_name(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "bool"
    return "text" if isinstance(value, str) else "number"
