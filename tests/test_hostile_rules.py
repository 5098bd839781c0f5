"""Rules nobody vouches for: refused with a position after bounded work, or evaluated in bounded work.

Work is counted: calls, bytes and steps do not depend on the machine. How long it takes is in benchmarks/hostile.py.
"""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Status, StatusCode

from benchmarks.hostile import EVALUATED, REFUSED
from otel_errsample import ErrorSpanProcessor, _hot
from otel_errsample.errors import RuleError
from otel_errsample.rules import Rules
from otel_errsample.testing.transport import CollectingTransport
from tests.model.spans import make_span

MOST_CALLS = 1_000_000  # and returns, each about 50 ns
MOST_BYTES = 10 << 20
WORK_A_SPAN = 1 << 18
LONG = 10**6


@pytest.fixture(autouse=True, scope="module")
def layout() -> None:
    assert _hot.probe()


def refusal(text: str) -> RuleError:
    with pytest.raises(RuleError) as caught:
        Rules.parse(text)
    return caught.value


@pytest.mark.scenario("I2")
@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_a_hostile_text_is_refused_with_positions_inside_it(text: str) -> None:
    lines = text.split("\n")
    problems = refusal(text).problems
    assert 1 <= len(problems) <= 50
    for problem in problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert len(str(problem)) <= 1000
        assert str(problem).isprintable(), "a terminal that shows it must not obey the text"


@pytest.mark.scenario("I2")
@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_refusing_takes_a_bounded_number_of_calls_and_bytes(text: str) -> None:
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        with pytest.raises(RuleError):
            Rules.parse(text)
    finally:
        sys.setprofile(None)
    assert calls < MOST_CALLS
    tracemalloc.start()
    try:
        refusal(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES


@pytest.mark.scenario("I2")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("keep if __class__", "1:9: unknown fact '__class__' (for an attribute without a dot write:"),
        ("keep if error.__class__ == 1", None),
        ('keep if attributes["__class__"] exists', None),
        ("keep if exception is os.system", None),
        ('keep if message == "{0.__class__.__mro__}"', None),
        ('keep if message == "%2000000000d"', None),
        ("keep if duration > 9**9**9", "1:21: unexpected character '*' (patterns are in quotes, as in: name like"),
        ("keep if ().__class__", "1:11: unexpected character '.'"),
        ("keep if (lambda: 1)", "1:16: expected ')' to close '(', got ':'"),
        (f"keep {'9' * 41} per hour", f"1:6: '{'9' * 41}' is not a number"),
        ("keep 1e308 per hour", "1:6: a limit is expected to be a whole number, got 1e+308"),
        ("keep 1e400%", "1:6: a number is expected to fit 64 bits, got 1e400"),
        ("keep 99999999999999999999 per hour", "1:6: a number is expected to fit 64 bits, got 9999999999"),
        ("keep if a.b == nan", "1:16: expected a value after '==', got 'nan'"),
    ],
)
def test_what_would_be_code_elsewhere_is_text_or_a_mistake(text: str, expected: str | None) -> None:
    if expected is None:
        table = _hot.RuleTable(Rules.parse(text), _hot.Limits())
        facts = _hot.make_facts(message="x", exception="ValueError", exception_class=ValueError)
        assert "head" == _hot.verdict(table, make_span(), facts)[0]
    else:
        assert str(refusal(text)).split("<rules>:")[1].startswith(expected)


@pytest.mark.parametrize(
    ("letter", "name"),
    [
        ("\0", "U+0000"),
        ("\x1b", "U+001B"),
        ("\x7f", "U+007F"),
        ("\x85", "U+0085"),
        ("\u200b", "U+200B"),
        ("\u202e", "U+202E"),
        ("\u2066", "U+2066"),
        ("\ufeff", "U+FEFF"),
        ("\ud800", "U+D800"),
        ("\U000e0041", "U+E0041"),
    ],
)
@pytest.mark.parametrize("form", ["keep # {}", 'keep if name == "{}"', "ke{}ep"], ids=["comment", "text", "word"])
def test_characters_that_nobody_sees_are_refused_wherever_they_are(letter: str, name: str, form: str) -> None:
    (problem,) = refusal(form.format(letter)).problems
    assert (1, form.index("{") + 1, "") == (problem.line, problem.column, problem.text)
    assert f"unexpected invisible character {name}" == problem.message


def test_joiners_of_ordinary_writing_are_no_hidden_characters() -> None:
    assert 1 == len(
        Rules.parse('keep if name == "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f680"')
    )


def work_of(text: str, span: ReadableSpan, facts: Any) -> int:
    return int(_hot.verdict(_hot.RuleTable(Rules.parse(text), _hot.Limits()), span, facts)[7])


@pytest.mark.scenario("I3")
@pytest.mark.parametrize("text", EVALUATED.values(), ids=EVALUATED)
def test_a_hostile_set_takes_a_bounded_number_of_steps_against_a_message_of_a_megabyte(text: str) -> None:
    span = make_span(attributes={f"a.b{number}": number for number in range(64)})
    facts = _hot.make_facts(message="a" * LONG, exception="ValueError", exception_class=ValueError)
    # A test that is under way when the steps run out takes no more than the 256 characters it compares.
    assert work_of(text, span, facts) <= WORK_A_SPAN + 300


def test_steps_are_those_that_are_taken() -> None:
    facts = _hot.make_facts(message="b" * LONG)
    assert 68 == work_of('keep if message contains "a"', make_span(), facts), "4096 characters, 64 at a time, and 4"
    assert 5 * 4095 == work_of('keep if message contains "bc"', make_span(), facts), "4, and one compared, at each"
    assert 4097 == work_of('keep if message like "*a"', make_span(), facts)
    assert 0 == work_of('keep if message startswith "b" and message endswith "b" and message > "a"', make_span(), facts)


def test_when_the_steps_are_spent_looks_inside_find_nothing_and_other_tests_go_on() -> None:
    needle = "a" * 100 + "b"
    text = (
        f'vain: keep if message contains "{needle}" or message contains "{needle}x"\n'
        'inside: keep if message contains "a" or message like "a*" and not root\n'
        "begin: drop if message startswith 'b'\n"
        "rest: keep if error"
    )
    table = _hot.RuleTable(Rules.parse(text), _hot.Limits())
    spent = _hot.verdict(table, make_span(), _hot.make_facts(message="a" * LONG))
    assert ("keep", 3) == spent[:2]
    assert WORK_A_SPAN < spent[7]
    short = _hot.verdict(table, make_span(), _hot.make_facts(message="a" * 1000))
    assert ("keep", 1) == short[:2]
    assert WORK_A_SPAN > short[7]


def test_a_span_whose_texts_take_too_long_is_counted() -> None:
    processor = ErrorSpanProcessor(
        f'keep if message contains "{"a" * 200}b" and name contains "s"', transport=CollectingTransport()
    )
    for description in ("a" * 4096, "short"):
        span = make_span()
        span._status = Status(StatusCode.ERROR, description)
        processor.on_end(span)
    assert (1, 2) == (processor.stats().cut_short, processor.stats().ended)
    assert "rules: 1 spans whose texts take too long to look at" in str(processor.stats())
    assert processor.shutdown(5_000)


def test_what_limits_remember_is_fixed_whatever_keys_come() -> None:
    limits = _hot.Limits()
    table = _hot.RuleTable(Rules.parse('keep 1 per hour by attributes["id"]'), limits)
    spans = [make_span(attributes={"id": f"key {number}"}) for number in range(5000)]
    for span in spans[:100]:
        _hot.verdict(table, span)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = sum(_hot.verdict(table, span)[0] == "keep" for span in spans)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 4096, "no memory for a key"
    assert kept <= 1024, "colliding keys share a budget"
    assert sum(limits.pending().values()) + kept + 100 >= 5000
