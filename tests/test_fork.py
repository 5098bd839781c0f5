"""At-fork hooks reach every living member."""

from __future__ import annotations

import os

import pytest

from otel_errsample import fork
from tests.members import Member


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
