"""One file of a process that died, on its way through our buffer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from otel_errsample._hot import Group, Orphan, Remains, adopt, group_from
from otel_errsample.config import SETTINGS

if TYPE_CHECKING:
    from otel_errsample._hot import Buffer

_Record = tuple[int, int, int, tuple[bytes, bytes, bytes, bytes, bytes]]

MOST_AGE: Final = 48 * 3600
"""Seconds after which nobody looks for an error's span any more; Azure Monitor's exporter keeps as long."""
MOST_ATTEMPTS: Final = 3
"""Adoptions that ended with the adopter before the file is held to be what ended it."""
_LANE_REPEATED: Final = 2
_READ_AT_ONCE: Final = 1 << 20
_MAGIC: Final = b"ERRSPOOL"
_MOST_BYTES: Final = next(setting.high for setting in SETTINGS if setting.argument == "spool_bytes")


class Adoption:
    """Feeds what is left in a locked file to the buffer, as far as there is room for it.

    Takes `descriptor` over. Raises ValueError where the file is no spool, its head is damaged, or it was adopted MOST_ATTEMPTS
    times and nobody lived to tell; OSError where it cannot be read or written.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.expired = 0
        try:
            self._remains = Remains(_image_of(descriptor))
            if self._remains.attempts >= MOST_ATTEMPTS:
                raise ValueError("nobody survived adopting it")
        except BaseException:
            os.close(descriptor)
            raise
        self._orphan = Orphan(descriptor)
        self._orphan.note_attempts(self._remains.attempts + 1)
        self._survived = False
        self._records: Iterator[_Record] = iter(self._remains)
        self._next: _Record | None = None
        self._read = False
        self._groups: dict[tuple[bytes, ...], Group] = {}

    @property
    def pid(self) -> int:
        return self._remains.pid

    @property
    def damaged(self) -> int:
        """Stretches of the file that hold no record."""
        return self._remains.damaged

    @property
    def is_done(self) -> bool:
        """Whether every record has met its ending, so that the file can go."""
        return self._read and not self._orphan.waiting

    def feed(self, buffer: Buffer, now: float) -> None:
        """Give the buffer what it has room for, except what ended more than MOST_AGE seconds before `now`."""
        while not self._read:
            # Read when its turn comes: an error in reading must not have the one before adopted again.
            self._next = self._next or next(self._records, None)
            if self._next is None:
                self._read = True
                return
            lane, since, place, pieces = self._next
            if now - since > MOST_AGE:
                self.expired += 1
            elif not adopt(buffer, pieces[4], _LANE_REPEATED + lane, self._group_of(pieces), self._orphan, place):
                return
            self._next = None

    def _group_of(self, pieces: tuple[bytes, bytes, bytes, bytes, bytes]) -> Group:
        heads = pieces[:4]
        group = self._groups.get(heads)
        if group is None:
            group = self._groups[heads] = group_from(*heads)
        return group

    def survived(self) -> None:
        """The records went to the receiver, or nowhere, and we live: they are not what ended the others."""
        if not self._survived:
            self._survived = True
            self._orphan.note_attempts(0)

    def leave(self) -> None:
        """Give up the lock; what has not met its ending is there for the next one."""
        self._orphan.close()


def _image_of(descriptor: int) -> bytes:
    """All of the file. Raises ValueError, before the memory is spent, where it is no spool at the first glance."""
    size = os.fstat(descriptor).st_size
    if size > _MOST_BYTES or os.pread(descriptor, len(_MAGIC), 0) != _MAGIC:
        raise ValueError("it is no spool")
    pieces = []
    at = 0
    while at < size and (piece := os.pread(descriptor, min(_READ_AT_ONCE, size - at), at)):
        pieces.append(piece)
        at += len(piece)
    return b"".join(pieces)
