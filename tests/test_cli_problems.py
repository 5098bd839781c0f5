"""Problems are shown with the line and a mark under the piece, however long or odd the line is."""

from __future__ import annotations

import io

import pytest

from otel_errsample.cli.problems import excerpt, show
from otel_errsample.cli.terminal import Screen, columns
from otel_errsample.errors import Problem
from tests.command import Terminal


def problem(column: int, text: str) -> Problem:
    return Problem("r", 1, column, text, "is wrong")


@pytest.mark.parametrize(
    ("line", "at", "text", "expected"),
    [
        pytest.param("keep if x", 9, "x", ("keep if x", 8, "^"), id="plain"),
        pytest.param("keep if", 8, "", ("keep if", 7, "^"), id="behind the end"),
        pytest.param("\tkeep \x1b x", 9, "x", (r"\tkeep \x1b x", 12, "^"), id="escapes"),
        pytest.param('"日本" xyz', 6, "xyz", ('"日本" xyz', 7, "^^^"), id="wide"),
        pytest.param('"e\u0301" x', 6, "x", ('"e\u0301" x', 4, "^"), id="combining"),
        pytest.param("kep", 1, "kep\nand more", ("kep", 0, "^^^"), id="over lines"),
    ],
)
def test_the_mark_is_under_the_piece(line: str, at: int, text: str, expected: tuple[str, int, str]) -> None:
    assert expected == excerpt(line, problem(at, text), 40)


def test_a_line_that_fits_is_shown_whole_wherever_the_piece_is() -> None:
    assert ("y" * 37 + "abc", 37, "^^^") == excerpt("y" * 37 + "abc", problem(38, "abc"), 40)
    text, before, mark = excerpt("y" * 38 + "abc", problem(39, "abc"), 40)
    assert ("..." + "y" * 10 + "abc", 13, "^^^") == (text, before, mark)


def test_on_a_terminal_a_long_message_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    show([Problem("r", 1, 1, "kep", "word " * 20, "hint")], {"r": "kep"}, Screen(out))
    *message, line, mark = out.getvalue().splitlines()
    assert ["r:1:1:", "word"] == message[0].split()[:2]
    assert 60 >= max(map(len, message))
    assert message[-1].endswith("(hint)")
    assert ("    kep", "    ^^^") == (line, mark)


@pytest.mark.parametrize("letter", ["x", "日", "\x1b"])
@pytest.mark.parametrize("at", [0, 3, 19, 20, 21, 500, 9_990, 9_999])
def test_of_a_long_line_the_part_around_the_piece_is_shown(letter: str, at: int) -> None:
    line = letter * at + "PIECE" + letter * (10_000 - at)
    text, before, mark = excerpt(line, problem(at + 1, "PIECE"), 40)
    assert columns(text) <= 40
    assert columns(text[: text.index("PIECE")]) == before
    assert "^^^^^" == mark


def test_a_mark_does_not_leave_the_screen() -> None:
    text, before, mark = excerpt("y" * 100, problem(1, "y" * 60), 40)
    assert ("y" * 37 + "...", 0, "^" * 40) == (text, before, mark)


def test_a_text_that_is_not_known_is_not_shown() -> None:
    out = io.StringIO()
    show([problem(1, "x")], {}, Screen(out))
    assert "r:1:1: is wrong\n" == out.getvalue()
