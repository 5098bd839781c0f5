"""A change of a file is told once, when the file has come to rest, at the price of one stat a second."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from otel_errsample.transport import Answer, Outcome
from otel_errsample.watch import EVERY, FileWatch
from tests.waiting import eventually
from tests.working import FIRST, Bench


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


class Looked:
    """In place of a configuration file: counts the looks, each due a little after the one before."""

    def __init__(self, error: Exception | None = None) -> None:
        self.looks = 0
        self.error = error

    def seconds_left(self, now: float) -> float:
        return 0.001

    def look(self, now: float) -> None:
        self.looks += 1
        if self.error is not None:
            raise self.error


class TestWorker:
    def test_an_idle_worker_looks_at_the_file(self, bench: Callable[..., Bench]) -> None:
        watch = Looked()
        one = bench(chores={"reload": watch})
        one.worker.start()
        assert eventually(lambda: watch.looks >= 5)
        assert [] == one.sink.offered

    def test_a_worker_that_waits_for_its_receiver_looks_at_the_file(self, bench: Callable[..., Bench]) -> None:
        watch = Looked()
        one = bench(lambda spans: Answer(Outcome.RETRY, cause="away", retry_after=300.0), chores={"reload": watch})
        one.admit("a", lane=FIRST)
        one.worker.start()
        assert eventually(lambda: bool(one.sink.offered))
        looks = watch.looks
        assert eventually(lambda: watch.looks >= looks + 5)
        assert 1 == len(one.sink.offered)

    def test_a_look_that_fails_is_counted_and_costs_nothing_else(self, bench: Callable[..., Bench]) -> None:
        one = bench(chores={"reload": Looked(MemoryError())})
        one.admit("a", lane=FIRST)
        one.worker.start()
        assert eventually(lambda: one.sink.delivered == ["a"])
        assert one.worker.stop(5.0)
        assert ["reload"] == list(one.ledger.internal_errors)
