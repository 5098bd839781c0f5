"""What is wrong with a rule set: collected with positions, raised at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Final, NoReturn

from otel_errsample.errors import Problem, RuleError

# Enough for any honest mistake; beyond it the text is not a rule set, and finding all of it would cost time.
MAX_PROBLEMS: Final = 50


class Report:
    """The problems found so far in one text."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source
        self._found: list[tuple[int, Problem]] = []
        self._origin: Callable[[int], int] | None = None

    def within(self, origin: Callable[[int], int]) -> Report:
        """For a text inside this one: `origin` tells where its characters stand. What it finds is found here too."""
        inner = Report(self._text, self._source)
        inner._found = self._found
        inner._origin = origin
        return inner

    def __len__(self) -> int:
        return len(self._found)

    def add(self, at: int, text: str, message: str, hint: str = "") -> None:
        """Note a problem with the piece `text` at offset `at`; the fiftieth ends the search."""
        if self._origin is not None:
            at = self._origin(at)
        line = self._text.count("\n", 0, at) + 1
        column = at - self._text.rfind("\n", 0, at)
        self._found.append(
            (at, Problem(self._source, line, column, _shown(text[:60])[:60], _shown(message), _shown(hint)))
        )
        if len(self._found) == MAX_PROBLEMS:
            self.finish()

    def stop(self, at: int, text: str, message: str, hint: str = "") -> NoReturn:
        """Note a bound that is exceeded and end the search: reading on would cost what the bound forbids."""
        self.add(at, text, message, hint)
        raise RuleError(self._sorted())

    def finish(self) -> None:
        """Raise RuleError if there is any problem."""
        if self._found:
            raise RuleError(self._sorted())

    def _sorted(self) -> list[Problem]:
        return [problem for _, problem in sorted(self._found, key=lambda found: found[0])]


def _shown(text: str) -> str:
    """What a terminal and a log line may show: by an escape of YAML any character comes into a message."""
    return text if text.isprintable() else "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def did_you_mean(word: str, choices: Iterable[str], nearness: float = 0.6) -> str:
    """The hint for a misspelt word: the nearest of the choices, or empty."""
    # difflib is quadratic in the length of the word, and nobody misspells a name of 40 characters into a match.
    spelled = {choice.lower(): choice for choice in choices}
    near = get_close_matches(word.lower(), spelled, 1, nearness) if len(word) <= 40 else []
    return f"did you mean '{spelled[near[0]]}'?" if near else ""
