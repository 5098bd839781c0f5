"""The user's regular expressions, of rules and for scrubbing: RE2 or nothing.

Python's `re` backtracks with the GIL held: `(a+)+$` on 29 characters takes 15 s, and no other thread runs meanwhile.
RE2 is linear and refuses what cannot be.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from typing import Any, Final

# A child keeps what it cannot use: to free it would take the locks that are the matter with it.
_left_behind: Final[list[object]] = []


class RegexUnavailable(Exception):
    """google-re2 is not installed."""


class RegexInvalid(Exception):
    """RE2 refuses the pattern; the text says why, and mostly behind a colon where."""


class Regex:
    """A pattern that takes at most `most_memory` bytes, and whose matches know no groups.

    A child process compiles it again. RE2 works without the GIL, so that a thread may be at it while another one
    forks, and then its locks stay locked in the child: of a hundred children 99 hung at a pattern with many states.

    Raises RegexUnavailable or RegexInvalid.
    """

    def __init__(self, pattern: str, most_memory: int = 8 << 20) -> None:
        self._pattern = pattern
        self._most_memory = most_memory
        self._process = os.getpid()
        self._compiled = _compiled(pattern, most_memory)

    def search(self, text: str) -> object:
        """None where the pattern occurs nowhere in the text."""
        return self._own().search(text)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where its matches start and end, from left to right."""
        return (match.span() for match in self._own().finditer(text))

    @property
    def size(self) -> int:
        """Instructions of its program: what one character of a text takes at most."""
        size: int = self._compiled.programsize
        return size

    def _own(self) -> Any:
        process = os.getpid()
        if process != self._process:
            _left_behind.append(self._compiled)
            self._most_memory += 1  # google-re2 has a cache, which would answer with the same again
            self._compiled = _compiled(self._pattern, self._most_memory)
            self._process = process
        return self._compiled


def _compiled(pattern: str, most_memory: int) -> Any:
    try:
        re2: Any = importlib.import_module("re2")
        options = re2.Options()
    except (ImportError, AttributeError):
        # pyre2 has the same module name, no Options, and falls back to `re`: as good as nothing.
        raise RegexUnavailable from None
    options.log_errors = False
    options.never_capture = True
    options.max_mem = most_memory
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        raise RegexInvalid(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from None
    except UnicodeEncodeError:
        raise RegexInvalid("not encodable as UTF-8") from None
