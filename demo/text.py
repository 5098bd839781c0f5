"""Plain text for a terminal: aligned tables, bars, and colour only where it is wanted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import TextIO

LEAST_WIDTH = 80
MOST_WIDTH = 120
PIPED_WIDTH = 100
_GAP = "  "
_INDENT = "  "


class Style:
    """What the stream can show. Colour needs a terminal and no NO_COLOR (no-color.org: any value but the empty one)."""

    def __init__(self, stream: TextIO) -> None:
        self.tty = stream.isatty()
        self._colour = self.tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        columns = shutil.get_terminal_size((PIPED_WIDTH, 24)).columns if self.tty else PIPED_WIDTH
        self.width = min(max(columns, LEAST_WIDTH), MOST_WIDTH)
        self.block = "█" if (stream.encoding or "").lower().replace("-", "") == "utf8" else "#"

    def bold(self, text: str) -> str:
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        return self._paint("2", text)

    def good(self, text: str) -> str:
        return self._paint("32", text)

    def bad(self, text: str) -> str:
        return self._paint("1;31", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def table(style: Style, columns: Sequence[str], rows: Sequence[Sequence[str | int]]) -> list[str]:
    """Lines of an aligned table under its column names, numbers to the right, no line longer than `style.width`.

    What does not fit is taken from the widest column, again and again, and marked with "..".
    """
    cells = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    room = style.width - len(_INDENT) - len(_GAP) * (len(columns) - 1)
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    numeric = [bool(rows) and isinstance(cell, int) for cell in (rows[0] if rows else columns)]

    def line(row: Sequence[str]) -> str:
        aligned = zip((cut(cell, width) for cell, width in zip(row, widths, strict=True)), widths, numeric, strict=True)
        return (_INDENT + _GAP.join(f"{cell:>{w}}" if right else f"{cell:<{w}}" for cell, w, right in aligned)).rstrip()

    return [style.dim(line(columns)), *(line(row) for row in cells)]


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 2, 0)] + ".."[:width]


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def bar(style: Style, part: int, whole: int, width: int) -> str:
    """As long as the share is large; the smallest share that is not nothing still shows."""
    if not part:
        return ""
    return style.block * max(1, round(width * part / whole))


def size(count: int) -> str:
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"
