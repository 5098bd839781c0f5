"""What happens to processors when the process forks."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable
from typing import Protocol

logger = logging.getLogger("otel_errsample")


class Forkable(Protocol):
    def before_fork(self) -> None: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


_members: weakref.WeakSet[Forkable] = weakref.WeakSet()
_registered = False


def take_part(member: Forkable) -> None:
    """Call the member's three hooks around every fork for as long as it lives; nothing where there is no fork."""
    global _registered
    _members.add(member)
    if not _registered and hasattr(os, "register_at_fork"):
        # At-fork hooks cannot be taken back, so there is one set for the process and weak references behind it.
        _registered = True
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def _before() -> None:
    for member in list(_members):
        _guarded(member.before_fork)


def _in_parent() -> None:
    for member in list(_members):
        _guarded(member.after_fork_in_parent)


def _in_child() -> None:
    for member in list(_members):
        _guarded(member.after_fork_in_child)


def _guarded(hook: Callable[[], None]) -> None:
    """One member's failure must not keep the others from hearing of the fork."""
    try:
        hook()
    except Exception:
        logger.exception("a fork hook failed")
