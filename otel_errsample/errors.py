"""The exceptions this package raises; all of them at configuration time, none from a hook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ErrsampleError(Exception):
    """Base of every exception this package raises."""


class ConfigError(ErrsampleError, ValueError):
    """An argument given in code has a value that cannot be used."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a rule set.

    `source` names the text (a file, a variable or "<rules>"); `line` and `column` count from 1; `text` is the offending
    piece, cut to 60 characters; `hint` says what to write instead and may be empty.
    """

    source: str
    line: int
    column: int
    text: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.source}:{self.line}:{self.column}: {self.message}{hint}"


class RuleError(ErrsampleError, ValueError):
    """A rule set cannot be used; `problems` lists everything that is wrong with it, in the order of the text."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[RuleError], tuple[tuple[Problem, ...]]]:
        # The default would call RuleError with the message and fail: these cross process pools.
        return RuleError, (self.problems,)
