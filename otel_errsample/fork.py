"""What happens to processors when the process forks."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from otel_errsample import living

logger = logging.getLogger("otel_errsample")

_registered = False


def take_part(member: living.Member) -> None:
    """Call the member's three hooks around every fork for as long as it lives; nothing where there is no fork."""
    global _registered
    living.join(member)
    _attach()
    if not _registered and hasattr(os, "register_at_fork"):
        # At-fork hooks cannot be taken back, so there is one set for the process and weak references behind it.
        _registered = True
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def _attach() -> None:
    # Now, and before each fork for what was imported meanwhile: a library that forks says how its children end.
    from otel_errsample import integrations

    integrations.attach()


def _before() -> None:
    _guarded(_attach)
    for member in living.members():
        _guarded(member.before_fork)


def _in_parent() -> None:
    for member in living.members():
        _guarded(member.after_fork_in_parent)


def _in_child() -> None:
    for member in living.members():
        _guarded(member.after_fork_in_child)


def _guarded(hook: Callable[[], None]) -> None:
    """One member's failure must not keep the others from hearing of the fork."""
    try:
        hook()
    except Exception:
        logger.exception("a fork hook failed")
