"""`otel-errsample check` names every problem, with its position and what to write instead."""

from __future__ import annotations

import pathlib

import pytest

from otel_errsample.errors import Problem
from tests.command import Command

WRONG = [
    ("kep", "1:1: expected an action, got 'kep' (did you mean 'keep'?)"),
    ("keep error", "1:6: expected 'if' before the condition, got 'error' (write: keep if error ...)"),
    ("keep if", "1:8: expected a condition after 'if', got the end of the rule"),
    ('keep if knd == "bug"', "1:9: unknown fact 'knd' (did you mean 'kind'?)"),
    ('keep if tenant == "x"', """1:9: unknown fact 'tenant' (for an attribute without a dot write: attributes["tenant"])"""),
    ('keep if kind == "tiemout"', "1:17: 'kind' is never \"tiemout\" (did you mean 'timeout'?)"),
    ("keep if kind == transient", '1:17: expected a value after \'==\', got \'transient\' (put text in quotes: "transient")'),
    ("keep if kind in transient_", "1:17: unknown view 'transient_' (did you mean 'transient'?)"),
    ("keep if fault in transient", "1:9: 'transient' is a view over kind, got 'fault' (write: kind in transient)"),
    ("keep if severity >= 3", "1:21: 'severity' never compares with 3 (write a name in quotes, one of debug, info, warn, error, fatal)"),
    ('keep if severity > "fatal"', "1:9: 'severity > \"fatal\"' is never true"),
    ('keep if kind > "bug"', "1:9: 'kind' is tested with ==, !=, in and not in, got '>'"),
    ("keep if message", "1:9: expected an operator after 'message' (write: message exists)"),
    ("keep if error exists", "1:9: 'error' always exists (write: error)"),
    ("keep if message contains 5", "1:26: 'contains' expects text in quotes, got 5"),
    ("keep if duration > 2s", "1:20: '2s' is not a number (durations are plain seconds, as in: duration > 0.5)"),
    ('keep if duration > "2"', "1:20: 'duration' is a number of seconds and never compares with \"2\""),
    ("keep if code == 503", "1:17: 'code' is text and never compares with 503 (write: \"http:503\")"),
    ("keep if 1 < duration < 2", "1:9: expected a fact or an attribute, got '1' (the fact comes first, as in: duration > 2.0)"),
    ("keep if duration > 1 < 2", "1:22: comparisons do not chain (join two comparisons with 'and')"),
    ("keep if error = true", "1:15: unexpected character '=' (write == to compare)"),
    ("keep if error && root", "1:15: unexpected character '&&' (write: and)"),
    ('keep if name == "x', "1:17: text is not closed (end it with \" on the same line)"),
    ("keep if (error", "1:9: '(' is never closed"),
    ('keep if name is ValueError', "1:9: 'is' tests the class of exception or cause, got 'name' (compare with ==)"),
    ('keep if exception is "ValueError"', "1:22: expected the name of a class after 'is', got '\"ValueError\"' (write it without quotes)"),
    ("keep 150%", "1:6: a percentage is expected between 0 and 100, got 150"),
    ("keep 0 per second", "1:6: a limit of 0 keeps nothing (write: drop)"),
    ("keep 1 per minutes", "1:12: unknown unit 'minutes' (did you mean 'minute'?)"),
    ("keep 1 per hour by fingerprnt", "1:20: 'fingerprnt' is not a key of a limit (did you mean 'fingerprint'?)"),
    ("keep first 3 per minute", "1:24: expected 'then' and a percentage after 'first N per UNIT', got the end of the rule (write, for instance: then 5%)"),
    ("keep; drop if error", "1:7: rule 'rule_2' is never reached: 'rule_1' before it has no condition (move it up, or give the earlier rule a condition)"),
    ("a: keep if error; a: drop", "1:19: rule name 'a' is used twice (give one of the two another name)"),
]  # fmt: skip


@pytest.fixture
def command(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(tmp_path, monkeypatch)


def test_thirty_mistakes_are_looked_at() -> None:
    assert 30 <= len(WRONG)


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=[text for text, _ in WRONG])
def test_a_mistake_is_named_with_its_position_and_shown(command: Command, text: str, expected: str) -> None:
    done = command("check", "-", stdin=text)
    first, line, mark, count = done.out.splitlines()
    assert (1, "", f"<stdin>:{expected}") == (done.code, done.err, first)
    assert ("    " + text, "1 problem") == (line, count)
    column = int(expected.split(":")[1])
    assert 4 + column - 1 == mark.index("^")
    assert {"^"} == set(mark.strip())


def test_all_problems_of_all_files_are_reported_in_order(command: Command) -> None:
    one = command.write("one", "keep if knd exists\n# fine\nb: drop\nc: keep 0 per second")
    two = command.write("two", "keep if error")
    moved = "(move it up, or give the earlier rule a condition)"
    done = command("check", one, two)
    assert 1 == done.code
    assert [
        f"{one}:1:9: unknown fact 'knd' (did you mean 'kind'?)",
        f"{one}:4:1: rule 'c' is never reached: 'b' before it has no condition {moved}",
        f"{one}:4:9: a limit of 0 keeps nothing (write: drop)",
        f"{two}: 1 rule, no problem",
        "3 problems",
    ] == [line for line in done.out.splitlines() if not line.startswith(" ")]


def test_sound_rules_are_no_problem(command: Command) -> None:
    path = command.write("r", "\ufeffkeep if error\r\ndrop\r\n")
    assert (0, f"{path}: 2 rules, no problem\n") == (command("check", path).code, command("check", path).out)
    assert (0, []) == (command("check", "--json", path).code, command("check", "--json", path).json)


def test_json_is_the_list_of_problems(command: Command) -> None:
    done = command("check", "--json", "-", stdin="keep\nkep if \x1b[2J")
    assert 1 == done.code
    assert Problem("<stdin>", 2, 8, "\x1b", "unexpected character '\x1b'") == Problem(**done.json[0])
    assert "\x1b" not in done.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"keep\ndrop \xff", ":2:6: is expected to be UTF-8, got the byte 0xff", id="not UTF-8"),
        pytest.param(b"#" * (1 << 20) + b"#", ": is expected to have at most 1048576 bytes", id="huge"),
    ],
)
def test_what_is_no_rule_text_is_refused(command: Command, content: bytes, said: str) -> None:
    path = command.write("r", content)
    assert (2, "", f"otel-errsample: {path}{said}\n") == (
        (done := command("check", path)).code,
        done.out,
        done.err,
    )
