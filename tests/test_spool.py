"""A process has a file of its own, and takes over those of processes that died; without either it goes on as before."""

from __future__ import annotations

import errno
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_errsample import spool as module
from otel_errsample._hot import Buffer, Ledger, Limits, group_from, take
from otel_errsample.spool import EVERY, MOST_FILES, Spool
from otel_errsample.spool.adoption import MOST_AGE, MOST_ATTEMPTS
from otel_errsample.spool.directory import BAD, Directory, Entry
from tests.spools import a_ring, left_in, pieces, span

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs file locks")

FIRST = 3
GROUP = group_from(b"", b"", b"", b"")
SIZE = 1 << 16


class Process:
    """What one process has of it: a buffer and a spool; `dies` ends it as SIGKILL would."""

    def __init__(self, path: Path, wall: Callable[[], float] = time.time, size: int = SIZE) -> None:
        self.ledger = Ledger()
        self.buffer = Buffer(self.ledger, Limits(), 1 << 20, 0, 512, 1 << 20)
        self.warnings: list[str] = []
        self.spool = Spool(
            str(path), size, self.buffer, self.ledger, warn=self.warnings.append, chance=random.Random(5), wall=wall
        )
        self.now = 1000.0

    def fails(self, *names: bytes) -> None:
        for name in names:
            assert self.buffer.offer(span(name), FIRST, GROUP) is None

    def looks(self, later: float = 0.0) -> None:
        self.now += later
        self.spool.look(self.now)

    def sends(self, most: int = 512) -> bytes:
        self.ledger.requests += 1
        batch = take(self.buffer, most, 1 << 20, self.buffer.newest, False)
        if batch is None:
            return b""
        payload = batch.payload(0, len(batch))
        batch.end(0, len(batch), "delivered")
        return payload

    def dies(self) -> None:
        del self.spool, self.buffer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def start(path: Path) -> Callable[..., Process]:
    def start(**arguments: Any) -> Process:
        process = Process(path, **arguments)
        process.spool.open()
        return process

    return start


def files(path: Path) -> list[Path]:
    return sorted(path.iterdir())


def test_the_next_process_sends_what_one_left_that_died(path: Path, start: Callable[..., Process]) -> None:
    first = start()
    first.fails(b"alpha", b"beta")
    first.dies()
    second = start()
    assert 2 == len(files(path))
    second.looks()
    assert (2, 1) == (second.ledger.recovered, second.spool.count().adopted)
    payload = second.sends()
    assert b"alpha" in payload
    assert b"beta" in payload
    second.looks(1.0)
    assert 1 == len(files(path)), "the file is gone, the own one stays"


def test_nothing_is_taken_from_who_lives(path: Path, start: Callable[..., Process]) -> None:
    first, second = start(), start()
    first.fails(b"mine")
    for process in (first, second):
        process.looks()
    assert 0 == first.ledger.recovered == second.ledger.recovered
    first.dies()
    second.looks(1.0)
    assert 0 == second.ledger.recovered, "not yet time for another look"
    second.looks(EVERY * 1.2)
    assert 1 == second.ledger.recovered


def test_of_many_siblings_one_adopts(path: Path, start: Callable[..., Process]) -> None:
    dead = start()
    dead.fails(b"once")
    dead.dies()
    siblings = [start() for _ in range(4)]
    for sibling in siblings:
        sibling.looks()
    assert [1, 0, 0, 0] == [sibling.ledger.recovered for sibling in siblings]


def test_what_an_adopter_left_undone_is_the_next_ones(path: Path, start: Callable[..., Process]) -> None:
    dead = start()
    dead.fails(*(b"%d." % number for number in range(6)))
    dead.dies()
    adopter = start()
    adopter.looks()
    adopter.sends(most=2)
    adopter.dies()
    last = start()
    last.looks()
    assert 4 == last.ledger.recovered
    payload = last.sends()
    assert [0, 0, 1, 1, 1, 1] == [payload.count(b"%d." % number) for number in range(6)]


def test_many_files_are_adopted_one_after_the_other(path: Path, start: Callable[..., Process]) -> None:
    for number in range(5):
        dead = start()
        dead.fails(b"of %d" % number)
        dead.dies()
    one = start()
    sent = b""
    for _ in range(5):
        one.looks(1.0)
        sent += one.sends()
    one.looks(1.0)
    assert all(b"of %d" % number in sent for number in range(5))
    assert (1, 5) == (len(files(path)), one.spool.count().adopted)


def test_empty_files_of_the_dead_are_removed_in_one_look(path: Path, start: Callable[..., Process]) -> None:
    for _ in range(3):
        start().dies()
    one = start()
    one.looks()
    assert 1 == len(files(path))


def test_a_clean_end_leaves_nothing(path: Path, start: Callable[..., Process]) -> None:
    one = start()
    one.fails(b"delivered")
    one.sends()
    one.spool.close()
    assert [] == files(path)
    assert "closed" == one.spool.count().state


def test_an_end_with_undelivered_errors_leaves_them_to_the_next_process(
    path: Path, start: Callable[..., Process]
) -> None:
    one = start()
    one.fails(b"left")
    one.buffer.give_up()
    one.spool.close()
    assert 1 == one.ledger.endings["spooled"]
    two = start()
    two.looks()
    assert b"left" in two.sends()


def test_an_end_in_the_middle_of_an_adoption_counts_no_attempt(path: Path, start: Callable[..., Process]) -> None:
    dead = start()
    dead.fails(b"patient")
    dead.dies()
    for _ in range(MOST_ATTEMPTS + 2):
        one = start()
        one.looks()
        assert 1 == one.ledger.recovered
        one.buffer.give_up()
        one.spool.close()
    assert 1 == len(files(path))


def test_who_lives_through_a_request_clears_what_it_adopted(path: Path, start: Callable[..., Process]) -> None:
    """Killed again and again while the receiver is away: that is not the records' fault."""
    dead = start()
    dead.fails(b"innocent")
    dead.dies()
    for _ in range(MOST_ATTEMPTS + 2):
        one = start()
        one.looks()
        one.ledger.requests += 1
        one.looks(1.0)
        one.dies()
    two = start()
    two.looks()
    assert b"innocent" in two.sends()


@pytest.mark.scenario("F8")
def test_a_file_that_ends_its_adopters_is_set_aside(
    path: Path, start: Callable[..., Process], caplog: pytest.LogCaptureFixture
) -> None:
    dead = start()
    dead.fails(b"poison")
    dead.dies()
    for _ in range(MOST_ATTEMPTS):
        one = start()
        one.looks()
        assert 1 == one.ledger.recovered
        one.dies()
        for file in files(path):  # the adopters' own ones
            if b"poison" not in file.read_bytes():
                file.unlink()
    last = start()
    last.looks()
    assert 0 == last.ledger.recovered
    assert [BAD] == [file.suffix for file in files(path) if file.suffix == BAD]
    assert 1 == last.spool.count().damaged
    assert ["a spool was set aside as .bad: nobody survived adopting it"] == caplog.messages


def test_garbage_is_set_aside_once(path: Path, start: Callable[..., Process], caplog: pytest.LogCaptureFixture) -> None:
    Directory(str(path)).prepare()
    (path / "1-garbage.spool").write_bytes(b"ERRSPOOL" + random.Random(1).randbytes(9000))
    (path / "1-garbage.spool").chmod(0o600)
    one = start()
    one.looks()
    one.looks(EVERY * 2)
    assert 1 == one.spool.count().damaged
    assert 1 == len(caplog.messages)


def test_damage_in_a_file_is_counted_and_the_rest_sent(path: Path, start: Callable[..., Process]) -> None:
    Directory(str(path)).prepare()
    file = path / "1-a.spool"
    ring = a_ring(file, shelf=4096)
    for number in range(3):
        ring.write(1, pieces(b"record %d" % number))
    ring.close()
    image = bytearray(file.read_bytes())
    image[image.index(b"record 1")] ^= 1
    file.write_bytes(image)
    one = start()
    one.looks()
    payload = one.sends()
    one.looks(1.0)
    assert (1, 2) == (one.spool.count().damaged, payload.count(b"record "))


def test_old_files_go(path: Path, start: Callable[..., Process]) -> None:
    dead = start()
    dead.fails(b"stale")
    dead.dies()
    (path / ("1-a.spool" + BAD)).touch(0o600)
    (path / "1-b.spool.new").touch(0o600)
    one = start(wall=lambda: time.time() + MOST_AGE + 60)
    one.looks()
    assert (1, 0) == (one.spool.count().expired, one.ledger.recovered)
    assert 1 == len(files(path))


def test_what_is_being_made_or_was_set_aside_just_now_stays(path: Path, start: Callable[..., Process]) -> None:
    Directory(str(path)).prepare()
    (path / ("1-a.spool" + BAD)).touch(0o600)
    (path / "1-b.spool.new").touch(0o600)
    start().looks()
    assert 3 == len(files(path))


def test_there_are_never_too_many_files(path: Path, start: Callable[..., Process]) -> None:
    Directory(str(path)).prepare()
    for number in range(MOST_FILES + 10):
        file = path / f"1-{number:04}.spool"
        file.touch(0o600)
        os.utime(file, (1000 + number, 1000 + number))
    one = start()
    assert 11 == one.spool.count().discarded
    assert MOST_FILES == len(files(path))
    assert not (path / "1-0010.spool").exists()
    assert (path / "1-0011.spool").exists()


def test_the_files_of_living_processes_leave_the_dead_ones_theirs(
    path: Path, start: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 3)
    dead = start()
    dead.fails(b"unread")
    dead.dies()
    living = [start() for _ in range(4)]
    assert [0] * 4 == [process.spool.count().discarded for process in living]
    living[-1].looks()
    assert b"unread" in living[-1].sends()


@pytest.mark.parametrize("fault", [OSError(errno.ESTALE, "Stale file handle"), ValueError("embedded null byte")])
def test_whatever_the_system_answers_errors_are_in_memory(
    fault: Exception, path: Path, start: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    def entries(directory: Directory) -> list[Entry]:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "entries", entries)
        one = start()
        one.looks()
    assert [f"it cannot be used ({fault}); errors are kept in memory alone"] == one.warnings
    one.looks(EVERY * 2)
    assert "ok" == one.spool.count().state


@pytest.mark.scenario("F5")
def test_an_unusable_directory_is_said_once_and_tried_again(path: Path, start: Callable[..., Process]) -> None:
    path.mkdir(mode=0o755)
    one = start()
    one.fails(b"waiting")
    for _ in range(3):
        one.spool.open()
    reason = "other users may enter it; it is expected to have mode 0700"
    assert [f"{reason}; errors are kept in memory alone"] == one.warnings
    assert reason == one.spool.count().state
    path.chmod(0o700)
    one.looks(EVERY * 2)
    assert "ok" == one.spool.count().state
    (file,) = files(path)
    assert [[], [pieces(b"waiting")[4][2:]]] == [
        [record[4][2:-27] for record in shelf] for shelf in left_in(file.read_bytes())[0]
    ]


@pytest.mark.scenario("F6")
def test_a_file_that_was_removed_under_us_is_made_again(path: Path, start: Callable[..., Process]) -> None:
    one = start()
    one.fails(b"before")
    files(path)[0].unlink()
    one.looks()
    one.fails(b"after")
    (file,) = files(path)
    assert b"after" in file.read_bytes()
    one.buffer.give_up()
    assert (1, 1) == (one.ledger.endings["spooled"], one.ledger.endings["undelivered"])


@pytest.mark.scenario("F6")
def test_a_file_that_was_cut_under_us_is_given_up_at_the_next_look(path: Path, start: Callable[..., Process]) -> None:
    one = start()
    one.fails(b"before")
    (cut,) = files(path)
    os.truncate(cut, 100)
    one.looks()
    one.fails(b"after")
    assert [cut.name + BAD] == [file.name for file in files(path) if file.suffix == BAD]
    assert 1 == sum(b"after" in file.read_bytes() for file in files(path))
    assert (2, 1) == (one.buffer.spans_waiting, one.spool.count().damaged)


@pytest.mark.scenario("F6")
def test_a_directory_that_was_removed_under_us_is_made_again(path: Path, start: Callable[..., Process]) -> None:
    one = start()
    shutil.rmtree(path)
    one.looks()
    one.fails(b"after")
    (file,) = files(path)
    assert b"after" in file.read_bytes()


def test_a_directory_that_cannot_be_made_again_leaves_errors_in_memory(
    path: Path, start: Callable[..., Process]
) -> None:
    one = start()
    shutil.rmtree(path)
    path.touch()
    one.looks()
    one.fails(b"after")
    one.buffer.give_up()
    assert (0, 1) == (one.ledger.endings["spooled"], one.ledger.endings["undelivered"])


def test_a_forked_child_starts_with_a_file_of_its_own(path: Path, start: Callable[..., Process]) -> None:
    one = start()
    one.fails(b"the parent's")
    one.buffer.restart_in_child()
    one.spool.forget()
    assert "not open yet" == one.spool.count().state
    one.fails(b"the child's")
    one.spool.open()
    assert {b"the child's", b"the parent's"} == {
        record[4][2:-27] for file in files(path) for record in left_in(file.read_bytes())[0][1]
    }


def test_a_signal_handler_inside_open_does_not_open_a_second_file(
    path: Path, start: Callable[..., Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Directory.prepare
    process = Process(path)

    def interrupted(directory: Directory) -> None:
        prepare(directory)
        process.spool.open()

    monkeypatch.setattr(Directory, "prepare", interrupted)
    process.spool.open()
    assert 1 == len(files(path))


def test_the_counts_tell_what_is_in_memory_alone(path: Path, start: Callable[..., Process]) -> None:
    one = start()
    one.fails(b"x" * 40_000, b"y" * 20_000, b"z" * 20_000)
    count = one.spool.count()
    assert (2, 1, 2) == (count.written, count.waiting, count.overwritten)
