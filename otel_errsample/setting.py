"""One setting: what it takes from code, from a file and from the environment, and what it says of anything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from otel_errsample.errors import ConfigError

Warn = Callable[[str, str], None]
"""Called with the variable's name and a message that never holds its value."""

_WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)


class Flaw(NamedTuple):
    """What is wrong with a part of a list: `message` follows its name, `piece` is where it is, empty if nowhere."""

    part: str
    message: str
    piece: str = ""
    hint: str = ""


class Setting(NamedTuple):
    """One row: `argument` is its name in code and the field of `Settings`.

    `default` decides the type: bool, int (with `unit`, `low` and `high`), str (one of `choices` where there are any),
    or a tuple of str, in the environment with `separator` between them: of `choices`, or `parts` where they have to be
    something else than any text, `pattern` to tell so in a schema, `fits` exactly, or `flaw`, which knows why not; at
    most `high` of them, unless 0. `guards`: to ignore what was asked for would let out what has to stay.
    """

    argument: str
    variable: str
    default: bool | int | str | tuple[str, ...]
    help: str
    unit: str = ""
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    parts: str = ""
    pattern: str = ""
    fits: Callable[[str], bool] = bool
    flaw: Callable[[str], Flaw | None] = lambda _: None
    separator: str = ","
    guards: bool = False

    @property
    def expectation(self) -> str:
        """What a value has to be, for messages and the table."""
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, int):
            return f"a whole number of {self.unit} from {self.low} to {self.high}"
        if isinstance(self.default, tuple):
            what = self.listed and f" of {self.listed}"
            return f"a comma separated list{what}" if self.separator == "," else f"a list{what}, one a line"
        return f"one of {', '.join(self.choices)}" if self.choices else "text"

    @property
    def listed(self) -> str:
        """What the parts of a list have to be, empty for any text."""
        return f"{f'at most {self.high} ' if self.high else ''}{self.parts or ', '.join(self.choices)}"

    def accepted(self, value: object) -> object:
        """A value given in code or in a file, as it is used; None where it is not as expected."""
        if isinstance(self.default, str):
            return value if isinstance(value, str) and (not self.choices or value in self.choices) else None
        if isinstance(self.default, tuple):
            if not isinstance(value, (list, tuple)) or 0 < self.high < len(value):
                return None
            return tuple(value) if all(map(self._has, value)) else None
        if isinstance(self.default, bool):
            return value if isinstance(value, bool) else None
        fits = isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high
        return value if fits else None

    def _has(self, part: object) -> bool:
        if not isinstance(part, str) or (self.choices and part not in self.choices):
            return False
        return self.fits(part) and self.flaw(part) is None

    def flaws(self, value: object) -> list[tuple[int, Flaw]]:
        """The parts of a list of which is known what is wrong with them, counted from 0; none of one that is too long."""
        if not isinstance(value, (list, tuple)) or 0 < self.high < len(value):
            return []
        found = ((place, self.flaw(part)) for place, part in enumerate(value) if isinstance(part, str))
        return [(place, flaw) for place, flaw in found if flaw is not None]

    def from_text(self, text: str, fallback: object, warn: Warn) -> object:
        """A value from the environment; what holds without the variable, or a bound, after a warning where it is bad."""
        text = text.strip()
        if not text:
            return fallback
        if isinstance(self.default, str):
            # The specification of OpenTelemetry's variables wants the members of an enum read whatever their case.
            text = text.lower() if self.choices else text
            return text if self.accepted(text) is not None else self._refused(fallback, str(fallback), warn)
        if isinstance(self.default, tuple):
            return self._list_from_text(text, fallback, warn)
        if isinstance(self.default, bool):
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
            return self._refused(fallback, str(fallback).lower(), warn)
        if _WHOLE_NUMBER.fullmatch(text) is None:
            return self._refused(fallback, str(fallback), warn)
        number = int(text)
        bounded = min(max(number, self.low), self.high)
        if bounded != number:
            message = f"is expected to be {self.expectation}; {bounded} is used (default {self.default})"
            warn(self.variable, message)
        return bounded

    def _list_from_text(self, text: str, fallback: object, warn: Warn) -> object:
        listed = tuple(part for part in map(str.strip, text.split(self.separator)) if part)
        if self.accepted(listed) is not None:
            return listed
        why = "" if 0 < self.high < len(listed) else self._first_flaw(listed)
        used = ", ".join(fallback) if isinstance(fallback, tuple) and not self.guards else ""
        return self._refused(fallback, used or "empty list", warn, why)

    def _first_flaw(self, listed: tuple[str, ...]) -> str:
        place, part = next((place, part) for place, part in enumerate(listed) if not self._has(part))
        flaw = self.flaw(part) or Flaw(part, "is none of these")
        return f"; number {place + 1} {flaw.message}{flaw.hint and f' ({flaw.hint})'}"

    def _refused(self, fallback: object, used: str, warn: Warn, why: str = "") -> object:
        origin = "the default" if fallback == self.default else "the file's"
        then = "scrub is strict therefore, unless it is off" if self.guards else f"{origin} {used} is used"
        warn(self.variable, f"is expected to be {self.expectation}{why}; {then}")
        return fallback

    def checked(self, value: object) -> object:
        """A value given in code, as it is used. Raises ConfigError where it is not as expected."""
        accepted = self.accepted(value)
        if accepted is not None:
            return accepted
        for place, flaw in self.flaws(value):
            at = f" at {flaw.piece!r}" if flaw.piece not in ("", flaw.part) else ""
            hint = flaw.hint and f"; hint: {flaw.hint}"
            raise ConfigError(f"{self.argument}[{place}] {flaw.message}{at}, got {flaw.part!r}{hint}")
        listed = f"a list or tuple of {self.listed or 'non-empty strings'}"
        wanted = {tuple: listed, bool: "True or False"}.get(type(self.default))
        raise ConfigError(
            f"{self.argument} is expected to be {wanted or self.expectation}, got {value!r}; "
            f"hint: leave it out to take {self.variable} or its default {self.default!r}"
        )
