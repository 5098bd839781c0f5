"""How far the run is: one line that is rewritten on a terminal, a few plain ones anywhere else."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Final, TextIO

REDRAW: Final = 0.1
"""Seconds between two drawings on a terminal; ten a second look steady and cost nothing."""
PLAIN_STEPS: Final = 4
_BAR: Final = 16


class Progress:
    """Call it with how many of `total` are done and a word about them; `close` when it is over."""

    def __init__(self, stream: TextIO, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._total = max(total, 1)
        self._clock = clock
        self._tty = stream.isatty()
        self._next_drawing = 0.0
        self._next_step = 1

    def __call__(self, done: int, about: Callable[[], str]) -> None:
        if self._tty:
            if self._clock() >= self._next_drawing:
                self._next_drawing = self._clock() + REDRAW
                line = f"  {self._bar(done)} {done:,} of {self._total:,}   {about()}"
                # A line that wraps could not be rewritten.
                self._stream.write(f"\r\x1b[2K{line[: shutil.get_terminal_size().columns - 1]}")
                self._stream.flush()
        elif done * PLAIN_STEPS >= self._next_step * self._total:
            self._next_step = done * PLAIN_STEPS // self._total + 1
            self._stream.write(f"  {done:>7,} of {self._total:,} requests   {about()}\n")
            self._stream.flush()

    def close(self) -> None:
        if self._tty:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()

    def _bar(self, done: int) -> str:
        filled = _BAR * done // self._total
        return "[" + "=" * filled + " " * (_BAR - filled) + "]"
