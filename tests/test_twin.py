"""An error in the buffer is in the spool too, until it has met its ending."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from otel_errsample._hot import Buffer, Ledger, Limits, Orphan, Ring, adopt, group_from, take, write_to
from tests.spools import a_ring, left_in, pieces, recovered, span

OFF_PATH, HEAD, REPEATED, FIRST = range(4)
HEADS = (b"\x0a\x01r", b"\x1a\x01u", b"\x0a\x01s", b"\x1a\x01v")
GROUP = group_from(*HEADS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.spool"


def a_buffer(spool: Ring | None, capacity: int = 10_000) -> tuple[Buffer, Ledger]:
    ledger = Ledger()
    buffer = Buffer(ledger, Limits(), capacity, 0, 512, 1 << 20)
    write_to(buffer, spool)
    return buffer, ledger


def offer(buffer: Buffer, *names: bytes, lane: int = FIRST) -> None:
    for name in names:
        assert buffer.offer(span(name), lane, GROUP) is None


def found(path: Path) -> list[bytes]:
    """The contents of the spans in the file, repeated errors before first ones."""
    shelves, damaged = left_in(path.read_bytes())
    assert 0 == damaged
    return [record[4][2:-27] for shelf in shelves for record in shelf]


def test_errors_are_in_the_file_with_their_resource_and_scope_and_other_spans_are_not(path: Path) -> None:
    buffer, _ = a_buffer(a_ring(path))
    offer(buffer, b"first")
    offer(buffer, b"repeated", lane=REPEATED)
    offer(buffer, b"healthy", lane=HEAD)
    offer(buffer, b"off the path", lane=OFF_PATH)
    (repeated, first), _ = left_in(path.read_bytes())
    assert [recovered((*HEADS, span(b"repeated")))] == repeated
    assert [recovered((*HEADS, span(b"first")))] == first


@pytest.mark.parametrize("ending", ["delivered", "rejected", "export_failed"])
def test_what_has_met_its_ending_is_not_for_the_next_process(path: Path, ending: str) -> None:
    buffer, _ = a_buffer(a_ring(path))
    offer(buffer, b"a", b"b", b"c")
    batch = take(buffer, 2, 1 << 20, buffer.newest, False)
    assert batch is not None
    assert [b"a", b"b", b"c"] == found(path), "sent is not acknowledged"
    batch.end(0, 1, ending)
    batch.put_back(1, 2, True)
    assert [b"b", b"c"] == found(path)


def test_what_memory_evicts_is_not_for_the_next_process(path: Path) -> None:
    buffer, ledger = a_buffer(a_ring(path, shelf=4096), capacity=1000)
    offer(buffer, *(b"%d" % number for number in range(12)))
    assert 0 < ledger.endings["evicted"] == 12 - len(found(path))
    assert buffer.spans_waiting == len(found(path))


def test_what_is_given_up_at_shutdown_is_left_to_the_next_process(path: Path) -> None:
    buffer, ledger = a_buffer(a_ring(path))
    offer(buffer, b"never sent", b"sent without an answer")
    offer(buffer, b"healthy", lane=HEAD)
    batch = take(buffer, 2, 1 << 20, buffer.newest, True)
    assert batch is not None
    batch.put_back(0, 2, True)
    buffer.give_up()
    assert (2, 1) == (ledger.endings["spooled"], ledger.endings["undelivered"])
    assert [b"never sent", b"sent without an answer"] == found(path)


def test_what_the_ring_overwrote_is_lost_at_shutdown_and_counted_so(path: Path) -> None:
    ring = a_ring(path, shelf=256)
    buffer, ledger = a_buffer(ring)
    offer(buffer, *(b"%d" % number + b"x" * 90 for number in range(5)))
    buffer.give_up()
    assert 1 == len(found(path)) == ledger.endings["spooled"]
    assert (4, 4) == (ring.overwritten, ledger.endings["undelivered"])


def test_a_batch_that_comes_back_after_the_end_is_left_to_the_next_process_too(path: Path) -> None:
    buffer, ledger = a_buffer(a_ring(path))
    offer(buffer, b"in flight")
    batch = take(buffer, 1, 1 << 20, buffer.newest, False)
    buffer.give_up()
    del batch
    assert (1, [b"in flight"]) == (ledger.endings["spooled"], found(path))


def test_errors_that_came_before_their_file_are_written_when_it_is_there(path: Path) -> None:
    buffer, _ = a_buffer(None)
    offer(buffer, b"early")
    offer(buffer, b"healthy", lane=HEAD)
    write_to(buffer, a_ring(path))
    offer(buffer, b"late")
    assert [b"early", b"late"] == found(path)


def test_an_error_waits_in_one_file_only(path: Path, tmp_path: Path) -> None:
    buffer, _ = a_buffer(a_ring(path))
    offer(buffer, b"early")
    other = tmp_path / "b.spool"
    write_to(buffer, a_ring(other))
    assert ([b"early"], []) == (found(path), found(other))


def test_a_span_object_is_in_memory_alone(path: Path) -> None:
    buffer, _ = a_buffer(a_ring(path))
    buffer.offer(span(b"object"), FIRST, GROUP, object())
    assert [] == found(path)
    buffer.give_up()


def test_the_twin_is_paid_for_by_errors_alone(path: Path) -> None:
    plain, _ = a_buffer(None)
    offer(plain, b"x" * 50, lane=HEAD)
    bare = plain.used
    offer(plain, b"x" * 50)
    assert 24 == plain.used - 2 * bare
    plain.give_up()
    assert 0 == plain.used


def test_a_forked_child_leaves_the_parents_file_alone(path: Path) -> None:
    buffer, _ = a_buffer(a_ring(path))
    offer(buffer, b"parents")
    buffer.restart_in_child()
    offer(buffer, b"childs")
    buffer.give_up()
    assert [b"parents"] == found(path)


def test_recovered_spans_are_counted_beside_those_that_ended(tmp_path: Path, path: Path) -> None:
    source = tmp_path / "source"
    a_ring(source).write(1, pieces(b"old"))
    orphan = Orphan(os.open(source, os.O_RDWR))
    buffer, _ = a_buffer(a_ring(path))
    offer(buffer, b"new")
    assert adopt(buffer, span(b"old"), FIRST, GROUP, orphan, 4096)
    ended, taken_over, endings, deciding, _, waiting, *_ = buffer.books()
    assert (1, 1, 0, 0, 2) == (ended, taken_over, sum(endings.values()), deciding, waiting)
    assert [b"new"] == found(path), "it lies in its own file already"
    buffer.close()
    assert not adopt(buffer, span(b"late"), FIRST, GROUP, orphan, 4096)
    buffer.give_up()


def test_an_adopted_span_that_memory_evicts_is_not_noted_on_the_way(tmp_path: Path, path: Path) -> None:
    """It is evicted by a span that ends, and noting it is a system call: the file has it until it is removed."""
    source = tmp_path / "source"
    a_ring(source).write(0, pieces(b"old"))
    orphan = Orphan(os.open(source, os.O_RDWR))
    buffer, ledger = a_buffer(a_ring(path), capacity=400)
    assert adopt(buffer, span(b"old"), REPEATED, GROUP, orphan, 4096)
    assert 1 == orphan.waiting
    offer(buffer, b"n" * 150, b"m" * 20)
    assert (1, 0) == (ledger.endings["evicted"], orphan.waiting)
    assert [b"old"] == found(source)


def test_recovered_spans_are_errors(path: Path, tmp_path: Path) -> None:
    (tmp_path / "source").touch()
    buffer, _ = a_buffer(None)
    with pytest.raises(ValueError, match="lane is expected to be 2 or 3, got 1"):
        adopt(buffer, span(b"old"), HEAD, GROUP, Orphan(os.open(tmp_path / "source", os.O_RDWR)), 4096)
