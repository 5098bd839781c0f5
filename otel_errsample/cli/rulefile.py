"""The rule set that an argument names."""

from __future__ import annotations

from typing import Final

from otel_errsample.cli.files import name_of, read_text
from otel_errsample.rules import Rules

# Rules.parse bounds the characters; this bounds what is read before they are counted.
_MOST_BYTES: Final = 1 << 20


def load(path: str, texts: dict[str, str]) -> Rules:
    """The rules in a file, as written, without the default ones; notes the text in `texts`, for messages.

    Raises RuleError with all problems, and Unreadable.
    """
    text = read_text(path, _MOST_BYTES)
    texts[name_of(path)] = text
    return Rules.parse(text, name_of(path))
