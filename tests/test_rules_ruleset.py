"""Rules: parsed or refused as a whole, immutable, equal when they say the same."""

from __future__ import annotations

import copy
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample.errors import ErrsampleError, RuleError
from otel_errsample.rules import Rules

EXAMPLE = """
health:  drop if http.route in ("/healthz", "/readyz")   # probes
noise:   drop if exception is django.http.Http404
pay:     keep if exception is shop.PaymentError and severity >= "error"
storm:   keep 5 per second by fingerprint if error and kind in transient
client:  keep 10% if fault == "caller"
slow:    keep 1 per second by name if duration > 2.0
rest:    keep first 3 per minute by fingerprint then 5% if error
try:     shadow drop if message contains "deprecated"
"""


def test_the_documented_rules_parse() -> None:
    rules = Rules.parse(EXAMPLE)
    assert ("health", "noise", "pay", "storm", "client", "slow", "rest", "try") == rules.names
    assert EXAMPLE == rules.text
    assert 8 == len(rules)
    assert 'client: keep 10% if fault == "caller"' == str(rules).splitlines()[4]


def test_rules_that_say_the_same_are_equal_however_they_are_written() -> None:
    rules = Rules.parse(EXAMPLE)
    assert rules == Rules.parse(str(rules))
    assert hash(rules) == hash(Rules.parse(str(rules)))
    assert Rules.parse("keep if a.b == 1") != Rules.parse("keep if a.b == true")
    assert Rules.parse("keep") != "rule_1: keep"


def test_rules_are_immutable_and_made_by_parsing() -> None:
    rules = Rules.parse("keep")
    with pytest.raises(AttributeError, match="rules are immutable"):
        rules._text = "drop"
    with pytest.raises(AttributeError, match="rules are immutable"):
        del rules._text
    with pytest.raises(TypeError, match=r"rules are made by Rules\.parse"):
        Rules()


def test_rules_survive_copying_and_pickling() -> None:
    rules = Rules.parse(EXAMPLE).with_defaults()
    assert rules == copy.deepcopy(rules) == pickle.loads(pickle.dumps(rules))
    assert f"Rules.parse({str(rules)!r})" == repr(rules)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("default.errors",)),
        ("a: drop if root", ("a", "default.errors")),
        ("a: shadow drop", ("a", "default.errors")),
        ("a: head", ("a",)),
        ("a: drop if root; default.errors: keep if error", ("a", "default.errors")),
    ],
    ids=["no rules", "with condition", "shadow", "without condition", "replaced"],
)
def test_default_rules_follow_unless_the_last_rule_always_decides(text: str, expected: tuple[str, ...]) -> None:
    rules = Rules.parse(text).with_defaults()
    assert expected == rules.names
    assert rules == rules.with_defaults()
    assert rules == Rules.parse(rules.text)


def test_a_bad_set_raises_all_its_problems_with_the_name_of_its_source() -> None:
    with pytest.raises(ErrsampleError) as caught:
        Rules.parse("a: kep\nb: keep 0 per day\n", "app.rules")
    assert isinstance(caught.value, RuleError)
    assert isinstance(caught.value, ValueError)
    assert (
        "app.rules:1:4: expected an action, got 'kep' (did you mean 'keep'?)\n"
        "app.rules:2:9: a limit of 0 keeps nothing (write: drop)\n"
        "app.rules:2:15: unknown unit 'day' (one of second, minute, hour)"
    ) == str(caught.value)


@given(
    st.text() | st.lists(st.sampled_from([*EXAMPLE.split(), "(", ")", "not", "\n", ";", "keep", "if"])).map(" ".join)
)
def test_any_text_parses_or_raises_a_rule_error(text: str) -> None:
    try:
        rules = Rules.parse(text)
    except RuleError as error:
        assert error.problems
    else:
        assert rules == Rules.parse(str(rules))


BIG = 256 * 1024
CALLS = 200_000


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(" * BIG, id="brackets"),
        pytest.param("keep if " + "not " * 60_000, id="nots"),
        pytest.param("keep if " + "a.b == 1 and " * 20_000, id="nodes"),
        pytest.param("keep if a.b in (" + "1," * 100_000, id="values"),
        pytest.param("keep;" * 50_000, id="rules"),
        pytest.param(";" * BIG, id="separators"),
        pytest.param("#" * BIG, id="comment"),
        pytest.param("keep if x == " + '"' * BIG, id="quotes"),
        pytest.param('keep if name == "' + "\\" * (BIG - 20), id="backslashes"),
        pytest.param("a" * BIG, id="name"),
        pytest.param("keep " + "9" * (BIG - 5), id="number"),
        pytest.param("keep " + "1e+" * 80_000, id="exponents"),
        pytest.param("keep if (" + "\n" * (BIG - 10), id="lines in a bracket"),
        pytest.param("keep if (" + "\nx" * 100_000, id="names in a bracket"),
        pytest.param("$" * BIG, id="strays"),
        pytest.param("\n".join(["keep if seventy == kindd"] * 1000), id="suggestions"),
        pytest.param("x" * (BIG + 1), id="too long"),
        pytest.param("keep if a.b" + ".c" * 100_000, id="dots"),
    ],
)
def test_hostile_text_ends_in_a_bounded_number_of_steps(text: str) -> None:
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        Rules.parse(text)
    except RuleError as error:
        assert 1 <= len(error.problems) <= 50
    else:
        assert not text.strip("#;")
    finally:
        sys.setprofile(None)
    # Calls and returns; the worst took 20 ms without being counted.
    assert calls < CALLS
