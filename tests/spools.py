"""Spool files for tests: made, read back, filled."""

from __future__ import annotations

import os
from pathlib import Path

from otel_errsample._hot import Remains, Ring
from tests.model.remains import varint
from tests.model.ring import HEADER, SHELVES, Pieces

MARK = b"\x4a\x19\x0a\x13errsample.recovered\x12\x02\x10\x01"
SALT = 0x5A17


def span(content: bytes) -> bytes:
    """The field ScopeSpans.spans around bytes of any kind."""
    return b"\x12" + varint(len(content)) + content


def pieces(content: bytes, heads: bytes = b"") -> Pieces:
    return heads, b"", heads[:1], b"", span(content)


def recovered(pieces: Pieces) -> Pieces:
    """The same, as it comes out of a spool."""
    *heads, last = pieces
    size, at = 0, 1
    while True:
        size |= (last[at] & 0x7F) << 7 * (at - 1)
        at += 1
        if last[at - 1] < 0x80:
            break
    assert size == len(last) - at
    return (*heads, span(last[at:] + MARK))  # type: ignore[return-value]


def a_ring(path: Path, shelf: int = 512, *, pid: int = 7) -> Ring:
    """A ring with shelves of so many bytes in a new file."""
    size = HEADER + SHELVES * shelf
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.truncate(descriptor, size)
    return Ring(descriptor, size, SALT, pid, 1_700_000_000)


def left_in(image: bytes) -> tuple[list[list[Pieces]], int]:
    """What is found in each shelf, and the number of stretches that hold no record."""
    shelves: list[list[Pieces]] = [[], []]
    remains = Remains(image)
    for shelf, _, _, found in remains:
        shelves[shelf].append(found)
    return shelves, remains.damaged
