"""The default rules are themselves a sound rule set."""

from __future__ import annotations

from otel_errsample.rules import Rules
from otel_errsample.rules.defaults import DEFAULT_RULES


def test_the_default_rules_parse_to_what_they_say() -> None:
    rules = Rules.parse(DEFAULT_RULES)
    assert DEFAULT_RULES == str(rules)
    assert ("default.errors",) == rules.names
