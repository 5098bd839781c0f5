"""plugins/options.py: what a declarative file says, as arguments for a span processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_errsample.plugins.options import arguments, build
from otel_errsample.rules import Rules


def test_every_option_becomes_an_argument(caplog: pytest.LogCaptureFixture) -> None:
    given = {
        "rules": ["a: keep if error", "drop"],
        "config": "rules.yaml",
        "head_sampled": False,
        "scope": "span",
        "in_app_include": ["shop"],
        "exporter": {"console": {}},
        "dry_run": None,
    }
    assert {
        "rules": Rules.parse("a: keep if error\ndrop", "here.rules"),
        "config": "rules.yaml",
        "head_sampled": False,
        "options": {"scope": "span", "in_app_include": ("shop",)},
    } == arguments(given, "here")
    assert [] == caplog.messages


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "here: is expected to be a mapping of options; it is left out"),
        ({"rulez": "drop"}, "here: 'rulez' is no option and is left out; did you mean 'rules'?"),
        ({7: 1}, "here: 7 is no option and is left out"),
        ({"scope": "all"}, "here.scope: is expected to be one of span, path"),
        ({"dry_run": "yes"}, "here.dry_run: is expected to be true or false; it is left out"),
        ({"rules": 3}, "here.rules: is expected to be rule text or a list of rules; it is left out"),
        ({"rules": ["keep of error"]}, "here.rules:1:6: expected 'if' before the condition"),
        ({"config": 3}, "here.config: is expected to be the path of a file; it is left out"),
        ({"head_sampled": "no"}, "here.head_sampled: is expected to be true or false; it is left out"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_and_left_out(given: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    assert {} == arguments(given, "here")
    (line,) = caplog.messages
    assert line.startswith(said)


@pytest.mark.parametrize("given", [{"scrub_also": ["ips"]}, {"scrub_patterns": ["(a"], "scrub": "default"}], ids=str)
def test_what_is_not_understood_of_scrubbing_makes_it_strict(given: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert {"options": {"scrub": "strict"}} == arguments(given, "here")
    assert "here: asks for scrubbing, which is strict therefore" == caplog.messages[-1]


def test_what_is_asked_of_scrubbing_that_is_off_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert {"options": {"scrub": "off"}} == arguments({"scrub_patterns": ["a"], "scrub": "off"}, "here")
    assert ["here.scrub_patterns: has no effect, since scrub is off"] == caplog.messages


@pytest.mark.parametrize(("asks", "mode"), [("scrub_patterns: ['(a']", "strict"), ("scope: al", "default")])
def test_a_bad_file_that_asks_for_scrubbing_makes_it_strict(tmp_path: Path, asks: str, mode: str) -> None:
    path = tmp_path / "errsample.yaml"
    path.write_text(f"settings: {{{asks}}}\n")
    processor = build("here", config=str(path))
    assert mode == processor._settings.scrub
    processor.shutdown(0)


def test_nothing_is_no_options() -> None:
    assert {} == arguments(None, "here")


def test_a_file_that_cannot_be_used_costs_its_rules_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    missing = str(tmp_path / "missing.yaml")
    processor = build("here", config=missing, options={"scope": "span"})
    assert "default" == processor.stats().rules_source
    assert (
        f"here.config: {missing}: cannot be read (No such file or directory); nothing of it is used" in caplog.messages
    )
    processor.shutdown()
