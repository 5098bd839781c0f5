"""`otel-errsample check` names every problem, with its position and what to write instead."""

from __future__ import annotations

import pathlib

import pytest

from otel_errsample.errors import Problem
from tests.command import Command
from tests.wrong_rules import WRONG_RULES

# Those with one problem in one line that is shown as it is written.
WRONG = [
    (wrong.text, wrong.problems[0]) for wrong in WRONG_RULES if len(wrong.problems) == 1 and wrong.text.isprintable()
]


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
    one = command.write("one.rules", "keep if knd exists\n# fine\nb: drop\nc: keep 0 per second")
    two = command.write("two.rules", "keep if error")
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
    path = command.write("r.rules", "\ufeffkeep if error\r\ndrop\r\n")
    assert (0, f"{path}: 2 rules, no problem\n") == (command("check", path).code, command("check", path).out)
    assert (0, []) == (command("check", "--json", path).code, command("check", "--json", path).json)
    assert "<stdin>: 1 rule, no problem\n" == command("check", "-", stdin="drop").out


def test_json_is_the_list_of_problems(command: Command) -> None:
    done = command("check", "--json", "-", stdin="keep\nkep if \x1b[2J")
    assert 1 == done.code
    assert Problem("<stdin>", 2, 8, "", "unexpected invisible character U+001B", "leave it out") == Problem(
        **done.json[0]
    )
    assert "\x1b" not in done.out


def test_the_problems_of_a_yaml_file_have_their_place_in_it(command: Command) -> None:
    path = command.write("r.yaml", "settings:\n  flush_erors_ms: 5\nrules: |\n  a: drop\n  b: keep if knd exists\n")
    done = command("check", path)
    assert 1 == done.code
    assert [
        f"{path}:2:3: unknown setting 'flush_erors_ms' (did you mean 'flush_errors_ms'?)",
        "      flush_erors_ms: 5",
        "      ^^^^^^^^^^^^^^",
    ] == done.out.splitlines()[:3]
    assert "      b: keep if knd exists\n                 ^^^\n" in done.out


@pytest.mark.parametrize(
    ("line", "problem", "mark"),
    [
        pytest.param(
            "  scrub_patterns: ['fine', 'customer (?<!x)']",
            "2:38: 'scrub_patterns': this is refused by RE2: invalid perl operator (it has no look-around and no references)",
            "                                   ^^^^",
            id="a pattern",
        ),
        pytest.param(
            "  scrub_also: [quoted, ips]",
            "2:24: 'scrub_also': this is none of ip_addresses, phone_numbers, card_numbers, quoted",
            "                     ^^^",
            id="a name of a list",
        ),
    ],
)
def test_a_part_of_a_list_is_marked_where_it_is(command: Command, line: str, problem: str, mark: str) -> None:
    path = command.write("r.yaml", f"settings:\n{line}\n")
    expected = [f"{path}:{problem}", f"    {line}", f"      {mark}"]
    assert expected == command("check", path).out.splitlines()[:3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"keep\ndrop \xff", ":2:6: is expected to be UTF-8, got the byte 0xff", id="not UTF-8"),
        pytest.param(b"#" * (1 << 20) + b"#", ": is expected to have at most 1048576 bytes", id="huge"),
    ],
)
def test_what_is_no_rule_text_is_refused(command: Command, content: bytes, said: str) -> None:
    path = command.write("r.rules", content)
    assert (2, "", f"otel-errsample: {path}{said}\n") == (
        (done := command("check", path)).code,
        done.out,
        done.err,
    )
