"""Noticing that a file has changed, by its stat alone."""

from __future__ import annotations

import os

# Seconds between two looks; a look is one stat, some 2 us.
EVERY = 1.0

_Signature = tuple[int, ...] | None


class FileWatch:
    """Looks at a file at most once a second, on the clock of the seconds it is given.

    A change is told when the file has been the same for two looks, so that nobody reads what is still being written;
    and once for the file as it was first seen, since what changes within one tick of the file system's clock while
    somebody reads it would go unnoticed. A file that is replaced, by renaming or through a symbolic link, has changed;
    one that is missing is a file like any other.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: _Signature = ()
        self._told: _Signature = ()
        self._next: float | None = None

    def seconds_left(self, now: float) -> float:
        """Until the next look."""
        return 0.0 if self._next is None else max(0.0, self._next - now)

    def changed(self, now: float) -> bool:
        """Whether there is something to read; False between two looks."""
        if self.seconds_left(now) > 0.0:
            return False
        self._next = now + EVERY
        before, self._seen = self._seen, _signature(self._path)
        if self._seen != before or self._seen == self._told:
            return False
        self._told = self._seen
        return True

    def again(self) -> None:
        """What was told could not be used: tell it once more at the next look."""
        self._told = ()


def _signature(path: str) -> _Signature:
    try:
        stat = os.stat(path)  # noqa: PTH116  through os: a Path costs more than the look
    except (OSError, ValueError):  # a NUL in the name
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
