"""A dead process's file goes through the buffer once, in portions, and is done when every record has its ending."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_errsample._hot import Buffer, Ledger, Limits, Remains, take
from otel_errsample.spool.adoption import MOST_AGE, MOST_ATTEMPTS, Adoption
from tests.spools import a_ring, pieces

HEADS = b"\x0a\x08resource"


def a_buffer(capacity: int = 1 << 20) -> tuple[Buffer, Ledger]:
    ledger = Ledger()
    return Buffer(ledger, Limits(), capacity, 0, 512, 1 << 20), ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.spool"
    ring = a_ring(path, shelf=4096)
    for number in range(20):
        ring.write(number % 2, pieces(b"span %02d" % number, HEADS))
    ring.close()
    return path


def adopted(path: Path) -> Adoption:
    return Adoption(path.name, os.open(path, os.O_RDWR))


def left(path: Path) -> int:
    return len(list(Remains(path.read_bytes())))


def deliver(buffer: Buffer, most: int = 512) -> bytes:
    batch = take(buffer, most, 1 << 20, buffer.newest, False)
    assert batch is not None
    payload = batch.payload(0, len(batch))
    batch.end(0, len(batch), "delivered")
    return payload


def test_every_record_goes_to_the_buffer_with_its_resource_and_is_acknowledged_in_the_file(path: Path) -> None:
    buffer, ledger = a_buffer()
    adoption = adopted(path)
    adoption.feed(buffer, time.time())
    assert (20, 0) == (ledger.recovered, ledger.ended)
    assert [10, 10] == buffer.lanes[2:]
    assert 20 == left(path), "nothing was acknowledged yet"
    assert not adoption.is_done
    payload = deliver(buffer)
    assert all(b"span %02d" % number in payload for number in range(20))
    assert 1 == payload.count(HEADS), "all of one resource"
    assert adoption.is_done
    assert 0 == left(path)
    adoption.leave()


def test_what_was_delivered_before_the_adopter_died_is_not_sent_again(path: Path) -> None:
    buffer, _ = a_buffer()
    adoption = adopted(path)
    adoption.feed(buffer, time.time())
    deliver(buffer, most=7)
    adoption.leave()
    second, ledger = a_buffer()
    adoption = adopted(path)
    adoption.feed(second, time.time())
    assert 13 == ledger.recovered
    adoption.leave()


def test_a_small_buffer_is_fed_in_portions(path: Path) -> None:
    buffer, ledger = a_buffer(capacity=2000)
    adoption = adopted(path)
    rounds = 0
    while not adoption.is_done:
        adoption.feed(buffer, time.time())
        assert buffer.used <= 1000 + 150, "half of the room is for the errors of this process"
        deliver(buffer)
        rounds += 1
    assert (20, 20) == (ledger.recovered, ledger.endings["delivered"])
    assert rounds > 1
    adoption.leave()


def test_a_record_larger_than_the_budget_is_counted_and_not_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    ring = a_ring(path, shelf=8192)
    ring.write(1, pieces(b"x" * 5000))
    ring.close()
    buffer, ledger = a_buffer(capacity=1000)
    adoption = adopted(path)
    adoption.feed(buffer, time.time())
    assert adoption.is_done
    assert (1, 1, 0) == (ledger.recovered, ledger.endings["buffer_full"], left(path))
    adoption.leave()


def test_what_was_adopted_is_not_adopted_again_where_reading_on_fails(path: Path) -> None:
    class Short:
        """Memory runs out once."""

        def __init__(self, records: Iterator[Any]) -> None:
            self.records, self.read = records, 0

        def __iter__(self) -> Short:
            return self

        def __next__(self) -> Any:
            self.read += 1
            if self.read == 4:
                raise MemoryError
            return next(self.records)

    buffer, ledger = a_buffer()
    adoption = adopted(path)
    adoption._records = Short(adoption._records)
    with pytest.raises(MemoryError):
        adoption.feed(buffer, time.time())
    assert 3 == ledger.recovered
    assert not adoption.is_done
    adoption.feed(buffer, time.time())
    assert 20 == ledger.recovered
    deliver(buffer)
    assert adoption.is_done


def test_old_spans_are_counted_and_not_sent(path: Path) -> None:
    buffer, ledger = a_buffer()
    adoption = adopted(path)
    adoption.feed(buffer, time.time() + MOST_AGE + 10)
    assert (20, 0, True) == (adoption.expired, ledger.recovered, adoption.is_done)
    adoption.leave()


def test_a_clock_that_went_back_expires_nothing(path: Path) -> None:
    buffer, _ = a_buffer()
    adoption = adopted(path)
    adoption.feed(buffer, 0.0)
    assert (0, 20) == (adoption.expired, buffer.spans_waiting)
    adoption.leave()


def test_a_file_that_ended_its_adopters_is_poison(path: Path) -> None:
    for _ in range(MOST_ATTEMPTS):
        adopted(path).leave()
    with pytest.raises(ValueError, match="nobody survived adopting it"):
        adopted(path)


def test_who_lives_after_a_request_clears_the_file(path: Path) -> None:
    for _ in range(MOST_ATTEMPTS + 2):
        adoption = adopted(path)
        adoption.survived()
        adoption.leave()


def test_what_is_no_spool_is_refused_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.write_bytes(random.Random(1).randbytes(9000))
    descriptor = os.open(path, os.O_RDWR)
    with pytest.raises(ValueError, match="it is no spool"):
        Adoption("a.spool", descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(descriptor)


@pytest.mark.parametrize(("head", "size"), [(b"", 700 << 20), (b"ERRSPOOL", (1 << 30) + 1)])
def test_what_is_no_spool_is_refused_before_it_is_read(
    head: bytes, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hole of that size costs nothing on the volume; read, it would be the process's memory."""
    path = tmp_path / "a.spool"
    path.write_bytes(head)
    os.truncate(path, size)
    read: list[int] = []
    pread = os.pread

    def note(descriptor: int, length: int, at: int) -> bytes:
        read.append(length)
        return pread(descriptor, length, at) if len(read) == 1 else b""

    monkeypatch.setattr(os, "pread", note)
    with pytest.raises(ValueError, match="it is no spool"):
        adopted(path)
    assert sum(read) <= len(b"ERRSPOOL")


def test_what_is_given_up_stays_in_the_file(path: Path) -> None:
    buffer, ledger = a_buffer()
    adoption = adopted(path)
    adoption.feed(buffer, time.time())
    buffer.give_up()
    assert 20 == ledger.endings["spooled"], "they are in the file still"
    assert 20 == left(path)
    adoption.leave()
