"""At-fork hooks reach every living member and keep none alive."""

from __future__ import annotations

import gc
import os
import weakref

import pytest

from otel_errsample import fork


class Member:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def before_fork(self) -> None:
        self.heard.append("before")

    def after_fork_in_parent(self) -> None:
        self.heard.append("parent")

    def after_fork_in_child(self) -> None:
        self.heard.append("child")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_is_announced_and_both_sides_hear_of_it() -> None:
    member = Member()
    fork.take_part(member)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if member.heard == ["before", "child"] else 1)
    _, status = os.waitpid(pid, 0)
    assert 0 == os.waitstatus_to_exitcode(status)
    assert ["before", "parent"] == member.heard


def test_taking_part_keeps_nobody_alive() -> None:
    member = Member()
    alive = weakref.ref(member)
    fork.take_part(member)
    del member
    gc.collect()
    assert alive() is None
