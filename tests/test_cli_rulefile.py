"""Rule files come with the text that messages show."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from otel_errsample.cli.rulefile import load, rules_of
from otel_errsample.errors import RuleError


def test_the_text_is_noted_also_where_it_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.rules"
    path.write_text("keep if error", encoding="utf-8")
    texts: dict[str, str] = {}
    assert ("rule_1",) == rules_of(load(str(path), texts)).names
    path.write_text("kep", encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        load(str(path), texts)
    assert str(path) == caught.value.problems[0].source
    assert {str(path): "kep"} == texts


def test_a_file_is_yaml_unless_its_name_says_rules(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("rules: 'a: drop'\nsettings: {flush_errors_ms: 5}", encoding="utf-8")
    document = load(str(path), {})
    assert (("a",), {"flush_errors_ms": 5}) == (rules_of(document).names, document.settings)
    path.write_text("settings: {}", encoding="utf-8")
    assert () == rules_of(load(str(path), {})).names


def test_the_standard_input_is_rule_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a: keep; ")))
    texts: dict[str, str] = {}
    assert ("a",) == rules_of(load("-", texts)).names
    assert {"<stdin>": "a: keep; "} == texts
