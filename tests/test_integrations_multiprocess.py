"""Children of multiprocessing flush before they end."""

from __future__ import annotations

import multiprocessing
from multiprocessing import util
from multiprocessing.connection import Connection

import pytest

from otel_errsample import living
from otel_errsample.integrations import multiprocess
from tests.members import Member

pytestmark = pytest.mark.usefixtures("alone")

forking = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")


class Telling(Member):
    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self.pipe = pipe

    def flush_before_end(self) -> bool:
        self.pipe.send("flush")
        return True


def work(pipe: Connection, member: Member) -> None:
    util.Finalize(None, pipe.send, ("a finaliser of somebody else",), exitpriority=10)
    pipe.send("work")


@forking
def test_a_forked_child_flushes_after_its_work_and_after_other_finalisers() -> None:
    multiprocess.attach()
    ours, theirs = multiprocessing.Pipe(duplex=False)
    member = Telling(theirs)
    living.join(member)
    child = multiprocessing.get_context("fork").Process(target=work, args=(theirs, member))
    child.start()
    theirs.close()
    child.join(60)
    heard = []
    while ours.poll():
        try:
            heard.append(ours.recv())
        except EOFError:
            break
    assert (0, ["work", "a finaliser of somebody else", "flush"]) == (child.exitcode, heard[:3])


def test_a_process_that_is_a_child_already_flushes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a fork server that makes its provider in the task: there no fork is to come."""
    registered: list[int] = []
    monkeypatch.setattr(multiprocess, "parent_process", object)
    monkeypatch.setattr(util, "register_after_fork", lambda kept_for, function: None)
    monkeypatch.setattr(util, "Finalize", lambda kept_for, function, exitpriority: registered.append(exitpriority))
    multiprocess.attach()
    assert [0] == registered
