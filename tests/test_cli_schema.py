"""`otel-errsample schema` prints what is published with the package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import otel_errsample
from tests.command import Command


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_the_schema_is_the_published_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]) -> None:
    published = Path(otel_errsample.__file__).parent / "config.schema.json"
    done = Command(tmp_path, monkeypatch)("schema", *more)
    assert (0, json.loads(published.read_text(encoding="utf-8"))) == (done.code, done.json)
