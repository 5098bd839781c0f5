"""Rule files come with the text that messages show."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_errsample.cli.rulefile import load
from otel_errsample.errors import RuleError


def test_the_text_is_noted_also_where_it_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("keep if error", encoding="utf-8")
    texts: dict[str, str] = {}
    assert ("rule_1",) == load(str(path), texts).names
    path.write_text("kep", encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        load(str(path), texts)
    assert str(path) == caught.value.problems[0].source
    assert {str(path): "kep"} == texts
