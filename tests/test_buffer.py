"""The buffer keeps its budget, sacrifices the least valuable first, and ends every span once."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_errsample._hot import Batch, Buffer, Group, Ledger, Limits, group_of, take
from tests.model.buffer import HEADER, ModelBuffer, Record

OFF_PATH, HEAD, REPEATED, FIRST = range(4)
GROUP = group_of(Resource({"service.name": "s"}), InstrumentationScope("t"))


def a_buffer(capacity: int = 10_000, reserve: int = 0) -> tuple[Buffer, Ledger]:
    ledger = Ledger()
    return Buffer(ledger, Limits(), capacity, reserve, 512, 1 << 20), ledger


def taken(buffer: Buffer, most: int, most_bytes: int, upto: int, errors_only: bool) -> Batch:
    batch = take(buffer, most, most_bytes, upto, errors_only)
    assert batch is not None
    return batch


def encoded(size: int) -> bytes:
    """A field of `size` bytes that a request may carry: unknown bytes are fine for a buffer."""
    return b"\x12" * size


def offered(buffer: Buffer, count: int, lane: int, size: int = 100, group: Group = GROUP) -> list[str | None]:
    return [buffer.offer(encoded(size), lane, group) for _ in range(count)]


def test_a_buffered_span_costs_its_size_and_seventy_two_bytes() -> None:
    buffer, _ = a_buffer()
    offered(buffer, 10, HEAD)
    assert 10 * (100 + HEADER) == buffer.used


def test_the_reserve_for_the_request_being_sent_is_not_for_waiting_spans() -> None:
    buffer, ledger = a_buffer(capacity=10_000, reserve=5_000)
    offered(buffer, 100, HEAD)
    assert buffer.used <= 5_000
    assert 100 == buffer.spans_waiting + ledger.endings["buffer_full"]


def test_healthy_spans_are_refused_when_full_and_admitted_again_when_something_left() -> None:
    buffer, ledger = a_buffer(capacity=1_000)
    assert "buffer_full" in offered(buffer, 10, HEAD)
    assert 0 == ledger.endings["evicted"]
    batch = taken(buffer, 1, 1 << 20, buffer.newest, False)
    batch.end(0, 1, "delivered")
    assert [None] == offered(buffer, 1, HEAD)


@pytest.mark.parametrize("victim", [OFF_PATH, HEAD, REPEATED], ids=["off path", "head", "repeated"])
def test_an_error_evicts_what_is_worth_less(victim: int) -> None:
    buffer, ledger = a_buffer(capacity=1_000)
    room = sum(ending is None for ending in offered(buffer, 10, victim))
    assert [None] * 3 == offered(buffer, 3, FIRST)
    assert 3 <= ledger.endings["evicted"] <= room
    assert 3 == buffer.lanes[FIRST]
    assert room - ledger.endings["evicted"] == buffer.lanes[victim]


def test_repeated_errors_never_evict_first_errors() -> None:
    buffer, ledger = a_buffer(capacity=1_000)
    first = sum(ending is None for ending in offered(buffer, 5, FIRST))
    assert 5 == first
    assert ["buffer_full"] * 5 == offered(buffer, 5, REPEATED)
    assert 0 == ledger.endings["evicted"]


def test_a_span_larger_than_the_budget_is_refused_without_emptying_the_buffer() -> None:
    buffer, _ = a_buffer(capacity=1_000)
    offered(buffer, 3, HEAD)
    assert ["buffer_full"] == offered(buffer, 1, FIRST, size=2_000)
    assert 3 == buffer.spans_waiting


def test_what_is_in_flight_is_charged_and_never_evicted() -> None:
    buffer, ledger = a_buffer(capacity=1_000)
    offered(buffer, 5, REPEATED)
    batch = taken(buffer, 5, 1 << 20, buffer.newest, False)
    assert (5, 0) == (buffer.in_flight, buffer.spans_waiting)
    assert ["buffer_full"] == offered(buffer, 1, FIRST)
    assert 0 == ledger.endings["evicted"]
    batch.end(0, 5, "delivered")
    assert 0 == buffer.used


class Exported:
    """Stands for a ReadableSpan; may be watched by a weak reference."""


def test_a_span_object_is_charged_three_times_its_size_and_released_when_it_ends() -> None:
    buffer, _ = a_buffer()
    span = Exported()
    alive = weakref.ref(span)
    buffer.offer(encoded(100), HEAD, GROUP, span)
    del span
    assert 300 == buffer.used
    assert alive() is not None
    batch = taken(buffer, 1, 1 << 20, buffer.newest, False)
    batch.end(0, 1, "delivered")
    gc.collect()
    assert alive() is None


def test_a_finaliser_of_an_evicted_object_may_end_spans_itself() -> None:
    buffer, ledger = a_buffer(capacity=1_000)

    class Finalised(Exported):
        def __del__(self) -> None:
            buffer.offer(encoded(50), FIRST, GROUP)

    buffer.offer(encoded(100), HEAD, GROUP, Finalised())
    assert [None] == offered(buffer, 1, FIRST, size=800)
    assert (1, 2) == (ledger.endings["evicted"], buffer.spans_waiting)


def test_giving_up_ends_every_span_and_tells_sent_from_unsent() -> None:
    buffer, ledger = a_buffer()
    offered(buffer, 4, HEAD)
    batch = taken(buffer, 2, 1 << 20, buffer.newest, False)
    batch.put_back(0, 2, True)
    buffer.give_up()
    assert (2, 2) == (ledger.endings["delivery_unknown"], ledger.endings["undelivered"])
    assert (0, 0) == (buffer.used, buffer.spans_waiting)


def test_a_forked_child_starts_empty_and_the_parents_batch_does_not_come_back() -> None:
    buffer, ledger = a_buffer()
    offered(buffer, 4, HEAD)
    batch = taken(buffer, 2, 1 << 20, buffer.newest, False)
    buffer.restart_in_child()
    del batch
    assert (0, 0, 0) == (buffer.used, buffer.spans_waiting, buffer.in_flight)
    assert 0 == sum(ledger.endings.values())
    assert [None] == offered(buffer, 1, HEAD)


@pytest.mark.parametrize(
    "go_on",
    [
        lambda batch: batch.end(0, 2, "delivered"),
        lambda batch: batch.put_back(0, 2, True),
        lambda batch: batch.payload(0, 2),
    ],
    ids=["answered", "to be sent again", "sent"],
)
def test_a_child_forked_while_a_batch_is_sent_goes_on_with_nothing_of_it(go_on: Callable[[Batch], object]) -> None:
    buffer, ledger = a_buffer()
    offered(buffer, 4, HEAD)
    batch = taken(buffer, 2, 1 << 20, buffer.newest, False)
    batch.payload(0, 2)
    buffer.restart_in_child()
    go_on(batch)
    assert (0, 0, 0) == (buffer.used, buffer.spans_waiting, buffer.in_flight)
    assert 0 == sum(ledger.endings.values())
    del batch
    assert [None] == offered(buffer, 1, HEAD)
    whole = taken(buffer, 2, 1 << 20, buffer.newest, False)
    whole.payload(0, 1)
    whole.end(0, 1, "delivered")
    assert (0, 1) == (buffer.used, ledger.endings["delivered"])


@pytest.mark.parametrize(
    ("lane", "flags", "wakes"),
    [
        (HEAD, (True, False, False), True),
        (HEAD, (False, True, False), False),
        (REPEATED, (False, True, False), True),
        (FIRST, (False, True, False), True),
    ],
    ids=["first span", "healthy span while waiting for an error", "repeated error", "first error"],
)
def test_the_sleeping_worker_is_woken_by_what_it_waits_for(
    lane: int, flags: tuple[bool, bool, bool], wakes: bool
) -> None:
    buffer, _ = a_buffer()
    woken = threading.Event()

    def sleeper() -> None:
        buffer.sleep(30.0, *flags)
        woken.set()

    thread = threading.Thread(target=sleeper)
    thread.start()
    while not buffer.sleeping:
        pass
    offered(buffer, 1, lane)
    assert wakes == (not buffer.sleeping)
    buffer.wake()
    assert woken.wait(10)
    thread.join(10)


def test_a_worker_that_is_woken_just_before_it_sleeps_looks_once_more() -> None:
    buffer, _ = a_buffer()
    buffer.wake()
    buffer.sleep(3600.0, True, True, True)
    thread = threading.Thread(target=buffer.sleep, args=(30.0, True, True, True))
    thread.start()
    while not buffer.sleeping:
        pass
    buffer.wake()
    thread.join(10)
    assert not thread.is_alive()


def test_a_complete_batch_wakes_the_worker() -> None:
    buffer = Buffer(Ledger(), Limits(), 100_000, 0, 3, 1 << 20)
    thread = threading.Thread(target=buffer.sleep, args=(30.0, False, False, True))
    thread.start()
    while not buffer.sleeping:
        pass
    offered(buffer, 2, HEAD)
    assert buffer.sleeping
    offered(buffer, 1, HEAD)
    thread.join(10)
    assert not thread.is_alive()
    assert buffer.full


def test_sleep_returns_at_once_when_what_it_waits_for_is_already_there() -> None:
    buffer, _ = a_buffer()
    offered(buffer, 1, FIRST)
    buffer.sleep(3600.0, True, False, False)
    buffer.sleep(3600.0, False, True, False)


class Machine(RuleBasedStateMachine):
    """Any order of admission, taking, settling and putting back: extension and model agree after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.buffer = Buffer(self.ledger, Limits(), 2_000, 0, 512, 1 << 20)
        self.model = ModelBuffer(limit=2_000)
        # Of its own, as a processor's groups are: it remembers which batch of its buffer counted it last.
        self.group = group_of(Resource({"service.name": "s"}), InstrumentationScope("t"))
        self.batch: Batch | None = None
        self.left: list[Record] = []
        self.offered = 0

    @rule(size=st.integers(0, 700), lane=st.integers(0, 3))
    def offer(self, size: int, lane: int) -> None:
        self.offered += 1
        record = Record(self.offered, size, lane)
        assert self.model.offer(record) == self.buffer.offer(encoded(size), lane, self.group)

    @rule(most=st.integers(1, 6), most_bytes=st.integers(1, 1_500), errors_only=st.booleans())
    def take(self, most: int, most_bytes: int, errors_only: bool) -> None:
        if self.batch is not None:
            return
        overhead = self.group.overhead_bytes
        self.left = self.model.take(most, most_bytes, overhead, errors_only)
        self.batch = take(self.buffer, most, most_bytes, self.buffer.newest, errors_only)
        assert len(self.left) == (0 if self.batch is None else len(self.batch))

    @rule(ending=st.sampled_from(["delivered", "rejected", "export_failed"]), part=st.integers(0, 6))
    def settle(self, ending: str, part: int) -> None:
        if self.batch is None:
            return
        stop = min(part, len(self.left))
        self.batch.end(0, stop, ending)
        for record in self.left[:stop]:
            self.model.end(record, ending)
        self.back(maybe_delivered=part % 2 == 0, start=stop)

    @rule(maybe_delivered=st.booleans())
    def back(self, maybe_delivered: bool, start: int = 0) -> None:
        if self.batch is None:
            return
        self.batch.put_back(start, len(self.batch), maybe_delivered)
        self.model.flying = []
        self.model.put_back(self.left[start:], maybe_delivered)
        self.batch = None

    @rule()
    def drop(self) -> None:
        """A worker that died leaves its batch to the collector."""
        if self.batch is None:
            return
        self.batch = None
        self.model.flying = []
        self.model.put_back(self.left, True)

    @invariant()
    def agree(self) -> None:
        assert self.model.used == self.buffer.used
        assert self.buffer.used + self.buffer.kept_bytes <= self.buffer.capacity
        assert [len(lane) for lane in self.model.lanes] == self.buffer.lanes
        endings = {name: count for name, count in self.ledger.endings.items() if count}
        assert self.model.endings == endings
        waiting = self.buffer.spans_waiting + self.buffer.in_flight
        assert self.offered == waiting + sum(endings.values())


@pytest.mark.scenario("F10")
def test_extension_and_model_agree_after_any_order_of_events() -> None:
    run_state_machine_as_test(Machine, settings=settings(max_examples=150, stateful_step_count=40, deadline=None))
