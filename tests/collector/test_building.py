"""tools/collector.py: where the Collector is kept, and what is said where it cannot be built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools import collector


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_it_is_kept_in_the_users_cache(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert collector.binary().is_relative_to(empty_cache)
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert collector.binary().is_relative_to(Path.home() / ".cache")


def test_another_manifest_is_another_collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = collector.binary()
    changed = tmp_path / "manifest.yaml"
    changed.write_bytes(collector.MANIFEST.read_bytes() + b"# changed\n")
    monkeypatch.setattr(collector, "MANIFEST", changed)
    assert before.parent != collector.binary().parent
    assert before.name == collector.binary().name


def test_without_go_it_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert 0 == collector.main()
    reason = "Go is missing, and the Collector is built from Go modules (https://go.dev/dl)"
    assert reason == collector.missing()
    assert ("", f"skipped: {reason}\n") == capsys.readouterr()


def test_a_build_that_fails_is_a_failure_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = tmp_path / "go"
    failing.write_text("#!/bin/sh\nexit 3\n")
    failing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert 1 == collector.main()
    assert "the Collector could not be built" in capsys.readouterr().err
    assert [] == list(collector.binary().parent.iterdir())


def test_what_is_there_is_not_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    collector.binary().parent.mkdir(parents=True)
    collector.binary().touch()
    monkeypatch.setenv("PATH", "")
    assert 0 == collector.main()
    assert f"{collector.binary()}\n" == capsys.readouterr().out
    assert "" == collector.missing()


def test_the_docs_name_the_version() -> None:
    docs = Path(collector.__file__).parent.parent / "docs" / "collector.md"
    assert f"v{collector.version()}" in docs.read_text(encoding="utf-8")
