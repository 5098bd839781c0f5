"""Problems of a rule set as a person reads them: the message, the line, and a mark under the piece."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from otel_errsample.cli.terminal import CUT, Screen, columns, cut, safe
from otel_errsample.errors import Problem

_INDENT: Final = "    "


def show(problems: Iterable[Problem], texts: Mapping[str, str], screen: Screen) -> None:
    """Write the problems; `texts` holds the rule text of each source, where it is known."""
    for problem in problems:
        place = f"{problem.source}:{problem.line}:{problem.column}: "
        hint = f" ({problem.hint})" if problem.hint else ""
        if screen.terminal and columns(safe(place + problem.message + hint)) > screen.width:
            screen.wrapped([], place + problem.message + hint)
        else:
            screen.line((place, "strong"), (problem.message, "bad"), hint)
        if problem.source in texts:
            lines = texts[problem.source].split("\n")
            line, before, mark = excerpt(lines[problem.line - 1], problem, screen.width - len(_INDENT))
            screen.line(_INDENT, line)
            screen.line(_INDENT, " " * before, (mark, "bad"))


def excerpt(line: str, problem: Problem, width: int) -> tuple[str, int, str]:
    """As much of the line as fits, how many columns there are before the piece, and the mark under it.

    A rule set from a variable is one line, however long: then the piece is shown with what is around it.
    """
    at = problem.column - 1
    fits = len(line) <= width and columns(safe(line)) <= width
    before = safe(line[max(0, at - width) : at])
    if not fits and (at > width or columns(before) > width // 2):
        before = CUT + before[-(width // 4) :]
    text = cut(before + safe(line[at : at + width + 1]), width)
    piece = safe(problem.text.split("\n", 1)[0])
    return text, columns(before), "^" * max(1, min(columns(piece), width - columns(before)))
