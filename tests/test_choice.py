"""Which rules win: code, environment, file, default."""

from __future__ import annotations

import logging

import pytest

from otel_errsample.choice import RuleChoice
from otel_errsample.errors import RuleError
from otel_errsample.rules import Rules
from otel_errsample.rules.document import Document

FILE = Document("/etc/a.yaml", Rules.parse("file: drop"))


@pytest.mark.parametrize(
    ("given", "environment", "document", "expected"),
    [
        ("code: drop", "env: drop", FILE, ("code: drop", "code")),
        (Rules.parse("code: drop"), "", None, ("code: drop", "code")),
        (None, "env: drop", FILE, ("env: drop", "OTEL_ERRSAMPLE_RULES")),
        (None, "", FILE, ("file: drop", "/etc/a.yaml")),
        (None, "", Document("/etc/a.yaml"), (str(Rules.default()), "default")),
        (None, "", None, (str(Rules.default()), "default")),
    ],
    ids=["code", "prepared", "environment", "file", "file without rules", "default"],
)
def test_the_rules_of_highest_rank_are_in_force(
    given: Rules | str | None, environment: str, document: Document | None, expected: tuple[str, str]
) -> None:
    choice = RuleChoice(given, environment, document)
    assert (*expected, 1) == (str(choice.rules), choice.source, choice.version)


@pytest.mark.parametrize("place", ["code", "environment", "file"])
def test_the_default_rules_follow_whatever_is_chosen(place: str) -> None:
    rules = Rules.parse("a: drop if root")
    choice = RuleChoice(
        rules if place == "code" else None,
        "a: drop if root" if place == "environment" else "",
        Document("f", rules) if place == "file" else None,
    )
    assert ("a", "default.errors") == choice.rules.names


def test_wrong_rules_in_code_raise() -> None:
    with pytest.raises(RuleError, match="<rules>:1:1: expected an action, got 'kep'"):
        RuleChoice("kep", "", FILE)


def test_wrong_rules_in_the_environment_warn_and_the_next_in_rank_are_chosen(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        choice = RuleChoice(None, "kep; dop", FILE)
    assert "/etc/a.yaml" == choice.source
    [record] = caplog.records
    assert (
        "OTEL_ERRSAMPLE_RULES:1:1: expected an action, got 'kep' (did you mean 'keep'?); "
        "OTEL_ERRSAMPLE_RULES:1:6: expected an action, got 'dop' (did you mean 'drop'?); they are not used"
    ) == record.getMessage()


def test_a_file_that_changes_counts_the_versions_that_came_into_force() -> None:
    choice = RuleChoice(None, "", FILE)
    choice.take(*choice.among(Document("/etc/a.yaml", Rules.parse("file: drop  # said otherwise"))))
    assert 1 == choice.version
    choice.take(*choice.among(Document("/etc/a.yaml", Rules.parse("other: drop"))))
    assert ("other: drop", "/etc/a.yaml", 2) == (str(choice.rules), choice.source, choice.version)
    choice.take(*choice.among(Document("/etc/a.yaml")))
    assert (Rules.default(), "default", 3) == (choice.rules, choice.source, choice.version)


def test_a_file_does_not_change_rules_of_higher_rank() -> None:
    choice = RuleChoice(None, "env: drop", FILE)
    choice.take(*choice.among(Document("/etc/a.yaml", Rules.parse("other: drop"))))
    assert ("env: drop", "OTEL_ERRSAMPLE_RULES", 1) == (str(choice.rules), choice.source, choice.version)
