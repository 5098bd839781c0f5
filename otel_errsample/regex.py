"""The user's regular expressions, of rules and for scrubbing: RE2 or nothing.

Python's `re` backtracks with the GIL held: `(a+)+$` on 29 characters takes 15 s, and no other thread runs meanwhile.
RE2 is linear and refuses what cannot be.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

Search = Callable[[str], object]


class RegexUnavailable(Exception):
    """google-re2 is not installed."""


class RegexInvalid(Exception):
    """RE2 refuses the pattern; the text says why, and mostly behind a colon where."""


def compile_pattern(pattern: str, most_memory: int = 8 << 20) -> Any:
    """A pattern as google-re2 makes it, of at most so many bytes, whose matches know no groups.

    Raises RegexUnavailable or RegexInvalid.
    """
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


def compile_search(pattern: str) -> Search:
    """A function that returns None where the pattern occurs nowhere in a text; raises as `compile_pattern` does."""
    search: Search = compile_pattern(pattern).search
    return search
