"""What a process does with the spool's directory: a file of its own, and the files of processes that died."""

from __future__ import annotations

import logging
import os
import random
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_errsample._hot import Ring, write_to
from otel_errsample.ledger import SpoolCount
from otel_errsample.spool.adoption import MOST_AGE, Adoption
from otel_errsample.spool.directory import BAD, Directory, Unusable, is_adoptable

if TYPE_CHECKING:
    from otel_errsample._hot import Buffer, Ledger
    from otel_errsample.config import Settings
    from otel_errsample.setting import Warn

logger = logging.getLogger("otel_errsample")

VARIABLE: Final = "OTEL_ERRSAMPLE_SPOOL_DIR"
EVERY: Final = 30.0
"""Seconds, at most, between two looks for files of processes that died; up to a fifth less, so that siblings take turns."""
SOON: Final = 0.2
"""Seconds between two looks while a file is being adopted."""
MOST_FILES: Final = 128
"""With more files of dead processes than this, nobody reads them: the oldest go."""
_HALF_MADE: Final = 60.0
_HEADER: Final = 4096


class Spool:
    """Our ring in the directory, and one adoption at a time.

    `open` may be called from any thread and again and again; `look`, from the worker's thread alone. Where the directory
    cannot be used, one warning says why, spans are in memory alone, and every look tries again.
    """

    def __init__(
        self,
        path: str,
        size: int,
        buffer: Buffer,
        ledger: Ledger,
        *,
        warn: Callable[[str], None],
        chance: random.Random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._directory = Directory(path)
        self._size = _HEADER + (size - _HEADER) // 8192 * 8192
        self._buffer = buffer
        self._ledger = ledger
        self._warn = warn
        self._chance = chance
        self._wall = wall
        self._said = ""
        write_to(buffer, None)
        self.forget()

    def forget(self) -> None:
        """In a forked child: what the parent opened is the parent's. Also where everything begins."""
        self._lock = threading.Lock()
        self._ring: Ring | None = None
        self._name = ""
        self._adoption: Adoption | None = None
        self._closed = False
        self._due = self._soon = 0.0
        self._asked = 0
        self._refused: set[str] = set()
        self._files = self._unreadable = self._expired = self._damaged = self._discarded = 0
        self.state = "not open yet"

    # -- our own file

    def open(self) -> None:
        """Make our file and write to it from now on, the errors that wait first; nothing where it is there."""
        if self._ring is not None or self._closed or not self._lock.acquire(blocking=False):
            return  # a signal handler inside this function, or another thread
        try:
            self._directory.prepare()
            self._make_place()
            self._name = self._directory.create(self._size, self._fill)
            write_to(self._buffer, self._ring)
            self._said = self.state = ""
        except (Unusable, OSError, ValueError) as error:  # ValueError: a path with a NUL in it
            self._ring = None
            self.state = str(error) if isinstance(error, Unusable) else f"it cannot be used ({error})"
            if self._said != self.state:
                self._said = self.state
                self._warn(f"{self.state}; errors are kept in memory alone")
        finally:
            self._lock.release()

    def _fill(self, descriptor: int) -> None:
        self._ring = Ring(descriptor, self._size, secrets.randbits(63) | 1, os.getpid(), int(self._wall()))

    def _make_place(self) -> None:
        """Discard the oldest files of dead processes; those of living ones do not count, however many they are."""
        entries = self._directory.entries()
        if len(entries) < MOST_FILES:
            return
        # One descriptor at a time: the application wants its own.
        dead = [entry.name for entry in entries if self._is_left(entry.name)]
        for name in dead[: max(0, len(dead) - MOST_FILES + 1)]:
            self._discarded += self._is_left(name, remove=True)

    def _is_left(self, name: str, *, remove: bool = False) -> bool:
        """Whether nobody has the file; then it goes, where that is wanted."""
        descriptor = self._directory.lock(name)
        if descriptor is None:
            return False
        if remove:
            self._directory.remove(name)
        os.close(descriptor)
        return True

    def _is_there(self) -> bool:
        """Whether our file was neither removed nor cut under us; writing where it was cut would be SIGBUS."""
        try:
            return any(entry.name == self._name and entry.size == self._size for entry in self._directory.entries())
        except (Unusable, OSError):
            return False

    # -- the files of others

    def seconds_left(self, now: float) -> float:
        """Until the next look."""
        return max(0.0, (self._soon if self._adoption is not None else self._due) - now)

    def look(self, now: float) -> None:
        """Open our file where that failed before, and go on with an adoption, or look for a file to adopt."""
        if self._closed:
            return
        if self._adoption is None:
            if now < self._due:
                return
            self._due = now + EVERY * self._chance.uniform(0.8, 1.0)
            try:
                if self._ring is not None and not self._is_there():
                    self._ring.abandon()  # what is in it is lost with us, what comes shall not be
                    self._ring = None
                    write_to(self._buffer, None)
                self.open()
                self._adoption = self._find() if self._ring is not None else None
            except (Unusable, OSError):
                return  # open() says why, at the next look
        self._soon = now + SOON
        while self._adoption is not None:
            self._go_on(self._adoption)
            if not self._adoption.is_done:
                return
            self._finish(self._adoption)
            self._adoption = self._find()

    def _go_on(self, adoption: Adoption) -> None:
        if self._ledger.requests > self._asked:
            # On the worker's own thread, so that request has come back.
            adoption.survived()
        adoption.feed(self._buffer, self._wall())

    def _find(self) -> Adoption | None:
        """The first file that nobody has, ready to be fed to the buffer."""
        for entry in self._directory.entries():
            if not is_adoptable(entry.name):
                self._tidy(entry.name, self._wall() - entry.modified)
                continue
            if entry.name == self._name or entry.name in self._refused:
                continue
            descriptor = self._directory.lock(entry.name)
            if descriptor is None:
                continue
            try:
                adoption = Adoption(entry.name, descriptor)
            except ValueError as error:
                self._directory.set_aside(entry.name)
                self._unreadable += 1
                logger.warning("a spool was set aside as %s: %s", BAD, error)
            except (OSError, MemoryError):
                self._refused.add(entry.name)
                self._unreadable += 1
            else:
                self._asked = self._ledger.requests
                self._files += 1
                logger.info("sending the errors that process %d left in the spool", adoption.pid)
                return adoption
        return None

    def _finish(self, adoption: Adoption) -> None:
        self._directory.remove(adoption.name)
        adoption.leave()
        self._expired += adoption.expired
        self._damaged += adoption.damaged

    def _tidy(self, name: str, age: float) -> None:
        """Remove what was set aside long ago, and what its maker did not finish."""
        if age > (MOST_AGE if name.endswith(BAD) else _HALF_MADE):
            self._is_left(name, remove=True)

    # -- the end

    def close(self) -> None:
        """After the last delivery: remove our file where nothing is left in it, leave it to the next process otherwise."""
        self._closed = True
        ring, adoption = self._ring, self._adoption
        self._adoption = None
        if ring is not None:
            if not ring.waiting:
                self._directory.remove(self._name)
            ring.close(wipe=not ring.waiting)
            self.state = "closed"
        if adoption is not None:
            if adoption.is_done:
                self._finish(adoption)
            else:
                with suppress(OSError):
                    adoption.survived()
                adoption.leave()

    # -- counts

    def count(self) -> SpoolCount:
        ring = self._ring
        return SpoolCount(
            state=self.state or "ok",
            waiting=ring.waiting if ring is not None else 0,
            written=ring.written if ring is not None else 0,
            overwritten=ring.overwritten + ring.left_out if ring is not None else 0,
            adopted=self._files,
            expired=self._expired,
            damaged=self._damaged + self._unreadable,
            discarded=self._discarded,
        )


def spool_of(settings: Settings, buffer: Buffer, ledger: Ledger, warn: Warn, *, holds_bytes: bool) -> Spool | None:
    """The spool that the settings name; None, with a warning, where the buffer holds spans for a user's exporter."""
    if not settings.spool_dir:
        return None
    if not holds_bytes:
        warn(VARIABLE, "is for spans that go out over OTLP; the exporter given in code gets them from memory alone")
        return None
    return Spool(
        settings.spool_dir,
        settings.spool_bytes,
        buffer,
        ledger,
        warn=partial(warn, VARIABLE),
        chance=random.Random(),  # noqa: S311  jitter is no secret
    )
