"""Rule text of any kind: refused with positions inside it, or a rule set that decides like the readable model.

What is accepted prints as a rule set that says the same.
"""

from __future__ import annotations

import unicodedata
from types import MappingProxyType
from typing import Any

from opentelemetry.trace import SpanKind

from otel_errsample import _hot
from otel_errsample.errors import RuleError
from otel_errsample.rules import Rules
from tests.model.decide import Model
from tests.model.spans import SECOND, make_span

MOST = 2048
WORDS = tuple(
    word.encode()
    for word in (
        "keep", "drop", "head", "shadow ", " if ", "error", " and ", " or ", "not ", "root", "sampled", " per second",
        " per minute", " per hour", " by fingerprint", " by name, http.route", "first 3", " then 5%", "10%", "kind in transient",
        "kind", "fault", "severity >= \"error\"", "recovery", "exception is ValueError", "cause is shop.Error", "message",
        " contains ", " startswith ", " endswith ", " like ", " matches ", " exists", "duration > 2.0", "code == \"http:503\"",
        "attributes[\"a\"]", "resource[\"service.name\"]", "(\"a\", \"b\")", " in ", " not in ", "http.route", "name: ",
        "true", "false", "!=", "==", "<=", "\\u00e9", "\\n", "# ", ";",
    )
)  # fmt: skip

_FACTS: tuple[MappingProxyType[str, Any] | None, ...] = (
    None,
    MappingProxyType({"exception": "ValueError", "exception_class": ValueError, "message": "no", "fingerprint": "1-0"}),
    MappingProxyType({"kind": "unavailable", "fault": "dependency", "code": "http:503", "exception": "shop.Error"}),
)
_SPANS = (
    make_span("work", seconds=0.25),
    make_span("GET /a", attributes={"http.route": "/a", "a": 1, "b.c": "\udce9"}, seconds=3, kind=SpanKind.SERVER),
    make_span("x" * 100, resource={"service.name": "shop"}, seconds=None, root=False, trace_id=(1 << 128) - 1),
)

_OBEYED = {"Cc", "Cs", "Zl", "Zp"}  # categories: controls, halves of characters, ends of lines


def _now() -> int:
    return 5 * SECOND


def check(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        rules = Rules.parse(text)
    except RuleError as error:
        check_positions(error, text)
        return
    again = Rules.parse(str(rules))
    assert rules == again
    assert str(rules) == str(again)
    assert rules.names == again.names
    _decide_alike(rules)


def check_positions(error: RuleError, text: str) -> None:
    lines = text.split("\n")
    assert error.problems, "it says what is wrong"
    for problem in error.problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert len(problem.text) <= 60
        assert not _OBEYED & {unicodedata.category(char) for char in str(problem)}, "a terminal must not obey the text"


def _decide_alike(rules: Rules) -> None:
    """Each span twice, so that limits have something to count."""
    table = _hot.RuleTable(rules, _hot.Limits(_now))
    model = Model(rules, _now)
    for span in (*_SPANS, *_SPANS):
        for facts in _FACTS:
            made = None if facts is None else _hot.make_facts(**facts)
            assert model.decide(span, facts, True) == _hot.verdict(table, span, made, True)[:5]
