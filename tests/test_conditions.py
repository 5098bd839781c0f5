"""Whether a condition holds: operators, types that do not compare, classes, bounds."""

from __future__ import annotations

import builtins
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_errsample import _hot
from otel_errsample.rules import Rules
from otel_errsample.rules.tree import quoted
from tests.model.decide import glob
from tests.model.spans import make_span
from tests.unready import needs_unready, unready


@pytest.fixture(autouse=True, scope="module")
def layout() -> None:
    assert _hot.probe()


def table_of(condition: str) -> Any:
    return _hot.RuleTable(Rules.parse(f"keep if {condition}"), _hot.Limits())


def holds(condition: str, value: Any = None, facts: Any = None) -> bool:
    """Whether the condition holds of a span whose attribute `a.b` has the value."""
    return bool(_hot.verdict(table_of(condition), make_span(attributes={"a.b": value}), facts)[0] == "keep")


class Text(str):
    pass


class Number(int):
    pass


@pytest.mark.parametrize(
    ("condition", "passing", "failing"),
    [
        ("a.b == 5", [5, 5.0], [4, True, "5", None, (5,), 10**30]),
        ("a.b == 1", [1, 1.0], [True, "1"]),
        ("a.b != 5", [4, 5.5, float("nan"), 10**30], [5, 5.0, "4", True, None, Number(4)]),
        ("a.b < 2.5", [2, -(10**30), float("-inf")], [3, "2", True, float("nan")]),
        ("a.b >= 9007199254740993", [9007199254740993], [9007199254740992, 9007199254740992.0]),
        ('a.b == "x"', ["x"], ["y", "xx", b"x", Text("x"), 5]),
        ('a.b != "x"', ["y", ""], ["x", 5, None, Text("y")]),
        ('a.b < "b"', ["a", "", "az"], ["b", "ba", 1]),
        ("a.b == true", [True], [1, 1.0, "true", False]),
        ("a.b != true", [False], [0, True]),
        ("a.b in (1, 2.5)", [1, 1.0, 2.5], [True, "1", 2, 10**30]),
        ("a.b not in (1, 2.5)", [2, 10**30, float("nan")], [1, 2.5, True, "x", None]),
        ('a.b in ("x", 1, true)', ["x", 1, True], ["1", 0, False, 2]),
        ('a.b not in ("x", 1)', ["y", 2, "x" * 300], ["x", 1, True]),
        ('a.b contains "lo"', ["hello", "lo"], ["hell", 5, Text("lo")]),
        ('a.b contains ""', ["", "x"], [5]),
        ('a.b startswith "he"', ["hello", "he"], ["h", "ahe"]),
        ('a.b endswith "lo"', ["hello", "x" * 9999 + "lo"], ["lol", "o"]),
        ("a.b exists", [0, "", False, (), "x"], [None]),
        ("not a.b == 5", [4, "5", None], [5]),
        ("not a.b != 5", [5, "4", None], [4]),
    ],
)
def test_operators(condition: str, passing: list[Any], failing: list[Any]) -> None:
    table = table_of(condition)
    outcomes = [_hot.verdict(table, make_span(attributes={"a.b": value}))[0] for value in passing + failing]
    assert ["keep"] * len(passing) + ["head"] * len(failing) == outcomes


@pytest.mark.parametrize(
    ("pattern", "passing", "failing"),
    [
        ("GET *", ["GET ", "GET /x"], ["GET", "PUT /x"]),
        ("*.py", [".py", "a.py.py"], ["a.pyc"]),
        ("a*b*c", ["abc", "aXbXbc"], ["acb", "ab"]),
        ("?", ["x", "\U0001f600"], ["", "xx"]),
        ("a?c", ["abc"], ["ac", "abbc"]),
        ("\\*", ["*"], ["x", "\\*", ""]),
        ("a\\", ["a\\"], ["a"]),
        ("\\\\x", ["\\x"], ["x"]),
        ("", [""], ["x"]),
        ("**", ["", "x"], []),
        ("a\t*", ["a\tb"], ["a"]),
    ],
)
def test_globs(pattern: str, passing: list[str], failing: list[str]) -> None:
    condition = f"a.b like {quoted(pattern)}"
    assert [True] * len(passing) + [False] * len(failing) == [holds(condition, value) for value in passing + failing]


@settings(max_examples=1000, deadline=None)
@given(st.text("ab*?\\é", max_size=8), st.text("ab*\\é\U0001f600", max_size=10))
def test_globs_agree_with_the_model(pattern: str, text: str) -> None:
    assert glob(text, pattern) == holds(f"a.b like {quoted(pattern)}", text)


@needs_unready
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('a.b == "abc"', True),
        ('a.b != "abc"', False),
        ('a.b in ("abc", "x")', True),
        ('a.b contains "b"', True),
        ('a.b like "a*c"', True),
        ('a.b startswith "ab"', True),
        ('a.b endswith "bc"', True),
    ],
)
def test_a_text_that_is_not_ready_is_seen_as_any_other(condition: str, expected: bool) -> None:
    assert expected is holds(condition, unready("abc"))


def test_operators_that_look_inside_see_the_first_4096_characters() -> None:
    for condition in ('a.b contains "end"', 'a.b like "*end*"'):
        assert holds(condition, "x" * 4093 + "end")
        assert not holds(condition, "x" * 4094 + "end")
    assert holds('a.b like "x*x"', "x" * 4096 + "end")


def test_a_glob_that_would_backtrack_for_ever_ends() -> None:
    # A backtracking matcher needs more than 4096**20 steps for this.
    assert not holds(f'a.b like "{"*a" * 20}b"', "a" * 10**6)


@pytest.mark.parametrize(
    "text", ["code 17", "x" * 4096 + "code 17", "\ud800 code 17"], ids=["near", "far", "surrogate"]
)
def test_matches_asks_re2_about_the_first_4096_characters(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Pattern:
        def search(self, value: str) -> object:
            asked.append(value)
            value.encode()
            return True if "code" in value else None

    module = ModuleType("re2")
    module.__dict__.update(Options=type("Options", (), {}), error=ValueError, compile=lambda *_: Pattern())
    monkeypatch.setitem(sys.modules, "re2", module)
    assert (text == "code 17") == holds('a.b matches "code"', text)
    assert [text[:4096]] == asked


# Classes


class Base(Exception):
    pass


class Derived(Base, KeyError):
    pass


@pytest.mark.parametrize(
    ("target", "facts", "expected"),
    [
        (f"{__name__}.Base", {"exception_class": Derived}, True),
        ("LookupError", {"exception_class": Derived}, True),
        ("builtins.KeyError", {"exception_class": Derived}, True),
        (f"{__name__}.Derived", {"exception_class": Base}, False),
        ("ValueError", {"exception_class": RuntimeError, "leaf_classes": (KeyError, UnicodeError)}, True),
        ("ValueError", {"exception_class": RuntimeError, "leaf_classes": (KeyError,)}, False),
        ("OSError", {"exception": "ConnectionResetError"}, True),
        ("far.away.Error", {"exception": "far.away.Error"}, True),
        ("far.away.Error", {"exception": "x" * 400}, False),
        ("ValueError", {"cause_class": ValueError, "cause": "ValueError"}, False),
        ("ValueError", {}, False),
    ],
)
def test_exception_is(target: str, facts: dict[str, Any], expected: bool) -> None:
    assert expected == holds(f"exception is {target}", facts=_hot.make_facts(**facts))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"cause_class": ConnectionResetError}, True),
        ({"cause": "ConnectionResetError"}, True),
        ({"exception_class": OSError, "exception": "OSError"}, False),
        ({"cause_class": KeyError}, False),
        ({"cause_class": RuntimeError, "cause_leaf_classes": (KeyError, ConnectionResetError)}, True),
        ({"cause_class": RuntimeError, "cause_leaf_classes": (KeyError,)}, False),
        ({"cause_class": RuntimeError, "leaf_classes": (OSError,)}, False),
    ],
)
def test_cause_is(facts: dict[str, Any], expected: bool) -> None:
    assert expected == holds("cause is OSError", facts=_hot.make_facts(**facts))


def test_a_class_imported_later_is_found_by_its_public_name(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of("exception is public_api.Base")
    facts = _hot.make_facts(exception_class=Derived)
    assert "head" == _hot.verdict(table, make_span(), facts)[0]
    module = ModuleType("public_api")
    module.__dict__["Base"] = Base
    monkeypatch.setitem(sys.modules, "public_api", module)
    assert "keep" == _hot.verdict(table, make_span(), facts)[0]


def test_more_classes_than_are_remembered_are_told_apart() -> None:
    table = table_of("exception is LookupError")
    classes = [type(f"C{number}", (KeyError if number % 2 else OSError,), {}) for number in range(600)]
    for _ in range(2):
        for number, cls in enumerate(classes):
            action = _hot.verdict(table, make_span(), _hot.make_facts(exception_class=cls))[0]
            assert ("keep" if number % 2 else "head") == action


def test_deciding_leaves_no_references_behind() -> None:
    value, route, cls = "unique " + "text", "/unique" + "/route", type("Once", (KeyError,), {})
    table = table_of('a.b == "x" or endpoint == "x" or exception is OSError or message == "x" or cause is OSError')
    span = make_span(attributes={"a.b": value, "http.route": route})
    facts = _hot.make_facts(exception_class=cls, message=value)
    _hot.verdict(table, span, facts)
    watched = [value, route, cls, span, facts, table, None]
    before = [sys.getrefcount(each) for each in watched]
    for _ in range(1000):
        _hot.verdict(table, span, facts)
    after = [sys.getrefcount(each) for each in watched]
    assert all(late - early < 100 for early, late in zip(before, after, strict=True))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups are built in from 3.11 on")
def test_a_group_that_led_to_an_error_passes_for_its_leaves() -> None:
    make: Any = vars(builtins)["ExceptionGroup"]
    group = make("several", [ConnectionResetError(), make("more", [KeyError("k")])])
    error = RuntimeError("failed")
    error.__cause__ = group
    facts = _hot.Classifier().facts(error)
    targets = ["ConnectionError", "LookupError", "ExceptionGroup", "ValueError"]
    assert [True, True, True, False] == [holds(f"cause is {target}", facts=facts) for target in targets]
    assert not holds("exception is ConnectionError", facts=facts)
