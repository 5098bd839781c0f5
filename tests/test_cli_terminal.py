"""Nothing a terminal would obey gets out, and colour only where it is wanted."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample.cli.terminal import Screen, columns, cut, safe, table
from tests.command import Terminal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é 日本", "plain é 日本"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b31m", r"\x9b31m"),
        ("a\r\nb\t", r"a\r\nb\t"),
        ("\x00\x07\x08\x7f", r"\x00\x07\x08\x7f"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_what_a_terminal_obeys_or_hides_is_written_out(text: str, expected: str) -> None:
    assert expected == safe(text)


@given(st.text())
def test_what_is_written_is_printable_and_one_line(text: str) -> None:
    out = io.StringIO()
    Screen(out).line(text, (text, "bad"))
    assert out.getvalue().removesuffix("\n").isprintable()


@given(st.text(), st.integers(3, 20))
def test_a_cut_text_fits(text: str, width: int) -> None:
    shown = cut(safe(text), width)
    assert columns(shown) <= width
    assert shown == safe(text) or shown.endswith("...")


@pytest.fixture
def coloured(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    return monkeypatch


def written(stream: io.StringIO) -> str:
    Screen(stream).line("a ", ("\x1b]0;evil\x07", "bad"), " [red] :smile: " + "x" * 60)
    return stream.getvalue()


PLAIN = r"a \x1b]0;evil\x07 [red] :smile: " + "x" * 60 + "\n"


def test_a_terminal_gets_colour_and_lines_as_they_are(coloured: pytest.MonkeyPatch) -> None:
    assert PLAIN.replace("\\x1b", "\x1b[1;31m\\x1b").replace(" [red]", "\x1b[0m [red]") == written(Terminal())
    assert 60 == Screen(Terminal()).width, "never narrower than tables can be"


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_declined(coloured: pytest.MonkeyPatch, variable: str, value: str) -> None:
    coloured.setenv(variable, value)
    assert PLAIN == written(Terminal())


def test_an_empty_no_color_declines_nothing(coloured: pytest.MonkeyPatch) -> None:
    coloured.setenv("NO_COLOR", "")
    assert PLAIN != written(Terminal())


def test_without_rich_and_without_a_terminal_there_is_none(coloured: pytest.MonkeyPatch) -> None:
    assert PLAIN == written(io.StringIO())
    coloured.setitem(sys.modules, "rich.console", None)
    assert PLAIN == written(Terminal())


def test_a_table_is_aligned_and_takes_what_is_too_wide_from_the_first_column() -> None:
    out = io.StringIO()
    for line in table(("rule", "n"), [("日本 \x1b " + "x" * 20, "1,234"), (("b", "dim"), "5")], 24):
        Screen(out).line(*line)
    assert [
        "rule                   n",
        r"日本 \x1b xxxx...  1,234",
        "b                      5",
    ] == out.getvalue().splitlines()


def test_a_wrapped_line_goes_on_under_its_text(coloured: pytest.MonkeyPatch) -> None:
    coloured.setenv("NO_COLOR", "1")
    coloured.setenv("COLUMNS", "60")
    out = Terminal()
    Screen(out).wrapped(["  ", ("日本: ", "bad")], "word-word " * 20)
    assert 60 >= max(map(columns, out.getvalue().splitlines()))
    assert {"        word-word"} == {line[:17] for line in out.getvalue().splitlines()[1:]}
    assert out.getvalue().startswith("  日本: word-word")
    piped = io.StringIO()
    Screen(piped).wrapped([], "word " * 60)
    assert 1 == len(piped.getvalue().splitlines())


def test_json_is_ascii() -> None:
    out = io.StringIO()
    Screen(out).json({"a": "\x1bé\ud800"})
    assert '{\n  "a": "\\u001b\\u00e9\\ud800"\n}\n' == out.getvalue()
