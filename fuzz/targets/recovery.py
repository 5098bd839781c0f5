"""A spool file of any bytes: what is found is what the readable model finds, and nothing is found again once delivered.

An input is a file as it is, edits of a good one, or records with the right checksums where no ring would put them.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import cast

from fuzz.source import Source
from otel_errsample._hot import Buffer, Ledger, Limits, Remains, take
from otel_errsample.spool.adoption import MOST_ATTEMPTS, Adoption
from tests.model import remains
from tests.model.ring import HEADER, SHELVES, Pieces
from tests.spools import SALT, a_ring, pieces, span

MOST = 8192
WORDS = (
    b"ERRSPOOL\x01\x00\x00\x00", b"Done", b"\x12\x00", b"\x12\x02ab", b"\x17\x5a\x00\x00\x00\x00\x00\x00", b"\xff" * 8, b"\xff" * 4,
    b"\x00\x02\x00\x00\x00\x00\x00\x00", b"\x40\x00\x00\x00\x00\x00\x00\x00", b"\xf8\xff\xff\xff\xff\xff\xff\xff",
)  # fmt: skip

_CAPACITIES = (64, 256, 512, 2048)
_DIRECTORY = tempfile.TemporaryDirectory(prefix="fuzz-recovery-")
_FILE = Path(_DIRECTORY.name) / "a.spool"


def _good(capacity: int) -> bytes:
    """Shelves that were written around their ends, with some of it acknowledged."""
    path = Path(_DIRECTORY.name) / f"{capacity}.spool"
    ring = a_ring(path, capacity)
    for number in range(capacity // 8):
        place = ring.write(number % SHELVES, pieces(b"%d" % number * (1 + number % 5), b"heads" * (number % 3)))
        if number % 4 == 1 and place is not None:
            ring.settle(place)
    return path.read_bytes()


_GOOD = {capacity: _good(capacity) for capacity in _CAPACITIES}


def check(data: bytes) -> None:
    source = Source(data)
    image = source.pick((_as_it_is, _edited, _made))(source)
    try:
        expected, damaged = remains.read(image)
    except ValueError as error:
        assert str(error) == _refusal(image)
        return
    read = Remains(image)
    assert [tuple(found) for found in expected] == list(read)
    assert damaged == read.damaged
    if read.attempts < MOST_ATTEMPTS:
        _deliver(image, len(expected), read.attempts + 1)


def _refusal(image: bytes) -> str:
    try:
        Remains(image)
    except ValueError as error:
        return str(error)
    raise AssertionError("it is refused")


def _as_it_is(source: Source) -> bytes:
    """As an input is short, with zeros as far as the shelves of a small spool reach."""
    padded = source.below(2)
    image = source.rest()
    return image.ljust(HEADER + 1024, b"\0") if padded else image


def _edited(source: Source) -> bytes:
    image = bytearray(_GOOD[source.pick(_CAPACITIES)])
    mended = source.below(2)
    while source.left:
        how = source.below(4)
        at = source.whole(2) % len(image)
        if how == 0:
            image[at] ^= 1 << source.below(8)
        elif how == 1:
            size = min(source.whole(2), len(image) - at)
            image[at : at + size] = bytes(size)
        elif how == 2:
            piece = source.bytes()[: len(image) - at]
            image[at : at + len(piece)] = piece
        else:
            piece = bytes(image[at : at + source.below(256)])
            to = source.whole(2) % len(image)
            image[to : to + len(piece)] = piece[: len(image) - to]
    if mended:
        capacity, salt, pid, created = (int.from_bytes(image[at : at + 8], "little") for at in (16, 24, 32, 40))
        image[:48] = remains.head(capacity, salt, pid, created)
    return bytes(image)


def _made(source: Source) -> bytes:
    capacity = source.pick(_CAPACITIES)
    image = bytearray(HEADER + SHELVES * capacity)
    image[:48] = remains.head(capacity, SALT)
    for number in range(SHELVES):
        tail = source.whole(8) if source.below(2) else 8 * source.below(256)
        end = tail
        for _ in range(source.below(8)):
            made = remains.record(
                SALT, end, _pieces(source), state=source.pick((0, remains.DONE, 1)), since=source.whole(4)
            )
            for at, byte in enumerate(made):
                image[HEADER + number * capacity + (end + at) % capacity] = byte
            end = (end + (len(made) + 7) // 8 * 8 + 8 * source.below(3)) % (1 << 64)
        end = source.whole(8) if source.below(8) == 7 else end
        at = remains.BOUNDS_AT + number * remains.BOUNDS_SIZE
        image[at : at + 16] = remains.bounds(end, tail)
    return bytes(image)


def _pieces(source: Source) -> Pieces:
    heads = tuple(source.take(source.below(16)) for _ in range(4))
    content = source.take(source.below(64))
    return cast("Pieces", (*heads, content if source.below(4) == 3 else span(content)))


def _deliver(image: bytes, count: int, attempts: int) -> None:
    _FILE.write_bytes(image)
    buffer = Buffer(Ledger(), Limits(), 1 << 30, 0, 512, 1 << 30)
    adoption = Adoption(_FILE.name, os.open(_FILE, os.O_RDWR))
    try:
        adoption.feed(buffer, 0.0)
        batch = take(buffer, count + 1, 1 << 30, buffer.newest, False)
        assert (0 if batch is None else batch.count) == count
        if batch is not None:
            batch.payload(0, count)
            batch.end(0, count, "delivered")
        assert adoption.is_done
    finally:
        adoption.leave()
    left = Remains(_FILE.read_bytes())
    assert [] == list(left)
    assert attempts == left.attempts
