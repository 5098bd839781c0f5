"""Whatever a file holds, reading it ends soon, raises nothing but ValueError, and never makes a record up."""

from __future__ import annotations

import os
import random
import re
import struct
import threading
import time
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

from otel_errsample._hot import Orphan, Remains, crc32c, encode
from tests.model import remains
from tests.model.ring import HEADER, Pieces
from tests.spans import make_span
from tests.spools import SALT, a_ring, left_in, pieces, recovered, span

SHELF = 2048
ATTEMPTS_AT = 64
BOUNDS_AT = 128


def written(records: list[Pieces], directory: Path, shelf: int = SHELF) -> bytes:
    """The image of a file with these records, every other one in each shelf."""
    path = directory / f"{random.random()}.spool"
    ring = a_ring(path, shelf)
    for number, record in enumerate(records):
        ring.write(number % 2, record)
    return path.read_bytes()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    records = [pieces(b"%d-" % number * (1 + number % 40), b"resource" * 5) for number in range(60)]
    return written(records, tmp_path_factory.mktemp("image"))


def everything(image: bytes) -> set[Pieces]:
    shelves, damaged = left_in(image)
    assert 0 == damaged
    return {record for shelf in shelves for record in shelf}


def test_a_recovered_span_is_the_old_one_with_a_mark(tmp_path: Path) -> None:
    old = make_span("checkout", attributes={"a": 1})
    image = written([(b"", b"", b"", b"", encode(old))], tmp_path)
    ((_, _, _, found),) = Remains(image)
    (new,) = ScopeSpans.FromString(found[4]).spans
    (before,) = ScopeSpans.FromString(encode(old)).spans
    (mark,) = new.attributes[len(before.attributes) :]
    assert ("errsample.recovered", True) == (mark.key, mark.value.bool_value)
    del new.attributes[len(before.attributes) :]
    assert before == new


def test_first_errors_come_before_repeated_ones_and_say_when_they_ended(tmp_path: Path) -> None:
    before = int(time.time())
    found = list(Remains(written([pieces(b"repeated"), pieces(b"first")], tmp_path)))
    assert [1, 0] == [shelf for shelf, *_ in found]
    assert all(before <= since <= time.time() for _, since, *_ in found)


def test_what_an_orphan_settles_is_not_found_again(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.write_bytes(written([pieces(b"%d" % number) for number in range(6)], tmp_path))
    path.chmod(0o600)
    orphan = Orphan(os.open(path, os.O_RDWR))
    found = list(Remains(path.read_bytes()))
    for _, _, place, _ in found[::2]:
        orphan.settle(place)
    orphan.close()
    assert [record for *_, record in found[1::2]] == [record for *_, record in Remains(path.read_bytes())]


def test_attempts_are_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.write_bytes(written([], tmp_path))
    orphan = Orphan(os.open(path, os.O_RDWR))
    orphan.note_attempts(2)
    assert (2, 7) == (Remains(path.read_bytes()).attempts, Remains(path.read_bytes()).pid)
    orphan.close()
    with pytest.raises(OSError, match="cannot be written to"):
        orphan.note_attempts(3)


def test_an_orphan_that_cannot_be_written_to_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.spool"
    path.touch()
    with pytest.raises(OSError, match="cannot be written to"):
        Orphan(os.open(path, os.O_RDONLY)).note_attempts(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: image[:4095], "it is shorter than the head of a spool"),
        (lambda image: b"", "it is shorter than the head of a spool"),
        (lambda image: bytes(len(image)), "it is no spool"),
        (lambda image: b"#!/bin/sh" + image[9:], "it is no spool"),
        (lambda image: image[:8] + b"\2\0\0\0" + image[12:], "it has version 2, and this is version 1"),
        (lambda image: image[:24] + b"\xff" + image[25:], "its head is damaged"),
        (lambda image: image[:-1], "it is shorter than its head says"),
        (lambda image: image[:HEADER], "it is shorter than its head says"),
    ],
    ids=["cut", "empty", "zeros", "a script", "another version", "other salt", "truncated", "shelves gone"],
)
def test_what_is_no_spool_is_refused_with_the_reason(image: bytes, change: object, message: str) -> None:
    assert callable(change)
    with pytest.raises(ValueError, match=message):
        Remains(change(image))


@pytest.mark.parametrize("capacity", [0, 8, 1 << 63, (1 << 64) - 8, 2048 + 4])
def test_a_capacity_that_cannot_be_is_refused(image: bytes, capacity: int) -> None:
    head = struct.pack("<4Q", capacity, SALT, 7, 1_700_000_000)
    forged = image[:12] + struct.pack("<I", crc32c(head, 1)) + head + image[48:]
    with pytest.raises(ValueError, match="it is shorter than its head says"):
        Remains(forged)


@pytest.mark.parametrize(
    "bounds", [(0, 8), (1 << 63, 0), ((1 << 64) - 1, (1 << 64) - 9), (2056, 0), (12, 4)],
    ids=["backwards", "far apart", "the end of numbers", "more than a shelf", "no word"],
)  # fmt: skip
def test_bounds_that_cannot_be_cost_one_shelf_and_are_counted(image: bytes, bounds: tuple[int, int]) -> None:
    forged = image[:BOUNDS_AT] + struct.pack("<2Q", *bounds) + image[BOUNDS_AT + 16 :]
    shelves, damaged = left_in(forged)
    assert ([], 1) == (shelves[0], damaged)
    assert left_in(image)[0][1] == shelves[1]


@pytest.mark.scenario("F11")
@pytest.mark.parametrize("tail", [(1 << 32) - 96, (1 << 32) - 8, (1 << 63) - 48, (1 << 64) - 256])
def test_records_are_found_where_their_positions_pass_a_width_of_numbers(tail: int) -> None:
    records = [pieces(b"%d" % number) for number in range(4)]
    image = bytearray(HEADER + 2 * SHELF)
    image[:48] = remains.head(SHELF, SALT)
    at = tail
    for record in records:
        made = remains.record(SALT, at, record)
        for offset, byte in enumerate(made):
            image[HEADER + (at + offset) % SHELF] = byte
        at += (len(made) + 7) // 8 * 8
    image[BOUNDS_AT : BOUNDS_AT + 16] = remains.bounds(at, tail)
    assert ([[recovered(record) for record in records], []], 0) == left_in(bytes(image))


@given(st.data())
def test_a_reader_in_plain_python_finds_the_same(image: bytes, data: st.DataObject) -> None:
    forged = bytearray(image)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, 200) | st.integers(HEADER, len(image) - 1))
        forged[at] = data.draw(st.integers(0, 255))
    try:
        expected, damaged = remains.read(bytes(forged))
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            Remains(bytes(forged))
        return
    found = Remains(bytes(forged))
    assert [tuple(one) for one in expected] == list(found)
    assert damaged == found.damaged


def test_zeros_where_records_should_be_are_no_records(image: bytes) -> None:
    """All lengths zero, and a checksum of zeros that is zero where it has no salt."""
    blank = image[:HEADER] + bytes(len(image) - HEADER)
    assert ([[], []], 2) == left_in(blank)
    fresh = image[:BOUNDS_AT] + struct.pack("<2Q", 2048, 0) + image[BOUNDS_AT + 16 : HEADER] + bytes(2 * SHELF)
    assert [] == left_in(fresh)[0][0]


def test_one_damaged_record_costs_itself_alone(tmp_path: Path) -> None:
    records = [pieces(b"%03d" % number + b"x" * 50) for number in range(10)]
    image = bytearray(written([record for record in records for _ in range(2)], tmp_path))
    at = image.index(b"004")
    image[at] ^= 1
    shelves, damaged = left_in(bytes(image))
    assert [recovered(record) for record in records if b"004" not in record[4]] == shelves[0]
    assert ([recovered(record) for record in records], 1) == (shelves[1], damaged)


def test_a_span_that_is_none_is_counted_and_left_out(tmp_path: Path) -> None:
    wrong = [b"", b"\x12", b"\x12\x05abc", b"\x0a\x03abc", b"\x12" + b"\xff" * 12, b"\x12\x80"]
    image = written([(b"", b"", b"", b"", content) for content in wrong for _ in range(2)], tmp_path)
    assert ([[], []], 2 * len(wrong)) == left_in(image)


@pytest.mark.scenario("F3")
@given(data=st.data())
def test_no_corruption_makes_a_record_up(image: bytes, data: st.DataObject) -> None:
    """Flipped bits, zeroed and copied ranges, cut ends: what comes out was once written as it is, or nothing does."""
    forged = bytearray(image)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(image) - 1))
        length = data.draw(st.integers(1, 600))
        how = data.draw(st.sampled_from(["flip", "zero", "copy", "random"]))
        if how == "flip":
            forged[start] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "zero":
            forged[start : start + length] = bytes(len(forged[start : start + length]))
        elif how == "copy":
            to = data.draw(st.integers(0, len(image) - 1))
            piece = bytes(forged[start : start + length])[: len(image) - to]
            forged[to : to + len(piece)] = piece
        else:
            noise = data.draw(st.binary(min_size=1, max_size=40))[: len(image) - start]
            forged[start : start + len(noise)] = noise
    try:
        shelves, _ = left_in(bytes(forged))
    except ValueError:
        return
    assert {record for shelf in shelves for record in shelf} <= everything(image)


@pytest.mark.scenario("F3")
@given(st.binary(max_size=600), st.integers(0, 4000))
def test_garbage_behind_a_good_head_ends(image: bytes, garbage: bytes, at: int) -> None:
    forged = image[: HEADER + at] + garbage + image[HEADER + at + len(garbage) :]
    left_in(forged[: len(image)])


def test_a_file_made_to_cost_time_does_not(tmp_path: Path) -> None:
    """Every word a plausible slot with megabytes of content: the checksums are bounded, not the product of both."""
    shelf = 1 << 20
    image = bytearray(written([], tmp_path, shelf))
    for start in range(0, shelf, 48):
        slot = struct.pack("<QIII5I", start, 0, 0, 0, 0, 0, 0, 0, max(0, shelf - start - 48))
        image[HEADER + start : HEADER + start + len(slot)] = slot
    struct.pack_into("<2Q", image, BOUNDS_AT, shelf, 0)
    assert ([[], []], 1) == left_in(bytes(image))


def test_the_length_of_a_mark_moves_the_length_of_the_span(tmp_path: Path) -> None:
    """Around each size where a varint grows."""
    sizes = [0, 90, 99, 100, 101, 127, 128]
    image = written([pieces(b"z" * size) for size in sizes for _ in range(2)], tmp_path)
    assert [recovered(pieces(b"z" * size)) for size in sizes] == left_in(image)[0][0]
    assert recovered(pieces(b"z" * 101))[4] == span(b"z" * 101 + recovered(pieces(b""))[4][2:])


@pytest.mark.usefixtures("eager_threads")
def test_other_threads_have_their_turn_while_a_gap_is_looked_over(tmp_path: Path) -> None:
    size = 16 << 20
    image = bytearray(written([], tmp_path, size))
    struct.pack_into("<QQ", image, BOUNDS_AT, size, 0)
    remains = Remains(bytes(image))
    turns, ended = 0, False

    def other() -> None:
        nonlocal turns
        while not ended:
            turns += 1
            time.sleep(0)

    thread = threading.Thread(target=other, daemon=True)
    try:
        thread.start()
        before = turns
        assert [] == list(remains)
        assert turns > before + 8
    finally:
        ended = True
        thread.join()
    assert 1 == remains.damaged


def test_a_descriptor_that_was_closed_and_belongs_to_another_file_by_now_is_left_alone(tmp_path: Path) -> None:
    a_ring(tmp_path / "a.spool").close()
    descriptor = os.open(tmp_path / "a.spool", os.O_RDWR)
    orphan = Orphan(descriptor)
    os.close(descriptor)
    another = os.open(tmp_path / "another", os.O_RDWR | os.O_CREAT)
    assert another == descriptor
    os.write(another, bytes(4096))
    orphan.settle(100)
    with pytest.raises(OSError, match="cannot be written"):
        orphan.note_attempts(1)
    orphan.close()
    os.fstat(another)
    os.close(another)
    assert bytes(4096) == (tmp_path / "another").read_bytes()
