"""A place stays where it was, whatever the current directory is."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_errsample.places import fixed


def test_a_place_is_the_same_after_chdir_and_its_links_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path / "link") == fixed("link/") == fixed(str(tmp_path / "link"))


def test_where_there_is_no_current_directory_it_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "file" == fixed("file")
