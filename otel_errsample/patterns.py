"""What the user has taken out of messages besides, by patterns of their own: checked at start, run by RE2."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from otel_errsample.regex import Regex, RegexInvalid, RegexUnavailable
from otel_errsample.scrub import REDACTED
from otel_errsample.setting import Flaw

LONGEST_PATTERN: Final = 512
# Instructions of its program: what RE2 takes at most for one character of a text, in the worst case.
_LARGEST: Final = 5000
# Bytes for the states of one pattern, and of all together: fewer make RE2 take its slow way sooner.
_MEMORY: Final = 1 << 20
_MEMORY_OF_ALL: Final = 16 << 20
# Characters that one pattern is led over for the matches in one text: each match looks ahead, if need be to the end.
MOST_WORK: Final = 32 * 49_152

# Whatever matches nothing matches it in one of these.
_SAMPLES: Final = ("", "a", " ", "a b_1\n- é")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def flaw(pattern: str) -> Flaw | None:
    """Why a pattern cannot be used."""
    if not 0 < len(pattern) <= LONGEST_PATTERN:
        return Flaw(pattern, f"is expected to have 1 to {LONGEST_PATTERN} characters")
    try:
        for text in (pattern, _within_lines(pattern)):
            regex = Regex(text, _MEMORY)
    except RegexUnavailable:
        return Flaw(pattern, "needs RE2, which is not installed", hint="pip install 'otel-errsample[re2]'")
    except RegexInvalid as error:
        reason, _, piece = str(error).partition(": ")
        around = reason == "invalid perl operator" or reason == "invalid escape sequence"
        return Flaw(
            pattern, f"is refused by RE2: {reason}", piece, "it has no look-around and no references" if around else ""
        )
    if regex.size > _LARGEST:
        return Flaw(pattern, "is too large", hint="fewer repetitions of less")
    if any(start == end for text in _SAMPLES for start, end in regex.spans(text)):
        return Flaw(
            pattern, "matches where there is nothing", hint="say what has to stand there at least, as in x+ for x*"
        )
    return None


class Patterns:
    """Some patterns, all of them without a flaw. `^` and `$` stand for the ends of a line.

    A text is looked at as it is, and once more from `behind`, the place behind `ValueError: `, where a `^` may mean that.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        each = [_within_lines(pattern) for pattern in patterns]
        self._any = Regex("|".join(each), _MEMORY_OF_ALL)
        self._each = [Regex(pattern, _MEMORY) for pattern in each]
        self._anchored = any("^" in pattern or "\\A" in pattern for pattern in patterns)

    @classmethod
    def of(cls, patterns: Sequence[str]) -> Patterns | None:
        """None for none."""
        return cls(patterns) if patterns else None

    def occur(self, text: str, behind: int) -> bool:
        """Whether one of them matches anything that was not taken out before."""
        if all(self._any.search(part) is None for _, part in self._parts(text, behind)):
            return False
        return bool(self.find(text, behind))  # a mark of what was taken out may be all there is

    def find(self, text: str, behind: int) -> list[tuple[int, int]]:
        """Where the matches of each start and end, in order; they may overlap."""
        return sorted(
            (at + start, at + end)
            for at, part in self._parts(text, behind)
            for regex in self._each
            for start, end in _matches(regex, part)
            if not _is_redacted(part, start, end)
        )

    def _parts(self, text: str, behind: int) -> Iterator[tuple[int, str]]:
        if not text.isascii():
            text = _SURROGATE.sub("\ufffd", text)  # which UTF-8 has none of
        yield 0, text
        if behind and self._anchored:
            yield behind, text[behind:]


def _within_lines(pattern: str) -> str:
    return f"(?m:{pattern})"


def _matches(regex: Regex, text: str) -> Iterator[tuple[int, int]]:
    """Starts and ends; where there are so many that it takes too long, the last reaches to the end of the text."""
    work = at = 0
    for start, end in regex.spans(text):
        work += len(text) - at
        if work > MOST_WORK:
            yield start, len(text)
            return
        yield start, end
        at = end


def _is_redacted(text: str, start: int, end: int) -> bool:
    """Whether all of it is a mark of what was taken out before, or nothing."""
    if start == end:
        return True
    at = text.find(REDACTED, max(0, end - len(REDACTED)), start + len(REDACTED))
    return 0 <= at <= start and end <= at + len(REDACTED)
