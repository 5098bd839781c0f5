"""A buffer, its ring and a dead process's file together: whatever the order of events, all three are as the model says."""

from __future__ import annotations

import os
import tempfile
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from otel_errsample._hot import Batch, Buffer, Ledger, Limits, group_from, take, write_to
from otel_errsample.spool.adoption import MOST_ATTEMPTS, Adoption
from tests.model.buffer import ModelBuffer, Record
from tests.model.ring import ModelRecord, ModelRing, Pieces
from tests.spools import MARK, a_ring, left_in, recovered, span

LIMIT = 2_500
REPEATED = 2


@dataclass
class Left:
    """A record in the file of a process that died."""

    shelf: int
    pieces: Pieces  # as it comes out of the file
    name: int
    done: bool = False  # and marked as such
    evicted: bool = False  # from memory: the process that adopted it is through with it, the next one is not

    @property
    def ended(self) -> bool:
        return self.done or self.evicted


@dataclass
class LeftFile:
    path: Path
    records: list[Left]
    attempts: int = 0


@dataclass
class TwofoldRecord(Record):
    twin: ModelRecord | Left | None = None


@dataclass
class ModelProcess(ModelBuffer):
    """A buffer that writes what it admits to a ring too, and settles it there when it ends."""

    ring: ModelRing = field(default_factory=lambda: ModelRing(0))
    delivered: Counter[int] = field(default_factory=Counter)

    def end(self, record: Record, ending: str) -> None:
        super().end(record, ending)
        assert isinstance(record, TwofoldRecord)
        if isinstance(record.twin, ModelRecord):
            self.ring.settle(record.twin)
        elif record.twin is not None and ending in ("evicted", "delivery_unknown"):
            record.twin.evicted = True
        elif record.twin is not None:
            record.twin.done = True
        if ending == "delivered":
            self.delivered[record.name] += 1


class Machine(RuleBasedStateMachine):
    """Processes that write, send, die and adopt, one after the other."""

    @initialize(shelf=st.sampled_from([128, 256, 1024]))
    def begin(self, shelf: int) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.shelf = shelf
        self.made = self.born = 0
        self.names: dict[bytes, int] = {}
        self.files: deque[LeftFile] = deque()
        self.sent: Counter[int] = Counter()  # of all processes
        self.twice = 0  # what was on its way when its process died, after the receiver had it
        self.start()

    def start(self) -> None:
        self.born += 1
        self.path = Path(self.directory.name) / f"{self.born}.spool"
        self.ring = a_ring(self.path, self.shelf)
        self.ledger = Ledger()
        self.buffer = Buffer(self.ledger, Limits(), LIMIT, 0, 512, 1 << 20)
        write_to(self.buffer, self.ring)
        self.heads = (b"\x0a\x02ab", b"", b"\x0a\x01c", b"")
        self.group = group_from(*self.heads)
        self.model = ModelProcess(limit=LIMIT, ring=ModelRing(self.shelf))
        self.batch: Batch | None = None
        self.flying: list[Record] = []
        self.adoption: Adoption | None = None
        self.file: LeftFile | None = None
        self.fed = 0
        self.recovered = 0

    def teardown(self) -> None:
        if not hasattr(self, "directory"):
            return
        self.batch = None
        if self.adoption is not None:
            self.adoption.leave()
        self.ring.close()
        self.directory.cleanup()

    # -- what a process does

    @rule(sizes=st.lists(st.integers(0, 150), min_size=1, max_size=4), lane=st.sampled_from([0, 1, 2, 2, 3, 3]))
    def append(self, sizes: list[int], lane: int) -> None:
        for size in sizes:
            self.append_one(size, lane)

    def append_one(self, size: int, lane: int) -> None:
        self.made += 1
        content = b"%06d" % self.made + b"x" * size
        data = span(content)
        self.names[content] = self.names[content + MARK] = self.made
        record = TwofoldRecord(self.made, len(data), lane, twofold=lane >= REPEATED)
        expected = self.model.offer(record)
        assert expected == self.buffer.offer(data, lane, self.group)
        if expected is None and record.twofold:
            record.twin = self.model.ring.write(lane - REPEATED, (*self.heads, data))

    @precondition(lambda self: self.batch is None)
    @rule(most=st.integers(1, 6), errors_only=st.booleans())
    def take(self, most: int, errors_only: bool) -> None:
        self.flying = self.model.take(most, 1 << 20, 0, errors_only)
        self.batch = take(self.buffer, most, 1 << 20, self.buffer.newest, errors_only)
        assert len(self.flying) == (0 if self.batch is None else len(self.batch))

    @precondition(lambda self: self.batch is not None)
    @rule(ending=st.sampled_from(["delivered", "delivered", "rejected"]), part=st.integers(1, 6))
    def acknowledge(self, ending: str, part: int) -> None:
        """Some of a request; the rest waits again."""
        assert self.batch is not None
        stop = min(part, len(self.flying))
        self.batch.end(0, stop, ending)
        for record in self.flying[:stop]:
            self.model.end(record, ending)
        self.batch.put_back(stop, len(self.batch), True)
        self.model.flying = []
        self.model.put_back(self.flying[stop:], True)
        self.batch = None

    @precondition(lambda self: self.batch is None)
    @rule()
    def send(self) -> None:
        """All that waits, at once."""
        self.take(100, False)
        if self.batch is not None:
            self.acknowledge("delivered", 100)

    # -- what becomes of it

    @precondition(lambda self: self.ring.waiting)
    @rule(received=st.booleans())
    def crash(self, received: bool) -> None:
        """`received`: the receiver has what was on its way, and nobody was told."""
        self.sent += self.model.delivered
        if received and self.batch is not None:
            self.sent.update(record.name for record in self.flying)
            self.twice += len(self.flying)
        if self.adoption is not None:
            assert self.file is not None
            self.adoption.leave()
            self.files.append(self.file)
        records = [
            Left(shelf, recovered(pieces), self.name_of(pieces))
            for shelf in (1, 0)
            for pieces in self.model.ring.left()[shelf]
        ]
        self.files.append(LeftFile(self.path, records))
        del self.batch, self.buffer, self.ring  # as the kernel does: nothing is settled, the file stays
        self.start()

    @precondition(lambda self: self.adoption is None and self.files)
    @rule()
    def adopt(self) -> None:
        self.file = self.files.popleft()
        descriptor = os.open(self.file.path, os.O_RDWR)
        if self.file.attempts >= MOST_ATTEMPTS:
            with pytest.raises(ValueError, match="nobody survived adopting it"):
                Adoption(self.file.path.name, descriptor)
            self.file = None
            return
        self.adoption = Adoption(self.file.path.name, descriptor)
        self.file.attempts += 1
        self.file.records = [replace(record, evicted=False) for record in self.file.records if not record.done]
        self.fed = 0
        self.feed()

    @precondition(lambda self: self.adoption is not None)
    @rule()
    def feed(self) -> None:
        assert self.adoption is not None
        assert self.file is not None
        self.adoption.feed(self.buffer, 0.0)
        for left in self.file.records[self.fed :]:
            if self.model.used > LIMIT // 2:
                break
            self.recovered += 1
            self.fed += 1
            self.model.offer(
                TwofoldRecord(left.name, len(left.pieces[4]), REPEATED + left.shelf, twofold=True, twin=left)
            )
        done = all(left.ended for left in self.file.records)
        assert done == (self.adoption.is_done and self.fed == len(self.file.records))

    @precondition(lambda self: self.adoption is not None)
    @rule()
    def survive(self) -> None:
        assert self.adoption is not None
        assert self.file is not None
        before = self.file.attempts
        self.adoption.survived()
        self.file.attempts = 0 if before else before

    @precondition(lambda self: self.adoption is not None and self.adoption.is_done)
    @rule()
    def finish(self) -> None:
        assert self.adoption is not None
        assert self.file is not None
        assert all(left.ended for left in self.file.records)
        self.adoption.leave()
        self.file.path.unlink()
        self.adoption = self.file = None

    # -- what holds after each of them

    @invariant()
    def memory_agrees(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.model.used == self.buffer.used
        assert [len(lane) for lane in self.model.lanes] == self.buffer.lanes
        assert self.model.endings == {name: count for name, count in self.ledger.endings.items() if count}
        assert self.recovered == self.ledger.recovered

    @invariant()
    def ring_agrees(self) -> None:
        if not hasattr(self, "model"):
            return
        ring = self.model.ring
        assert (ring.waiting, ring.written) == (self.ring.waiting, self.ring.written)
        assert (ring.overwritten, ring.left_out) == (self.ring.overwritten, self.ring.left_out)
        expected = [[recovered(pieces) for pieces in shelf] for shelf in ring.left()]
        assert (expected, 0) == left_in(self.path.read_bytes())

    @invariant()
    def the_file_of_the_dead_agrees(self) -> None:
        if getattr(self, "file", None) is None:
            return
        assert self.file is not None
        expected = [
            [left.pieces for left in self.file.records if left.shelf == shelf and not left.done] for shelf in (0, 1)
        ]
        assert (expected, 0) == left_in(self.file.path.read_bytes())

    @invariant()
    def nothing_is_sent_again_but_what_was_on_its_way(self) -> None:
        if hasattr(self, "sent"):
            sent = self.sent + self.model.delivered
            assert sent.total() - len(sent) <= self.twice

    def name_of(self, pieces: Pieces) -> int:
        return next(name for content, name in self.names.items() if span(content) == pieces[4])


@pytest.mark.scenario("F10")
def test_whatever_the_order_of_events_model_memory_and_files_agree() -> None:
    run_state_machine_as_test(Machine, settings=settings(max_examples=150, stateful_step_count=50, deadline=None))
