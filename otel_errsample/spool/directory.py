"""The spool's directory: whose it is, how a file in it is made, locked and found."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from otel_errsample.places import fixed

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # mypy has the POSIX module in mind

SUFFIX: Final = ".spool"
BAD: Final = ".bad"
_UNFINISHED: Final = ".new"
# A file with another number of owners, or with bits for others, is not one that we have made.
_MODE: Final = 0o600
_ZEROS: Final = bytes(1 << 16)


class Unusable(Exception):
    """Why a directory or a file cannot be used; for people, without a trace."""


class Entry(NamedTuple):
    """A file of ours in the directory."""

    name: str
    size: int
    modified: float


class Directory:
    """Opened anew for every use, so that one that was removed, mounted over or replaced is noticed."""

    def __init__(self, path: str) -> None:
        self.path = fixed(path)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise Unusable(f"it cannot be opened ({error.strerror})") from None
        try:
            status = os.fstat(descriptor)
            if status.st_uid != os.geteuid():
                raise Unusable("it belongs to another user; name a directory inside it, which is then made")
            if status.st_mode & 0o077:
                raise Unusable("other users may enter it; it is expected to have mode 0700")
            yield descriptor
        finally:
            os.close(descriptor)

    def prepare(self) -> None:
        """Make the directory where there is none. Raises Unusable where it is missing still, or not ours alone."""
        if fcntl is None:
            raise Unusable("files cannot be shared with the next process on this system")
        try:
            os.mkdir(self.path, 0o700)  # noqa: PTH102  beside calls that take a descriptor
        except FileExistsError:
            pass
        except OSError as error:
            raise Unusable(f"it cannot be made ({error.strerror})") from None
        with self._opened():
            pass

    def create(self, size: int, fill: Callable[[int], object]) -> str:
        """Make a file of `size` bytes that the volume has set aside, locked; its name, once `fill` has written its head.

        `fill` takes the descriptor over. Nobody finds the file before its head is whole. Raises Unusable.
        """
        name = f"{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"
        unfinished = name + _UNFINISHED
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._opened() as directory:
            try:
                descriptor = os.open(unfinished, flags, _MODE, dir_fd=directory)
                try:
                    taken = False
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _set_aside(descriptor, size)
                    taken = True
                    fill(descriptor)
                    os.rename(unfinished, name, src_dir_fd=directory, dst_dir_fd=directory)
                except BaseException:
                    if not taken:
                        os.close(descriptor)
                    with suppress(OSError):
                        os.unlink(unfinished, dir_fd=directory)
                    raise
            except OSError as error:
                raise Unusable(f"no file can be made in it ({error.strerror or error})") from None
        return name

    def entries(self) -> list[Entry]:
        """Our files, finished or not, the oldest first; what is foreign, linked or open to others is passed over."""
        found = []
        with self._opened() as directory:
            for name in os.listdir(directory):  # noqa: PTH208  Path has no listing of a descriptor
                if not name.endswith((SUFFIX, SUFFIX + BAD, SUFFIX + _UNFINISHED)):
                    continue
                with suppress(OSError):
                    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                    if _is_ours(status):
                        found.append(Entry(name, status.st_size, status.st_mtime))
        return sorted(found, key=lambda entry: entry.modified)

    def lock(self, name: str) -> int | None:
        """A descriptor of the file, locked; None where its owner lives, or somebody else was faster."""
        with self._opened() as directory:
            try:
                descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory)
            except OSError:
                return None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                status = os.fstat(descriptor)
                # Who had it before us may have removed it: then the lock is one on nothing.
                there = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if _is_ours(status) and os.path.samestat(status, there):
                    return descriptor
            except OSError:
                pass
            os.close(descriptor)
            return None

    def remove(self, name: str) -> None:
        """Remove a file that we have locked, or that nobody can want."""
        with suppress(OSError, Unusable), self._opened() as directory:
            os.unlink(name, dir_fd=directory)

    def set_aside(self, name: str) -> None:
        """Give a locked file another name, under which nobody adopts it."""
        with suppress(OSError, Unusable), self._opened() as directory:
            os.rename(name, name + BAD, src_dir_fd=directory, dst_dir_fd=directory)


def is_adoptable(name: str) -> bool:
    return name.endswith(SUFFIX)


def _is_ours(status: os.stat_result) -> bool:
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_uid == os.geteuid()
        and stat.S_IMODE(status.st_mode) == _MODE
        and status.st_nlink == 1
    )


def _set_aside(descriptor: int, size: int) -> None:
    """Let the volume give us the bytes now: a mapped hole in a full volume would end the process with SIGBUS."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    for start in range(0, size, len(_ZEROS)):
        os.pwrite(descriptor, _ZEROS[: size - start], start)
