"""Tokens of one rule to its tree, by recursive descent.

    rule       = [name ":"] action ["if" condition]
    action     = ["shadow"] ("drop" | "head" | "keep" [scope] [share])
    share      = P "%" | N "per" unit [by] | "first" N "per" unit [by] "then" P "%"
    by         = "by" key {"," key}
    condition  = both {"or" both};   both = negation {"and" negation};   negation = {"not"} (test | "(" condition ")")
    test       = operand [operator value | "exists" | "is" class]

Only the shape is decided here; whether names and values make sense is the business of `check`.
"""

from __future__ import annotations

from typing import Final, NoReturn

from otel_errsample.rules.facts import meant_by
from otel_errsample.rules.lexer import ACTIONS, MAX_NESTING, Token, rules_of
from otel_errsample.rules.report import Report, did_you_mean
from otel_errsample.rules.tree import (
    DOTTED_FACT,
    Action,
    And,
    Condition,
    Constant,
    Limit,
    Not,
    Operand,
    Or,
    Predicate,
    Rule,
    Word,
)

MAX_NODES: Final = 200  # tests and connectives of a rule
MAX_VALUES: Final = 256  # constants of an `in`

COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=")
TEXT_OPERATORS: Final = ("contains", "startswith", "endswith", "like", "matches")
_OPERATORS: Final = (*TEXT_OPERATORS, "in", "is", "exists", "not", "and", "or")
_CONSTANTS: Final = {"true": True, "false": False}
_NOTHING: Final = ("none", "null", "nil")
_SCOPES: Final = ("trace", "path", "span")


def parse(text: str, report: Report) -> list[Rule]:
    """The rules of a text, without those that cannot be read, which are reported."""
    rules = []
    for number, tokens in rules_of(text, report):
        try:
            rules.append(_RuleParser(tokens, number, report).rule())
        except _Unreadable:
            continue
    return rules


class _Unreadable(Exception):
    """The rule is reported; go on with the next."""


class _RuleParser:
    def __init__(self, tokens: list[Token], number: int, report: Report) -> None:
        self._tokens = tokens
        self._number = number
        self._report = report
        self._next = 0
        self._nodes = 0
        self._depth = 0

    # Tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += token.kind != "end"
        return token

    def _is(self, *words: str) -> bool:
        return self._token.kind in ("name", "mark") and self._token.text in words

    def _accept(self, *words: str) -> Token | None:
        return self._take() if self._is(*words) else None

    def _fail(self, message: str, hint: str = "", token: Token | None = None) -> NoReturn:
        token = token or self._token
        self._report.add(token.at, token.text, message, hint)
        raise _Unreadable

    def _expect(self, word: str, where: str, hint: str = "") -> Token:
        if token := self._accept(word):
            return token
        self._fail(f"expected '{word}' {where}, got {self._got()}", hint or self._meant(word))

    def _got(self) -> str:
        return f"'{self._token.text[:60]}'" if self._token.text else "the end of the rule"

    def _meant(self, *choices: str) -> str:
        return did_you_mean(self._token.text, choices)

    # Rule and action

    def rule(self) -> Rule:
        at = self._token.at
        name = Word(f"rule_{self._number}", at)
        if self._token.kind == "name" and self._tokens[self._next + 1].text == ":":
            name = Word(self._take().text, at)
            self._take()
        action = self._action()
        condition = self._condition() if self._if(action) else None
        if self._token.kind != "end":
            self._unexpected()
        return Rule(name, action, condition, at)

    def _unexpected(self) -> NoReturn:
        if self._is(*COMPARISONS, *TEXT_OPERATORS, "in", "is"):
            self._fail("comparisons do not chain", "join two comparisons with 'and'")
        if self._is(*ACTIONS):
            self._fail(f"unexpected {self._got()} after the condition", "separate rules by a new line or ';'")
        self._fail(f"unexpected {self._got()} after the condition", self._meant("and", "or"))

    def _if(self, action: Action) -> bool:
        if self._accept("if"):
            return True
        if self._token.kind == "end":
            return False
        if self._is(*ACTIONS):
            self._fail(f"unexpected {self._got()} after the action", "separate rules by a new line or ';'")
        if action.verb == "keep" and self._is("by", "per", "then", "first", *_SCOPES):
            self._fail(f"unexpected {self._got()} after the action", "write, for instance: keep 5 per second by name")
        if self._token.kind == "number":
            self._fail(f"unexpected {self._got()} after '{action}'", "'keep' takes numbers, as in: keep 5%")
        if self._token.kind == "mark":
            self._fail(f"unexpected {self._got()} after the action")
        after = "not (...)" if self._token.text == "unless" else f"{self._token.text[:60]} ..."
        hint = self._meant("if") or f"write: {action} if {after}"
        self._fail(f"expected 'if' before the condition, got {self._got()}", hint)

    def _action(self, shadow: bool = False) -> Action:
        verb = self._accept(*ACTIONS)
        if verb is None:
            self._fail(f"expected an action, got {self._got()}", self._meant(*ACTIONS) or _one_of(ACTIONS))
        if verb.text == "shadow":
            if shadow:
                self._fail("'shadow' is written once", token=verb)
            return self._action(shadow=True)
        if verb.text != "keep":
            return Action(verb.text, shadow)
        scope = self._accept(*_SCOPES)
        word = Word(scope.text, scope.at) if scope else None
        if first := self._accept("first"):
            limit = self._limit(first)
            self._expect("then", "and a percentage after 'first N per UNIT'", "write, for instance: then 5%")
            return Action("keep", shadow, word, limit, self._percent())
        if self._token.kind != "number":
            return Action("keep", shadow, word)
        if self._tokens[self._next + 1].text == "%":
            return Action("keep", shadow, word, None, self._percent())
        return Action("keep", shadow, word, self._limit(None))

    def _percent(self) -> Constant:
        number = self._number_value("a percentage")
        self._expect("%", "after the number")
        return number

    def _limit(self, first: Token | None) -> Limit:
        at = self._token.at
        count = self._number_value("how many spans to keep").value
        assert not isinstance(count, str)
        self._expect("per", "after the number", "" if first else "write a percentage, or: keep 5 per second")
        if self._token.kind != "name":
            self._fail(f"expected a unit after 'per', got {self._got()}", "one of second, minute, hour")
        unit = self._take()
        keys: list[Operand] = []
        if self._accept("by"):
            keys.append(self._operand("a key"))
            while self._accept(","):
                keys.append(self._operand("a key"))
        return Limit(count, Word(unit.text, unit.at), tuple(keys), first is not None, at)

    def _number_value(self, what: str) -> Constant:
        if self._token.kind != "number":
            self._fail(f"expected {what}, got {self._got()}", "write a number")
        token = self._take()
        return Constant(token.value, token.at)

    # Condition

    def _node(self, at: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._report.stop(at, "", f"a rule is expected to have at most {MAX_NODES} tests and connectives")

    def _condition(self) -> Condition:
        if self._token.kind == "end":
            self._fail("expected a condition after 'if', got the end of the rule")
        items = [self._both()]
        while word := self._accept("or"):
            self._node(word.at)
            items.append(self._both())
        return items[0] if len(items) == 1 else Or(tuple(items))

    def _both(self) -> Condition:
        items = [self._negation()]
        while word := self._accept("and"):
            self._node(word.at)
            items.append(self._negation())
        return items[0] if len(items) == 1 else And(tuple(items))

    def _negation(self) -> Condition:
        # The lexer bounds brackets; this bounds what `not` adds, so that nothing recurses deeper than both.
        word = self._accept("not")
        if word is None:
            return self._primary()
        self._node(word.at)
        self._depth += 1
        if self._depth > MAX_NESTING:
            self._report.stop(word.at, "not", f"'not' is expected to be nested at most {MAX_NESTING} deep")
        item = self._negation()
        self._depth -= 1
        return Not(item)

    def _primary(self) -> Condition:
        if bracket := self._accept("("):
            condition = self._condition()
            if not self._accept(")"):
                self._closing(bracket)
            return condition
        return self._test()

    def _closing(self, bracket: Token) -> NoReturn:
        if self._is(*COMPARISONS, *TEXT_OPERATORS, "in", "is"):
            self._unexpected()
        self._fail(f"expected ')' to close '{bracket.text}', got {self._got()}", self._meant("and", "or"))

    def _test(self) -> Predicate:
        at = self._token.at
        self._node(at)
        operand = self._operand("a fact or an attribute")
        if self._accept("exists"):
            return Predicate(operand, "exists", None, at)
        if self._accept("is"):
            return Predicate(operand, "is", self._class(operand), at)
        if self._is("not") and self._tokens[self._next + 1].text == "in":
            self._take()
            self._take()
            return Predicate(operand, "not in", self._values("not in"), at)
        if self._accept("in"):
            return Predicate(operand, "in", self._values("in"), at)
        if operator := self._accept(*COMPARISONS, *TEXT_OPERATORS):
            return Predicate(operand, operator.text, self._constant(f"after '{operator.text}'"), at)
        if self._token.kind == "name" and not self._is("and", "or", "not", "if"):
            hint = self._meant(*_OPERATORS) or _one_of((*COMPARISONS, *_OPERATORS[:-3]))
            if self._is(*ACTIONS):
                hint = "separate rules by a new line or ';'"
            self._fail(f"expected an operator after '{operand}', got {self._got()}", hint)
        return Predicate(operand, "", None, at)

    def _operand(self, what: str) -> Operand:
        token = self._token
        if token.kind in ("number", "string") or token.text in _CONSTANTS:
            hint = "the fact comes first, as in: duration > 2.0"
            self._fail(f"expected {what}, got {self._got()}", hint)
        if token.kind != "name" or token.text in (*_OPERATORS, "if"):
            self._fail(f"expected {what}, got {self._got()}")
        if meant := meant_by(token.text):
            self._fail(f"'{token.text[:60]}' is no attribute of a span", f"write: {meant[:80]}")
        self._take()
        if token.text in ("attributes", "resource"):
            self._expect("[", f"after '{token.text}'", f'write: {token.text}["service.name"]')
            name = self._token
            if name.kind != "string" or not name.value:
                self._fail(f"expected an attribute name in quotes, got {self._got()}")
            self._take()
            self._expect("]", "after the attribute name")
            return Operand("resource" if token.text == "resource" else "attribute", str(name.value), token.at)
        is_fact = "." not in token.text or token.text == DOTTED_FACT
        return Operand("fact" if is_fact else "attribute", token.text, token.at)

    def _class(self, operand: Operand) -> Word:
        token = self._token
        if token.kind == "string":
            self._fail(f"expected the name of a class after 'is', got {self._got()}", "write it without quotes")
        if self._is("not"):
            after = self._tokens[self._next + 1]
            hint = f"write: not {operand} is {after.text if after.kind == 'name' else '...'}"
            self._fail("expected the name of a class after 'is', got 'not'", hint)
        if token.kind != "name":
            self._fail(f"expected the name of a class after 'is', got {self._got()}", "as in: exception is ValueError")
        self._take()
        return Word(token.text, token.at)

    def _constant(self, where: str) -> Constant:
        token = self._token
        if token.kind in ("number", "string"):
            self._take()
            return Constant(token.value, token.at)
        if token.kind == "name" and token.text in _CONSTANTS:
            self._take()
            return Constant(_CONSTANTS[token.text], token.at)
        hint = ""
        if token.text.lower() in _CONSTANTS:
            hint = self._meant(*_CONSTANTS)
        elif token.text.lower() in _NOTHING:
            hint = "what is missing is tested with: not http.route exists"
        elif token.kind == "name":
            hint = f'put text in quotes: "{token.text[:60]}"'
        self._fail(f"expected a value {where}, got {self._got()}", hint)

    def _values(self, operator: str) -> tuple[Constant, ...] | Word:
        if self._token.kind == "name" and self._token.text.lower() not in (*_CONSTANTS, *_NOTHING):
            token = self._take()
            return Word(token.text, token.at)
        self._expect("(", f"after '{operator}'", 'write: in ("a", "b")')
        values = [self._constant(f"after '{operator} ('")]
        while self._accept(","):
            if self._is(")"):
                break
            values.append(self._constant("after ','"))
            if len(values) > MAX_VALUES:
                self._report.stop(values[-1].at, "", f"'{operator}' is expected to have at most {MAX_VALUES} values")
        self._expect(")", "after the values")
        return tuple(values)


def _one_of(choices: tuple[str, ...]) -> str:
    return f"one of {', '.join(choices)}"
