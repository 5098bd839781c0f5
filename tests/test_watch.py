"""A change of a file is told once, when the file has come to rest, at the price of one stat a second."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from otel_errsample.watch import EVERY, FileWatch


class Watched:
    """A file on a clock of its own; each look is one second after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1000.0
        self.watch = FileWatch(str(path))

    def look(self) -> bool:
        self.now += EVERY
        return self.watch.changed(self.now)

    def looks(self, count: int) -> list[bool]:
        return [self.look() for _ in range(count)]


@pytest.fixture
def file(tmp_path: Path) -> Watched:
    path = tmp_path / "errsample.yaml"
    path.write_text("rules: keep")
    watched = Watched(path)
    # What was written while somebody read it for the first time would not show in the stat.
    assert [False, True, False, False] == watched.looks(4)
    return watched


def test_a_change_is_told_once_when_the_file_has_come_to_rest(file: Watched) -> None:
    file.path.write_text("rules: drop if")
    assert not file.look()
    file.path.write_text("rules: drop if error")
    assert [False, True, False] == file.looks(3)


def test_a_file_of_the_same_size_and_time_in_another_place_is_another(file: Watched) -> None:
    before = file.path.stat()
    other = file.path.with_name("other")
    other.write_text("rules: drop")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file.path)
    assert [False, True, False] == file.looks(3)


def test_a_symbolic_link_that_points_elsewhere_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes exchanges a mounted config map."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "errsample.yaml").write_text(name)
    link = tmp_path / "data"
    link.symlink_to("first")
    watched = Watched(link / "errsample.yaml")
    assert [False, True, False] == watched.looks(3)
    following = tmp_path / "next"
    following.symlink_to("second")
    following.replace(link)
    assert [False, True, False] == watched.looks(3)


def test_a_file_that_goes_and_comes_is_told_each_time(file: Watched) -> None:
    file.path.unlink()
    assert [False, True, False] == file.looks(3)
    file.path.write_text("rules: keep")
    assert [False, True, False] == file.looks(3)


def test_a_file_that_is_replaced_between_two_looks_is_never_missing(file: Watched) -> None:
    file.path.unlink()
    assert not file.look()
    file.path.write_text("rules: drop")
    assert [False, True, False] == file.looks(3)


def test_it_looks_once_a_second(file: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    monkeypatch.setattr("otel_errsample.watch._signature", looks.append)
    assert EVERY == file.watch.seconds_left(file.now)
    for step in range(100):
        file.watch.changed(file.now + step / 10)
    assert [str(file.path)] * 9 == looks
    assert 0.0 == file.watch.seconds_left(file.now + 100)


def test_what_could_not_be_used_is_told_once_more(file: Watched) -> None:
    file.path.write_text("rules: drop")
    assert [False, True] == file.looks(2)
    file.watch.again()
    assert [True, False] == file.looks(2)


def test_the_first_look_is_due_at_once(tmp_path: Path) -> None:
    assert 0.0 == FileWatch(str(tmp_path / "missing")).seconds_left(5.0)
