"""The processors that live in this interpreter, for what has to reach all of them: forks and ends."""

from __future__ import annotations

import _thread
import atexit
import logging
import time
import weakref
from importlib import import_module
from typing import Any, Final, Protocol

logger = logging.getLogger("otel_errsample")


class Member(Protocol):
    def before_fork(self) -> None: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...
    def flush_before_end(self) -> bool: ...
    def shutdown(self) -> bool: ...


_members: weakref.WeakSet[Member] = weakref.WeakSet()
_ends_with_interpreter = False
# Seconds that a subinterpreter's end may wait for threads that have nothing left to do.
_THREADS_PATIENCE: Final = 0.1


def join(member: Member) -> None:
    """Count the member in for as long as it lives."""
    global _ends_with_interpreter
    _members.add(member)
    if not _ends_with_interpreter and _in_subinterpreter():
        _ends_with_interpreter = True
        atexit.register(end)


def members() -> list[Member]:
    while True:
        try:
            return list(_members)
        except RuntimeError:  # another thread made one meanwhile, and a set says so by raising
            continue


def flush() -> bool:
    """Send what waits in every processor, because the process is about to end without asking them.

    Takes each at most its shutdown timeout, and nothing where nothing waits. Returns whether all of it was delivered.
    May be called in a signal handler.
    """
    delivered = True
    for member in members():
        try:
            delivered &= member.flush_before_end()
        except Exception:
            delivered = False
            logger.exception("a flush before the end of the process failed")
    return delivered


def end() -> None:
    """Shut every processor down, and let its thread go: a subinterpreter that ends with a thread in it is a fatal error.

    A fatal error of Python's, which ends the process: mod_wsgi's are where it runs applications.
    """
    for member in members():
        try:
            member.shutdown()
        except Exception:
            logger.exception("a shutdown before the end of an interpreter failed")
    deadline = time.monotonic() + _THREADS_PATIENCE
    # Counted down by a thread that holds the GIL until nothing is left of it.
    while _thread._count() and time.monotonic() < deadline:
        time.sleep(0.001)


def _in_subinterpreter() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):  # since Python 3.13, and before
        try:
            interpreters: Any = import_module(name)
        except ImportError:
            continue
        return bool(interpreters.get_current() != interpreters.get_main())
    return False
