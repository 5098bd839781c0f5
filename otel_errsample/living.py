"""The processors that live in this process, for what has to reach all of them: forks and ends."""

from __future__ import annotations

import logging
import weakref
from typing import Protocol

logger = logging.getLogger("otel_errsample")


class Member(Protocol):
    def before_fork(self) -> None: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...
    def flush_before_end(self) -> bool: ...


_members: weakref.WeakSet[Member] = weakref.WeakSet()


def join(member: Member) -> None:
    """Count the member in for as long as it lives."""
    _members.add(member)


def members() -> list[Member]:
    return list(_members)


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
