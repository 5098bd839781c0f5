"""Rules: a rule set that can be used, parsed, checked and compiled."""

from __future__ import annotations

import os
from collections.abc import Sequence

from otel_errsample.rules.check import check
from otel_errsample.rules.defaults import DEFAULT_RULES
from otel_errsample.rules.parser import parse
from otel_errsample.rules.reach import unreached
from otel_errsample.rules.report import Report
from otel_errsample.rules.table import Table, compile_table
from otel_errsample.rules.tree import Rule


class Rules:
    """An immutable rule set, made by `Rules.parse`, `Rules.load` or `Rules.default`.

    Two rule sets are equal when they say the same, however they are written. `str()` is the canonical text, one rule a
    line with its name.
    """

    __slots__ = ("_rules", "_table", "_text")

    _rules: tuple[Rule, ...]
    _table: Table
    _text: str

    def __init__(self) -> None:
        raise TypeError("rules are made by Rules.parse(text), Rules.load(path) or Rules.default()")

    @classmethod
    def parse(cls, text: str, source: str = "<rules>") -> Rules:
        """Read a rule set; rules are separated by new lines or ';', and the first that matches a span wins.

        `source` names the text in messages: a file or a variable. Raises RuleError, a ValueError that lists all
        problems with line and column. Bounds: 256 Ki characters, 1000 rules, 10,000 words and marks, 200 tests and connectives a rule.
        """
        report = Report(text, source)
        rules = parse(text, report)
        check(rules, report)
        report.finish()
        return cls._of(rules, text)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Rules:
        """The rules of a file: rule text where its name ends in `.rules`, else YAML with the key `rules`.

        The whole file is checked, its `classify` and `settings` too. Raises OSError where the file cannot be read, and
        RuleError, which lists all problems with their line and column in the file.
        """
        from otel_errsample.rules.document import load  # files, and YAML, cost only those who use them

        return load(path).rules or cls._of((), "")

    @classmethod
    def default(cls) -> Rules:
        """The default rules: keep errors and survive a storm."""
        return cls.parse(DEFAULT_RULES, "<default rules>")

    @classmethod
    def _of(cls, rules: Sequence[Rule], text: str) -> Rules:
        made = object.__new__(cls)
        object.__setattr__(made, "_rules", tuple(rules))
        object.__setattr__(made, "_table", compile_table(rules))
        object.__setattr__(made, "_text", text)
        return made

    def _table_inside(self, internal_domains: Sequence[str]) -> Table:
        """The table where these domains are the user's own."""
        return compile_table(self._rules, internal_domains) if internal_domains else self._table

    def with_defaults(self) -> Rules:
        """These rules followed by the default ones that they leave anything to decide.

        A rule that has the name of a default one replaces it.
        """
        if self._rules and self._rules[-1].ends:
            return self
        default = Rules.default()
        idle = unreached([*self._rules, *default._rules])
        added = [rule for rule in default._rules if rule.name.name not in {*self.names, *idle}]
        if not added:
            return self
        return self._of([*self._rules, *added], "\n".join([self._text, *map(str, added)]))

    @property
    def names(self) -> tuple[str, ...]:
        """The names in order; a rule without one is called rule_<n>, counted from 1."""
        return self._table.names

    @property
    def text(self) -> str:
        """The text these rules were parsed from."""
        return self._text

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("rules are immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("rules are immutable")

    def __len__(self) -> int:
        return len(self._rules)

    def __str__(self) -> str:
        return "\n".join(map(str, self._rules))

    def __repr__(self) -> str:
        return f"Rules.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, Rules) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Rules.parse, (self._text,)
