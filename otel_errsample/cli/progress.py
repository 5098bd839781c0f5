"""How far a long run is: a bar on the terminal, where rich is installed (the extra `cli`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(total: int | None) -> Iterator[Callable[[int], object]]:
    """Show a bar on stderr while the block runs; call what it gets with the bytes that are done.

    `total` is None where the size is not known. Without a terminal nothing is shown.
    """
    try:
        from rich import progress as rich_progress
        from rich.console import Console
    except ImportError:
        yield lambda _: None
        return
    console = Console(file=sys.stderr, no_color=bool(os.environ.get("NO_COLOR")))
    columns = (
        rich_progress.BarColumn(),
        rich_progress.DownloadColumn(binary_units=True),
        rich_progress.TransferSpeedColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    shown = console.is_terminal and not console.is_dumb_terminal
    with rich_progress.Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)
