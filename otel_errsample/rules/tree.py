"""A rule set as written: what the parser makes, the checks look at and the table is compiled from.

`str()` of a node is its canonical text, which parses to an equal node. Offsets are for messages and do not take part
in comparisons.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from otel_errsample.rules.facts import THIRD_PARTY, meant_by

# A name with a dot is an attribute, with this one exception.
DOTTED_FACT: Final = "span.kind"

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:[.-][A-Za-z0-9_]+)*")
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t"})


def quoted(text: str) -> str:
    """The text as a constant of the rule language."""
    return f'"{text.translate(_ESCAPES)}"'


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word used as a value: the name of a view, of a class, of a rule, of a unit."""

    name: str
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Constant:
    value: str | int | float | bool
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return quoted(self.value) if isinstance(self.value, str) else repr(self.value)


@dataclass(frozen=True, slots=True)
class Operand:
    """What a test looks at: `source` is "fact", "attribute" or "resource"."""

    source: str
    name: str
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if self.source == "resource":
            return f"resource[{quoted(self.name)}]"
        dotted = "." in self.name and self.name != DOTTED_FACT and _PLAIN.fullmatch(self.name)
        if self.source == "attribute" and (not dotted or meant_by(self.name)):
            return f"attributes[{quoted(self.name)}]"
        return self.name


@dataclass(frozen=True, slots=True)
class Predicate:
    """`operand op value`; op "" is the bare operand and op "exists" has no value."""

    operand: Operand
    op: str = ""
    value: Constant | tuple[Constant, ...] | Word | None = None
    at: int = field(default=0, compare=False)

    @property
    def about_third_parties(self) -> bool:
        """Whether it is a test of the one view that is not about the kind."""
        return isinstance(self.value, Word) and self.value.name == THIRD_PARTY

    def __str__(self) -> str:
        if isinstance(self.value, tuple):
            return f"{self.operand} {self.op} ({', '.join(map(str, self.value))})"
        return " ".join(str(part) for part in (self.operand, self.op, self.value) if part not in ("", None))


@dataclass(frozen=True, slots=True)
class Not:
    item: Condition

    def __str__(self) -> str:
        return f"not ({self.item})" if isinstance(self.item, And | Or) else f"not {self.item}"


@dataclass(frozen=True, slots=True)
class And:
    items: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(f"({item})" if isinstance(item, And | Or) else str(item) for item in self.items)


@dataclass(frozen=True, slots=True)
class Or:
    items: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(f"({item})" if isinstance(item, Or) else str(item) for item in self.items)


Condition: TypeAlias = Predicate | Not | And | Or


@dataclass(frozen=True, slots=True)
class Limit:
    """`count per unit [by keys]`; `first` counts in fixed windows instead of a token bucket."""

    count: int | float
    unit: Word
    keys: tuple[Operand, ...] = ()
    first: bool = False
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        by = f" by {', '.join(map(str, self.keys))}" if self.keys else ""
        return f"{'first ' if self.first else ''}{self.count!r} per {self.unit}{by}"


@dataclass(frozen=True, slots=True)
class Action:
    """`verb` is "keep", "drop" or "head"; `percent` alone or after `first N` says which share is kept."""

    verb: str
    shadow: bool = False
    scope: Word | None = None
    limit: Limit | None = None
    percent: Constant | None = None

    def __str__(self) -> str:
        parts = ["shadow"] if self.shadow else []
        parts.append(self.verb)
        parts += [str(self.scope)] if self.scope else []
        parts += [str(self.limit)] if self.limit else []
        if self.percent:
            parts.append(f"then {self.percent}%" if self.limit else f"{self.percent}%")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Rule:
    name: Word
    action: Action
    condition: Condition | None = None
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        condition = f" if {self.condition}" if self.condition else ""
        return f"{self.name}: {self.action}{condition}"

    @property
    def ends(self) -> bool:
        """Whether no rule after this one is ever reached."""
        return self.condition is None and not self.action.shadow
