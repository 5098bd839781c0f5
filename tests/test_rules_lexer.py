"""Rule text to tokens: where rules end, what can be read, and what is refused before it costs anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample.errors import RuleError
from otel_errsample.rules.lexer import MAX_NESTING, MAX_RULES, MAX_STRING, MAX_TEXT, MAX_TOKENS, rules_of
from otel_errsample.rules.report import Report


def lex(text: str) -> list[list[str | int | float]]:
    report = Report(text, "r")
    rules = [[token.value for token in tokens[:-1]] for _, tokens in rules_of(text, report)]
    report.finish()
    return rules


def problems(text: str) -> list[str]:
    with pytest.raises(RuleError) as caught:
        lex(text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param(" \n;; # only a comment\n;", [], id="separators and comments"),
        pytest.param("keep\ndrop;head", [["keep"], ["drop"], ["head"]], id="new lines and semicolons"),
        pytest.param("keep\r\ndrop\r\n", [["keep"], ["drop"]], id="windows lines"),
        pytest.param("a: keep # why; not a rule", [["a", ":", "keep"]], id="comment after a rule"),
        pytest.param(
            'x in (\n "#a;", # first\n "b"\n)', [["x", "in", "(", "#a;", ",", "b", ")"]], id="lines in brackets"
        ),
        pytest.param("a.b-c.d_1 -5 +2 .5 2. 1e-3", [["a.b-c.d_1", -5, 2, 0.5, 2.0, 0.001]], id="names and numbers"),
        pytest.param(r"""'it"s' "it's" "\\ \" \n\t" """, [['it"s', "it's", '\\ " \n\t']], id="strings"),
        pytest.param("10%<=!===", [[10, "%", "<=", "!=", "=="]], id="marks"),
    ],
)
def test_reads_tokens(text: str, expected: list[list[object]]) -> None:
    assert expected == lex(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("keep $", "r:1:6: unexpected character '$'"),
        ("a = 1", "r:1:3: unexpected character '=' (write == to compare)"),
        ("a && b", "r:1:3: unexpected character '&&' (write: and)"),
        ("a || b", "r:1:3: unexpected character '||' (write: or)"),
        ("!a", "r:1:1: unexpected character '!' (write: not)"),
        ("x > 500ms", "r:1:5: '500ms' is not a number (durations are plain seconds, as in: duration > 0.5)"),
        ("1a: keep", "r:1:1: '1a' is not a number (names begin with a letter)"),
        ("x > 1.2.3", "r:1:5: '1.2.3' is not a number (durations are plain seconds, as in: duration > 0.5)"),
        (f"x > {2**63}", "r:1:5: a number is expected to fit 64 bits, got 9223372036854775808"),
        ("x > 1e999", "r:1:5: a number is expected to fit 64 bits, got 1e999"),
        ('x == "abc', 'r:1:6: text is not closed (end it with " on the same line)'),
        ("x == 'a\n'", "r:1:6: text is not closed (end it with ' on the same line)"),
        (r'x == "\d"', r"r:1:7: unknown escape '\d' (write \\ for a backslash)"),
        (f'x == "{"a" * 257}"', "r:1:6: text is expected to have at most 256 characters, got 257"),
        (f'x == "{"a" * 9999}"', "r:1:6: text is expected to have at most 256 characters, got 9999"),
        (f"{'a' * 257}", "r:1:1: a name is expected to have at most 256 characters, got 257"),
        ("a..b", "r:1:1: 'a..b' is not a name (parts are joined by one dot or hyphen, as in: http.route)"),
        ("keep if (a\n", "r:1:9: '(' is never closed (add ))"),
        ("keep if (a; drop", "r:1:9: '(' is never closed (add ))"),
        ("keep if (a\ndrop", "r:1:9: '(' is never closed (add ))"),
        ("keep if x[\nnext: drop", "r:1:10: '[' is never closed (add ])"),
    ],
)
def test_says_what_cannot_be_read(text: str, expected: str) -> None:
    assert expected == problems(text)[0]


def test_a_forgotten_bracket_costs_only_its_own_rule() -> None:
    report = Report("", "r")
    text = "keep if (a\ndrop if b\nkeep if (c\n\nd: head"
    rules = [(number, len(tokens)) for number, tokens in rules_of(text, report)]
    assert [(2, 4), (4, 4)] == rules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "a" * (MAX_TEXT + 1), "rules are expected to have at most 262144 characters, got 262145", id="text"
        ),
        pytest.param("keep\n" * (MAX_RULES + 1), "at most 1000 rules are expected", id="rules"),
        pytest.param("," * MAX_TEXT, f"a rule is expected to have at most {MAX_TOKENS} words and marks", id="tokens"),
        pytest.param("(" * MAX_TEXT, "brackets are expected to be nested at most 32 deep", id="nesting"),
    ],
)
def test_stops_at_its_bounds(text: str, message: str) -> None:
    assert message in problems(text)[-1]


def test_reads_up_to_its_bounds() -> None:
    assert MAX_RULES == len(lex("keep\n" * MAX_RULES))
    assert MAX_TOKENS == len(lex("," * MAX_TOKENS)[0])
    assert 2 * MAX_NESTING == len(lex("(" * MAX_NESTING + ")" * MAX_NESTING)[0])
    assert MAX_STRING == len(str(lex(f'"{"a" * MAX_STRING}"')[0][0]))


@given(st.text())
def test_any_text_is_read_or_refused_with_positions_inside_it(text: str) -> None:
    try:
        lex(text)
    except RuleError as error:
        lines = text.split("\n")
        for problem in error.problems:
            assert 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
