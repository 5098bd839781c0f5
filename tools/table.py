"""Tables of Markdown, for what is generated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(row_of(cells) for cells in (head, ["---"] * len(head), *rows))


def row_of(cells: Iterable[str]) -> str:
    """One row; a `|` in a cell is escaped."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
