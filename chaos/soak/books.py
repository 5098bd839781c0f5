"""Who ended which span: written by each process where a kill does not reach it, read again by the driver.

A span's id says which process ended it, on which of its threads, of what kind it is, and its number: spans of one kind
on one thread are numbered without a gap, so that a count says which ones there have to be.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple

THREADS: Final = 16
KINDS: Final = 8
_SLOTS: Final = THREADS * KINDS
_PREFIX: Final = "ended-"


class Kind(IntEnum):
    """What a span is, as the rules of the soak tell by its name."""

    HEALTHY = 1  # may be sampled out, thinned, evicted
    NEW = 2  # an error with a fingerprint of its own: never lost, whatever happens
    REPEATED = 3  # lost only with a counted ending
    STORM = 4  # the same, and under a limit
    HOSTILE = 5  # as REPEATED, with values nobody expects
    UNWELCOME = 6  # as REPEATED; a receiver may refuse it


class Identity(NamedTuple):
    process: int
    thread: int
    kind: Kind
    number: int

    def as_span_id(self) -> int:
        return self.process << 48 | self.thread << 40 | self.kind << 36 | self.number


def identity(span_id: int) -> Identity:
    """Raises ValueError for an id that nobody has given."""
    kind = Kind(span_id >> 36 & 0xF)
    return Identity(span_id >> 48, span_id >> 40 & 0xFF, kind, span_id & (1 << 36) - 1)


class Book:
    """How many spans of each kind have ended, `end()` included, by thread; in a file that is mapped."""

    def __init__(self, path: Path, process: int) -> None:
        self.process = process
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SLOTS * 8)
        self._numbers = memoryview(self._map).cast("Q")  # one store for a number: a kill leaves the old one or the new

    @classmethod
    def claim(cls, directory: Path) -> Book:
        """A new one, under the least number that no other process has."""
        process = 1
        while True:
            path = directory / f"{_PREFIX}{process}"
            try:
                with path.open("xb") as file:
                    file.write(bytes(_SLOTS * 8))
                return cls(path, process)
            except FileExistsError:
                process += 1

    def ended(self, thread: int, kind: Kind) -> None:
        self._numbers[thread * KINDS + kind] += 1

    @property
    def total(self) -> int:
        return sum(self._numbers)

    def last(self) -> Iterator[Identity]:
        """The last span of each thread and kind. Healthy ones nest: for them its number is their count alone."""
        for slot, number in enumerate(self._numbers):
            if number:
                yield Identity(self.process, slot // KINDS, Kind(slot % KINDS), number)


def books(directory: Path) -> list[Book]:
    """Those of every process there was."""
    return [Book(path, int(path.name.removeprefix(_PREFIX))) for path in directory.glob(f"{_PREFIX}*")]
