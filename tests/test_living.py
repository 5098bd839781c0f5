"""The processors of a process are found by what has to reach all of them, and kept alive by nobody."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Iterator

import pytest

from otel_errsample import ErrorSpanProcessor, living
from otel_errsample.testing import CollectingTransport
from tests.members import Member
from tests.spans import make_span

pytestmark = pytest.mark.usefixtures("alone")


def test_joining_keeps_nobody_alive() -> None:
    member = Member()
    alive = weakref.ref(member)
    living.join(member)
    assert member in living.members()
    del member
    gc.collect()
    assert alive() is None


def test_one_that_joins_while_another_thread_looks_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    first, late = Member(), Member()

    class Members(weakref.WeakSet[Member]):
        def __iter__(self) -> Iterator[Member]:
            for member in super().__iter__():
                yield member
                self.add(late)  # as another thread, to which the interpreter switches here

    found = Members([first])
    monkeypatch.setattr(living, "_members", found)
    assert {first, late} == set(living.members())


def test_a_flush_reaches_everyone_although_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    first, failing, last = members = [Member() for _ in range(3)]
    for member in members:
        living.join(member)
    assert living.flush()
    failing.fails_with = OSError("no")
    with caplog.at_level(logging.ERROR, "otel_errsample"):
        assert not living.flush()
    assert [["flush"] * 2] * 3 == [first.heard, failing.heard, last.heard]
    assert ["a flush before the end of the process failed"] == [record.getMessage() for record in caplog.records]


def test_what_could_not_be_delivered_is_told() -> None:
    member = Member()
    living.join(member)
    assert living.flush()
    member.delivers = False
    assert not living.flush()


def test_a_processor_sends_what_waits_and_goes_on() -> None:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport, flush_errors_ms=60_000)
    for requests in (1, 2):
        processor.on_end(make_span())
        assert living.flush()
        assert requests == len(transport.accepted)
    processor.shutdown()
    assert living.flush()


def test_an_interpreters_end_shuts_everyone_down_although_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    members = [Member() for _ in range(3)]
    members[1].fails_with = ValueError("no")
    for member in members:
        living.join(member)
    with caplog.at_level(logging.ERROR):
        living.end()
    assert [["shutdown"]] * 3 == [member.heard for member in members]
    assert ["a shutdown before the end of an interpreter failed"] == caplog.messages
