"""`otel-errsample rules` prints rules as they were understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_errsample.rules import Rules
from otel_errsample.rules.defaults import DEFAULT_RULES
from tests.command import Command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(tmp_path, monkeypatch)


def test_the_default_rules_are_printed_as_documented(command: Command) -> None:
    assert (0, DEFAULT_RULES + "\n") == (command("rules", "--default").code, command("rules", "--default").out)


def test_the_canonical_form_parses_to_the_same_rules(command: Command) -> None:
    text = "a : keep   5 per second by name if (error and  not (root))# why\n;drop if kind in ('bug',)"
    done = command("rules", "-", stdin=text)
    assert 'a: keep 5 per second by name if error and not root\nrule_2: drop if kind in ("bug")\n' == done.out
    assert Rules.parse(text) == Rules.parse(done.out)


def test_json_has_the_parts_of_each_rule(command: Command) -> None:
    assert [
        {"name": "a", "action": "keep 5%", "condition": "error"},
        {"name": "rule_2", "action": "drop", "condition": None},
    ] == command("rules", "--json", "-", stdin="a: keep 5% if error; drop").json
