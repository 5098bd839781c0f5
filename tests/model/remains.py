"""The file of a spool in readable Python: the definition that ext/recovery.pyx is compared with."""

from __future__ import annotations

import struct
from typing import NamedTuple

from otel_errsample._hot import crc32c
from tests.model.ring import HEADER, SHELVES, SLOT, Pieces

MAGIC = b"ERRSPOOL"
VERSION = 1
BOUNDS_AT = 128
BOUNDS_SIZE = 64
STATE_AT = 12
WAITING = 0
DONE = 0x656E6F44
MARK = b"\x4a\x19\x0a\x13errsample.recovered\x12\x02\x10\x01"

_HEAD = struct.Struct("<8sII4Q")  # magic, version, check, capacity, salt, pid, created
_SLOT = struct.Struct("<QIII5I")  # position, check, state, since, sizes of the pieces
_BOUNDS = struct.Struct("<QQ")  # head, tail


class Found(NamedTuple):
    """As an iteration over Remains yields it."""

    shelf: int
    since: int
    place: int
    pieces: Pieces


def head(capacity: int, salt: int, pid: int = 7, created: int = 1_700_000_000) -> bytes:
    """The beginning of a file, up to what changes in it."""
    numbers = struct.pack("<4Q", capacity, salt, pid, created)
    return MAGIC + struct.pack("<II", VERSION, crc32c(numbers, VERSION)) + numbers


def bounds(head_at: int, tail: int) -> bytes:
    return _BOUNDS.pack(head_at, tail)


def record(salt: int, position: int, pieces: Pieces, *, state: int = WAITING, since: int = 0) -> bytes:
    """A record without its padding."""
    sizes = [len(piece) for piece in pieces]
    return _SLOT.pack(position, _check(salt, position, since, pieces), state, since, *sizes) + b"".join(pieces)


def _check(salt: int, position: int, since: int, pieces: Pieces) -> int:
    checked = struct.pack("<QQ6I", salt, position, since, *map(len, pieces))
    return crc32c(checked + b"".join(pieces))


def read(image: bytes) -> tuple[list[Found], int]:
    """The records that wait, and the number of stretches that hold none. Raises ValueError where it is no spool."""
    if len(image) < HEADER:
        raise ValueError("it is shorter than the head of a spool")
    magic, version, check, capacity, salt, _, _ = _HEAD.unpack_from(image)
    if magic != MAGIC:
        raise ValueError("it is no spool")
    if version != VERSION:
        raise ValueError(f"it has version {version}, and this is version {VERSION}")
    if check != crc32c(image[16:48], VERSION):
        raise ValueError("its head is damaged")
    if capacity < 64 or capacity % 8 or HEADER + SHELVES * capacity > len(image):
        raise ValueError("it is shorter than its head says")
    found: list[Found] = []
    damaged = 0
    patience = 4 * SHELVES * capacity
    for number in reversed(range(SHELVES)):
        start = HEADER + number * capacity
        shelf = image[start : start + capacity]
        end, at = _BOUNDS.unpack_from(image, BOUNDS_AT + number * BOUNDS_SIZE)
        if not (at <= end <= at + capacity and end % 8 == 0 and at % 8 == 0):
            damaged += 1
            continue
        in_gap = False
        while at < end:
            length = _length(shelf, at, end)
            sound = 0 < length <= patience
            if sound:
                patience -= length
                slot, pieces = _parts(shelf, at)
                sound = slot[1] == _check(salt, at, slot[3], pieces)
            if not sound:
                damaged += not in_gap
                in_gap = True
                at += 8
                continue
            in_gap = False
            if slot[2] != DONE:
                if is_span(pieces[4]):
                    found.append(Found(number, slot[3], start + (at + STATE_AT) % capacity, marked(pieces)))
                else:
                    damaged += 1
            at += length
    return found, damaged


def _length(shelf: bytes, at: int, end: int) -> int:
    """Of the record that says it stands there; 0 where none does, or one that goes on behind the end."""
    if end - at < SLOT:
        return 0
    position, _, _, _, *sizes = _SLOT.unpack(_around(shelf, at, SLOT))
    length = (SLOT + sum(sizes) + 7) // 8 * 8
    return length if position == at and length <= end - at else 0


def _parts(shelf: bytes, at: int) -> tuple[tuple[int, ...], Pieces]:
    slot = _SLOT.unpack(_around(shelf, at, SLOT))
    pieces = []
    at += SLOT
    for size in slot[4:]:
        pieces.append(_around(shelf, at, size))
        at += size
    return slot, (pieces[0], pieces[1], pieces[2], pieces[3], pieces[4])


def _around(shelf: bytes, at: int, size: int) -> bytes:
    at %= len(shelf)
    return (shelf[at : at + size] + shelf)[:size] if at + size > len(shelf) else shelf[at : at + size]


def is_span(field: bytes) -> bool:
    """Whether it is one field ScopeSpans.spans as a whole."""
    return field[:1] == b"\x12" and _content(field) is not None


def marked(pieces: Pieces) -> Pieces:
    content = _content(pieces[4])
    assert content is not None
    content += MARK
    return (*pieces[:4], b"\x12" + varint(len(content)) + content)


def _content(field: bytes) -> bytes | None:
    size = 0
    for at, byte in enumerate(field[1:6]):
        size |= (byte & 0x7F) << 7 * at
        if byte < 0x80:
            content = field[at + 2 :]
            return content if len(content) == size else None
    return None


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
