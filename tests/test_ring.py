"""What was written to the ring and not settled is what the next process finds, whatever happened to this one."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from otel_errsample._hot import Ring
from tests.model import remains
from tests.model.ring import HEADER, SHELVES, SLOT, ModelRecord, ModelRing
from tests.spools import SALT, a_ring, left_in, pieces, recovered

REPEATED, FIRST = range(2)


def test_what_was_written_is_found_without_the_ring_being_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    ring = a_ring(path)
    written = [pieces(b"one", b"resource"), pieces(b"two", b"resource")]
    assert all(ring.write(FIRST, record) is not None for record in written)
    assert ([[], [recovered(record) for record in written]], 0) == left_in(path.read_bytes())
    assert 2 == ring.waiting == ring.written


# Writes much, and the ring's own pages back, and says so each time.
BUSY = """
import os, sys
other, ring = os.open(sys.argv[1] + ".busy", os.O_WRONLY | os.O_CREAT), os.open(sys.argv[1], os.O_RDONLY)
while True:
    os.pwrite(other, bytes(8 << 20), 0)
    os.fdatasync(other)
    os.fdatasync(ring)
    print(flush=True)
"""


@pytest.mark.scenario("F9")
@pytest.mark.skipif(not hasattr(resource, "RUSAGE_THREAD"), reason="needs the account of a thread")
def test_a_disk_that_is_busy_makes_nobody_wait(tmp_path: Path) -> None:
    """Who waits gives the processor up, which the kernel counts; a page that is being written back takes a fault."""
    ring = a_ring(tmp_path / "a.spool", 1 << 20)
    record = pieces(b"x" * 1000)
    appended = rounds = 0
    with subprocess.Popen([sys.executable, "-c", BUSY, str(tmp_path / "a.spool")], stdout=subprocess.PIPE) as disk:
        assert disk.stdout is not None
        disk.stdout.readline()
        os.set_blocking(disk.stdout.fileno(), False)
        deadline = time.monotonic() + 60
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        while (rounds < 5 or appended < 100_000) and time.monotonic() < deadline:
            for _ in range(1000):
                assert ring.write(REPEATED, record) is not None
            appended += 1000
            rounds += len(disk.stdout.read() or b"")
        waits = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before
        disk.kill()
    assert rounds >= 5
    assert waits <= appended / 1000


def test_what_was_settled_is_not_found_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    ring = a_ring(path)
    places = [ring.write(REPEATED, pieces(str(number).encode())) for number in range(4)]
    for number in (2, 0):
        place = places[number]
        assert place is not None
        ring.settle(place)
        ring.settle(place)  # said twice, it counts once
    assert ([[recovered(pieces(b"1")), recovered(pieces(b"3"))], []], 0) == left_in(path.read_bytes())
    assert 2 == ring.waiting


def test_the_oldest_of_a_full_shelf_make_room_and_the_other_shelf_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    ring = a_ring(path, shelf=512)
    first = ring.write(FIRST, pieces(b"first of its kind"))
    places = [ring.write(REPEATED, pieces(b"%03d" % number + b"x" * 55)) for number in range(20)]
    (repeated, firsts), damaged = left_in(path.read_bytes())
    room = 512 // 104
    assert [recovered(pieces(b"%03d" % number + b"x" * 55)) for number in range(20 - room, 20)] == repeated
    assert [recovered(pieces(b"first of its kind"))] == firsts
    assert (0, 20 - room) == (damaged, ring.overwritten)
    assert first is not None
    assert ring.has(first)
    assert places[0] is not None
    assert not ring.has(places[0])
    ring.settle(places[0])  # too late: its place is another's
    assert room + 1 == ring.waiting


@pytest.mark.scenario("F11")
@pytest.mark.parametrize(("size", "fits"), [(512, True), (513, False)], ids=["exactly full", "one byte more"])
def test_a_record_may_fill_a_shelf_and_not_more(tmp_path: Path, size: int, fits: bool) -> None:
    path = tmp_path / "a.spool"
    ring = a_ring(path, shelf=512)
    ring.write(FIRST, pieces(b"before"))
    record = (b"r" * (size - SLOT - 2), b"", b"", b"", b"\x12\x00")
    assert fits == (ring.write(FIRST, record) is not None)
    assert (0 if fits else 1) == ring.left_out
    (_, firsts), damaged = left_in(path.read_bytes())
    assert ([recovered(record if fits else pieces(b"before"))], 0) == (firsts, damaged)


@pytest.mark.scenario("F11")
def test_two_records_of_half_a_shelf_fill_it_and_a_third_takes_the_place_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    ring = a_ring(path, shelf=512)
    ring.write(FIRST, pieces(b""))  # so that the second half goes around the end
    records = [(bytes([number]) * (256 - SLOT - 2), b"", b"", b"", b"\x12\x00") for number in range(4)]
    for place, record in enumerate(records):
        assert ring.write(FIRST, record) is not None
        (_, firsts), damaged = left_in(path.read_bytes())
        there = [pieces(b""), *records][place : place + 2] if place else [pieces(b""), records[0]]
        assert ([recovered(one) for one in there], 0) == (firsts, damaged)
    assert (2, 3, 0) == (ring.waiting, ring.overwritten, ring.left_out)


@pytest.mark.scenario("F11")
def test_positions_go_on_beyond_32_bits(tmp_path: Path) -> None:
    """4 GiB through a shelf of 4 MiB: the words that count them are twice as wide."""
    path = tmp_path / "a.spool"
    half = 2 << 20
    ring = a_ring(path, shelf=2 * half)
    large = (b"r" * (half - SLOT - 2), b"", b"", b"", b"\x12\x00")
    last = [ring.write(FIRST, large) for _ in range((1 << 32) // half)][-1]
    ends = [ring.write(FIRST, pieces(b"%d" % number)) for number in range(3)]
    assert [(1 << 32) + 48 * number + FIRST for number in range(3)] == ends
    assert last is not None
    assert ring.has(last)
    expected = [recovered(large), *(recovered(pieces(b"%d" % number)) for number in range(3))]
    assert ([[], expected], 0) == left_in(path.read_bytes())
    for place in (last, *ends):
        assert place is not None
        ring.settle(place)
    assert ([[], []], 0) == left_in(path.read_bytes())


def test_a_file_is_laid_out_as_the_model_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    before = int(time.time())
    ring = a_ring(path, shelf=256)
    written = [pieces(b"%d" % number, b"heads") for number in range(3)]
    for record in written:
        ring.write(FIRST, record)
    image = path.read_bytes()
    assert remains.head(256, SALT) == image[:48]
    at = 0
    for record in written:
        since = int.from_bytes(image[HEADER + 256 + at + 16 :][:4], "little")
        made = remains.record(SALT, at, record, since=since)
        assert made == image[HEADER + 256 + at :][: len(made)]
        assert before <= since <= time.time()
        at += (len(made) + 7) // 8 * 8
    assert remains.bounds(at, 0) == image[remains.BOUNDS_AT + remains.BOUNDS_SIZE :][:16]


@pytest.mark.scenario("F11")
def test_a_record_of_nothing_is_one_too(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    ring = a_ring(path)
    assert ring.write(FIRST, (b"", b"", b"", b"", b"\x12\x00")) is not None
    assert ([[], [recovered((b"", b"", b"", b"", b"\x12\x00"))]], 0) == left_in(path.read_bytes())


def test_a_ring_that_a_stranger_scribbled_on_goes_on(tmp_path: Path) -> None:
    """What is read back from the file is not taken on trust: no loop, no place outside it."""
    path = tmp_path / "a.spool"
    ring = a_ring(path)
    places = [ring.write(FIRST, pieces(b"%d" % number)) for number in range(5)]
    with path.open("r+b") as file:
        file.seek(HEADER + 512)
        file.write(b"\xff" * 512)
    for place in places:
        assert place is not None
        ring.settle(place)
    for _ in range(40):
        assert ring.write(FIRST, pieces(b"y" * 100)) is not None
    (_, firsts), damaged = left_in(path.read_bytes())
    assert [recovered(pieces(b"y" * 100))] * (512 // 152) == firsts
    assert 0 == damaged


def test_a_closed_ring_writes_nothing_and_can_be_wiped(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    ring = a_ring(path)
    place = ring.write(FIRST, pieces(b"secret"))
    assert place is not None
    assert b"secret" in path.read_bytes()
    ring.close(wipe=True)
    assert b"secret" not in path.read_bytes()
    assert ring.write(FIRST, pieces(b"late")) is None
    ring.settle(place)
    ring.close()


def test_a_ring_needs_two_shelves_of_whole_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="size is expected to be 4096 bytes and 2 shelves of 8 n, got 4609"):
        Ring(os.open(tmp_path, os.O_RDONLY), HEADER + 513, 1, 1, 1)


def test_what_is_not_a_file_of_that_size_is_refused_and_closed(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(OSError, match="cannot be mapped"):
        Ring(descriptor, HEADER + 1024, 1, 1, 1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(descriptor)


class Machine(RuleBasedStateMachine):
    """Any order of writing, settling and dying: the file always says what the model does."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "a.spool"
        self.shelf = 256
        self.ring = a_ring(self.path, self.shelf)
        self.model = ModelRing(self.shelf)
        self.places: list[tuple[int, ModelRecord]] = []

    def teardown(self) -> None:
        self.ring.close()
        self.directory.cleanup()

    @rule(shelf=st.integers(0, SHELVES - 1), content=st.binary(max_size=120), heads=st.binary(max_size=100))
    def write(self, shelf: int, content: bytes, heads: bytes) -> None:
        record = self.model.write(shelf, pieces(content, heads))
        place = self.ring.write(shelf, pieces(content, heads))
        assert (record is None) == (place is None)
        if record is not None and place is not None:
            assert record.position + shelf == place
            self.places.append((place, record))

    @precondition(lambda self: self.places)
    @rule(chance=st.integers(0, 1 << 16))
    def settle(self, chance: int) -> None:
        """Of any record ever written, whether it is there, settled or overwritten."""
        place, record = self.places[chance % len(self.places)]
        self.ring.settle(place)
        self.model.settle(record)

    @rule()
    def die(self) -> None:
        """Without a word; another process has the file as it is, and this one begins a new one."""
        del self.ring
        self.agree_on_disk()
        self.path.unlink()
        self.ring = a_ring(self.path, self.shelf)
        self.model = ModelRing(self.shelf)
        self.places.clear()

    @invariant()
    def agree(self) -> None:
        self.agree_on_disk()
        model = self.model
        assert (model.waiting, model.written) == (self.ring.waiting, self.ring.written)
        assert (model.overwritten, model.left_out) == (self.ring.overwritten, self.ring.left_out)
        there = {id(record) for shelf in model.shelves for record in shelf}
        for place, record in self.places:
            assert (id(record) in there) == self.ring.has(place)

    def agree_on_disk(self) -> None:
        expected = [[recovered(record) for record in shelf] for shelf in self.model.left()]
        assert (expected, 0) == left_in(self.path.read_bytes())


@pytest.mark.scenario("F10")
def test_extension_and_model_agree_after_any_order_of_events() -> None:
    run_state_machine_as_test(Machine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None))
