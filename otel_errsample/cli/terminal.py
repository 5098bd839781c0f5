"""What a terminal is given: nothing it would obey or hide, and colour only where it is wanted."""

from __future__ import annotations

import json
import os
import shutil
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Any, Final, TextIO

Piece = str | tuple[str, str]
"""A text, alone or with one of STYLES."""

STYLES: Final = {"bad": "bold red", "good": "green", "name": "cyan", "strong": "bold", "dim": "dim"}
CUT: Final = "..."
PIPED_WIDTH: Final = 100
_LEAST_WIDTH: Final = 60
_LEAST_FIRST: Final = 8
_GAP: Final = "  "


def safe(text: str) -> str:
    """The text on one line, every character that is not printable written as an escape.

    Recorded spans and file names hold what anybody put into them: escape sequences, line breaks, characters that
    reverse the direction of writing, lone surrogates.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )


def columns(text: str) -> int:
    """How many columns a terminal gives the text."""
    return sum(_columns(letter) for letter in text)


def cut(text: str, width: int) -> str:
    """The text, or as much of it as fits `width` columns together with the mark that says so."""
    if columns(text) <= width:
        return text
    room = width - len(CUT)
    kept = 0
    for letter in text:
        room -= _columns(letter)
        if room < 0:
            break
        kept += 1
    return text[:kept] + CUT


def _columns(letter: str) -> int:
    return 0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")


def table(head: Sequence[str], rows: Sequence[Sequence[Piece]], width: int) -> list[list[Piece]]:
    """Aligned lines under their heads, the first column to the left and the others to the right.

    What does not fit is taken from the first column.
    """
    cells = [[(piece, "") if isinstance(piece, str) else piece for piece in row] for row in rows]
    for row in cells:
        row[0] = (safe(row[0][0]), row[0][1])
    widths = [
        max(map(columns, texts)) for texts in zip(head, *([text for text, _ in row] for row in cells), strict=True)
    ]
    widths[0] = max(min(widths[0], width - sum(widths[1:]) - len(_GAP) * (len(widths) - 1)), _LEAST_FIRST)
    lines: list[list[Piece]] = []
    for row in [[(text, "dim") for text in head], *cells]:
        (first, style), *others = row
        first = cut(first, widths[0])
        line: list[Piece] = [(first + " " * (widths[0] - columns(first)), style)]
        line += [(_GAP + text.rjust(size), style) for (text, style), size in zip(others, widths[1:], strict=True)]
        lines.append(line)
    return lines


class Screen:
    """Lines of a stream. `terminal` is whether a person watches, `width` how many columns there are to fill."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.terminal = stream.isatty()
        columns = shutil.get_terminal_size((80, 24)).columns if self.terminal else PIPED_WIDTH
        self.width = max(columns, _LEAST_WIDTH)
        self._console = _console(stream) if self.terminal else None

    def line(self, *pieces: Piece) -> None:
        """Write one line; everything in the pieces is made safe here, so that no caller can forget it."""
        parts = [(safe(piece), "") if isinstance(piece, str) else (safe(piece[0]), piece[1]) for piece in pieces]
        if self._console is None:
            self._stream.write("".join(text for text, _ in parts) + "\n")
        else:
            from rich.text import Text

            styled = [(text, STYLES[style]) if style else text for text, style in parts]
            self._console.print(Text.assemble(*styled))

    def wrapped(self, lead: Sequence[Piece], text: str) -> None:
        """Write a line that goes on under the beginning of its text, where a terminal would break it anywhere."""
        indent = sum(columns(safe(piece if isinstance(piece, str) else piece[0])) for piece in lead)
        lines = [safe(text)]
        if self.terminal:
            lines = textwrap.wrap(lines[0], max(self.width - indent, 20), break_on_hyphens=False) or [""]
        self.line(*lead, lines[0])
        for line in lines[1:]:
            self.line(" " * indent, line)

    def json(self, value: object) -> None:
        """Write a value for a program; everything beyond ASCII is escaped."""
        self._stream.write(json.dumps(value, indent=2) + "\n")


def _console(stream: TextIO) -> Any:
    """The console of rich, where that is installed (the extra `cli`) and colour is wanted; see no-color.org."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
