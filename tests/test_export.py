"""The worker delivers, retries, bisects, and keeps its deadlines whatever the receiver does."""

from __future__ import annotations

import _thread
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_errsample import export
from otel_errsample._hot import Buffer, Ledger, Limits, group_of
from otel_errsample.export import MOST_BISECTIONS, Worker
from otel_errsample.reporter import Reporter
from otel_errsample.schedule import Schedule
from otel_errsample.transport import Answer, Outcome
from tests.waiting import eventually

HEAD, REPEATED, FIRST = 1, 2, 3
ACCEPTED = Answer(Outcome.ACCEPTED)
GROUP = group_of(Resource({}), InstrumentationScope("t"))


class ScriptedSink:
    """Answers what the test says; keeps which spans (their objects) were offered."""

    endpoint = "scripted"
    destination: object = "scripted"
    patience = 0.1

    def __init__(self, answer: Callable[[list[Any]], Answer]) -> None:
        self.answer = answer
        self.offered: list[list[Any]] = []
        self.delivered: list[Any] = []
        self.aborted = threading.Event()
        self.closed = 0
        self.released = 0
        self.suppressed: list[object] = []

    def deliver(self, batch: Any, start: int, stop: int, timeout: float) -> Answer:
        spans = batch.spans(start, stop)
        self.offered.append(spans)
        self.suppressed.append(get_value(_SUPPRESS_INSTRUMENTATION_KEY))
        answer = self.answer(spans)
        if answer.outcome is Outcome.ACCEPTED:
            self.delivered += spans
        return answer

    def abort(self) -> None:
        self.aborted.set()

    def release(self) -> None:
        self.released += 1

    def close(self) -> None:
        self.closed += 1

    def forget(self) -> None:
        pass


class Bench:
    """A worker on a buffer of span objects (plain strings here) and a scripted sink."""

    def __init__(
        self,
        answer: Callable[[list[Any]], Answer],
        flush_errors: float = 0.0,
        delay: float = 3600.0,
        chores: Any = None,
    ) -> None:
        self.ledger = Ledger()
        self.buffer = Buffer(self.ledger, Limits(), 1 << 20, 0, 512, 1 << 19)
        self.sink = ScriptedSink(answer)
        self.admitted = 0
        self.alive: list[bool] = []
        self.worker = Worker(
            self.buffer,
            self.ledger,
            self.sink,
            Schedule(flush_errors, delay),
            most_spans=512,
            most_bytes=1 << 19,
            timeout=10.0,
            on_alive=self.alive.append,
            chance=random.Random(7),
            reporter=Reporter(logging.getLogger("otel_errsample"), "scripted"),
            chores=chores,
        )

    def admit(self, *spans: object, lane: int = HEAD) -> None:
        for span in spans:
            assert self.buffer.offer(b"x" * 100, lane, GROUP, span) is None
            self.admitted += 1

    def assert_balanced(self) -> None:
        ended = sum(self.ledger.endings.values())
        assert self.admitted == ended + self.buffer.spans_waiting + self.buffer.in_flight


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(answer: Callable[[list[Any]], Answer] = lambda spans: ACCEPTED, **settings: Any) -> Bench:
        made.append(Bench(answer, **settings))
        return made[-1]

    yield make
    for one in made:
        one.worker.stop(0.5)
        one.assert_balanced()


def test_flush_delivers_everything_admitted_before_it(bench: Callable[..., Bench]) -> None:
    one = bench()
    one.admit(*"abc")
    assert one.worker.flush(10.0)
    assert sorted(one.sink.delivered) == ["a", "b", "c"]
    assert 3 == one.ledger.endings["delivered"]


def test_errors_leave_without_a_flush_and_without_the_healthy_spans(bench: Callable[..., Bench]) -> None:
    one = bench()
    one.admit("healthy")
    one.admit("error", lane=FIRST)
    one.worker.start()
    assert eventually(lambda: one.sink.delivered == ["error"])
    assert 1 == one.buffer.spans_waiting


def test_healthy_spans_leave_by_the_schedule_delay(bench: Callable[..., Bench]) -> None:
    one = bench(delay=0.05)
    one.worker.start()
    one.admit("healthy")
    assert eventually(lambda: one.sink.delivered == ["healthy"])


def test_what_makes_no_complete_batch_waits_for_its_timer(bench: Callable[..., Bench]) -> None:
    one = bench(flush_errors=3600.0)
    one.admit(*map(str, range(2 * 512 + 88)))
    one.worker.start()
    assert eventually(lambda: one.buffer.sleeping)
    assert [512, 512] == [len(spans) for spans in one.sink.offered]
    assert 88 == one.buffer.spans_waiting
    assert one.worker.flush(10.0)
    assert 2 * 512 + 88 == len(one.sink.delivered)


def test_a_rest_of_errors_leaves_by_its_timer(bench: Callable[..., Bench]) -> None:
    one = bench(flush_errors=0.02)
    one.admit(*map(str, range(512 + 1)), lane=FIRST)
    one.worker.start()
    assert eventually(lambda: 512 + 1 == len(one.sink.delivered))


def test_requests_are_sent_with_instrumentation_suppressed(bench: Callable[..., Bench]) -> None:
    one = bench()
    one.admit("a")
    one.worker.flush(10.0)
    assert [True] == one.sink.suppressed


def test_a_batch_leaves_the_buffer_only_when_it_is_acknowledged(bench: Callable[..., Bench]) -> None:
    answers = [Answer(Outcome.RETRY, cause="UNAVAILABLE"), ACCEPTED]
    one = bench(lambda spans: answers.pop(0))
    one.admit("a", "b")
    assert one.worker.flush(10.0)
    assert [["a", "b"], ["a", "b"]] == one.sink.offered
    assert 1 == one.ledger.retries


@pytest.mark.parametrize("count", [2, 7, 64], ids=str)
def test_one_refused_span_does_not_cost_its_neighbours(bench: Callable[..., Bench], count: int) -> None:
    one = bench(lambda spans: Answer(Outcome.REFUSED, cause="400") if "bad" in spans else ACCEPTED)
    good = [f"good {index}" for index in range(count - 1)]
    one.admit(*good[: count // 2], "bad", *good[count // 2 :])
    assert not one.worker.flush(10.0)
    assert good == sorted(one.sink.delivered, key=good.index)
    assert (count - 1, 1) == (one.ledger.endings["delivered"], one.ledger.endings["rejected"])


def test_bisecting_is_bounded_when_a_receiver_refuses_everything(bench: Callable[..., Bench]) -> None:
    one = bench(lambda spans: Answer(Outcome.REFUSED, cause="400"))
    one.admit(*range(512))
    assert not one.worker.flush(10.0)
    assert 512 == one.ledger.endings["rejected"]
    # Halves left over when the bound is reached are refused once more each, nothing is split again.
    assert one.ledger.requests <= MOST_BISECTIONS + 16


def test_an_interrupted_bisection_puts_the_rest_back_in_order(bench: Callable[..., Bench]) -> None:
    calls: list[list[Any]] = []

    def answer(spans: list[Any]) -> Answer:
        calls.append(spans)
        if len(calls) == 1:
            return Answer(Outcome.REFUSED, cause="400")
        if len(calls) == 2:
            return Answer(Outcome.RETRY, cause="UNAVAILABLE")
        return ACCEPTED

    one = bench(answer)
    one.admit(*"abcd")
    assert one.worker.flush(10.0)
    assert [["a", "b", "c", "d"], ["a", "b"], ["a", "b", "c", "d"]] == calls


def test_partial_success_counts_the_rejected(bench: Callable[..., Bench]) -> None:
    one = bench(lambda spans: Answer(Outcome.ACCEPTED, rejected=2, cause="partial_success"))
    one.admit(*"abcde")
    assert not one.worker.flush(10.0)
    assert (3, 2) == (one.ledger.endings["delivered"], one.ledger.endings["rejected"])


def test_a_partial_success_may_not_reject_more_than_was_sent(bench: Callable[..., Bench]) -> None:
    one = bench(lambda spans: Answer(Outcome.ACCEPTED, rejected=10**9))
    one.admit("a")
    one.worker.flush(10.0)
    assert (0, 1) == (one.ledger.endings["delivered"], one.ledger.endings["rejected"])


def test_an_answer_of_no_otlp_receiver_is_told_and_is_no_failure(
    bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    one = bench(lambda spans: Answer(Outcome.ACCEPTED, cause="unreadable_response"))
    one.admit("a")
    assert one.worker.flush(10.0)
    assert (1, "") == (one.ledger.endings["delivered"], one.worker.last_failure)
    assert "not as an OTLP receiver does (unreadable_response)" in caplog.text


def test_a_failure_that_cannot_heal_is_final_and_counted(bench: Callable[..., Bench]) -> None:
    one = bench(lambda spans: Answer(Outcome.FAILED, cause="401"))
    one.admit("a", "b")
    assert not one.worker.flush(10.0)
    assert 2 == one.ledger.endings["export_failed"]
    assert "401" == one.worker.last_failure


def test_flush_returns_false_in_time_while_the_receiver_is_away(bench: Callable[..., Bench]) -> None:
    one = bench(lambda spans: Answer(Outcome.RETRY, cause="UNAVAILABLE"))
    one.admit("a")
    begin = time.monotonic()
    assert not one.worker.flush(0.3)
    assert time.monotonic() - begin < 2.0
    assert 1 == one.buffer.spans_waiting + one.buffer.in_flight


@pytest.mark.scenario("E3")
def test_flush_with_a_busy_producer_returns(bench: Callable[..., Bench]) -> None:
    one = bench()
    stop = threading.Event()

    def produce() -> None:
        while not stop.is_set():
            one.buffer.offer(b"x" * 100, HEAD, GROUP, "busy")
            one.admitted += 1

    one.admit("before", lane=FIRST)
    producer = threading.Thread(target=produce)
    producer.start()
    one.worker.flush(10.0)
    delivered = list(one.sink.delivered)
    stop.set()
    producer.join(10)
    assert "before" in delivered


def test_stop_gives_every_span_its_ending_and_says_so(bench: Callable[..., Bench]) -> None:
    answers = [Answer(Outcome.RETRY, maybe_delivered=True)]
    one = bench(lambda spans: answers.pop(0) if answers else Answer(Outcome.RETRY))
    one.admit("sent")
    assert not one.worker.flush(0.05)
    one.admit("never sent")
    assert not one.worker.stop(0.05)
    assert (1, 1) == (one.ledger.endings["delivery_unknown"], one.ledger.endings["undelivered"])
    assert 1 == one.sink.closed


def test_stop_is_true_when_all_was_delivered(bench: Callable[..., Bench]) -> None:
    one = bench()
    one.admit("a")
    assert one.worker.stop(10.0)
    assert "stopped" == one.worker.state
    assert [True, False] == one.alive


def test_stop_interrupts_a_request_that_hangs(bench: Callable[..., Bench]) -> None:
    def hang(spans: list[Any]) -> Answer:
        one.sink.aborted.wait(10)
        return Answer(Outcome.RETRY, maybe_delivered=True)

    one = bench(hang)
    one.admit("a")
    begin = time.monotonic()
    assert not one.worker.stop(0.2)
    assert time.monotonic() - begin < 2.0
    assert 1 == one.ledger.endings["delivery_unknown"]


def test_a_request_that_returns_after_stop_still_gets_an_ending(bench: Callable[..., Bench]) -> None:
    late = threading.Event()

    def hang(spans: list[Any]) -> Answer:
        late.wait(10)
        return Answer(Outcome.RETRY, maybe_delivered=True)

    one = bench(hang)
    one.admit("a")
    one.worker.start()
    assert not one.worker.stop(0.05)
    assert 1 == one.buffer.in_flight
    late.set()
    assert eventually(lambda: one.buffer.in_flight == 0)
    assert 1 == one.ledger.endings["delivery_unknown"]


class Timeout(BaseException):
    """As gevent's is."""


@pytest.mark.scenario("A6")
@pytest.mark.parametrize(
    "error", [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, Timeout], ids=lambda e: e.__name__
)
def test_no_exception_out_of_an_exporter_ends_the_worker(
    bench: Callable[..., Bench], error: type[BaseException]
) -> None:
    raised: list[bool] = []

    def answer(spans: list[Any]) -> Answer:
        if not raised:
            raised.append(True)
            raise error
        return ACCEPTED

    one = bench(answer)
    one.admit("a")
    assert one.worker.flush(10.0)
    assert ["a"] == one.sink.delivered
    assert {"worker": 1} == one.ledger.internal_errors


def test_an_exception_that_somebody_keeps_does_not_keep_the_batch(bench: Callable[..., Bench]) -> None:
    kept = SystemExit("kept with its traceback")
    raised: list[bool] = []

    def answer(spans: list[Any]) -> Answer:
        if not raised:
            raised.append(True)
            raise kept
        return ACCEPTED

    one = bench(answer)
    one.admit("a", "b")
    assert one.worker.flush(10.0)
    assert ["a", "b"] == one.sink.delivered
    assert kept.__traceback__ is not None


def test_nor_does_one_that_comes_after_the_answer(bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    kept = MemoryError("kept with its traceback")

    def settle(*arguments: Any) -> None:
        monkeypatch.undo()
        raise kept

    monkeypatch.setattr(Worker, "_settle", settle)
    one = bench()
    one.admit("a", "b")
    assert one.worker.flush(10.0)
    assert ["a", "b"] * 2 == one.sink.delivered, "nobody knows that it was"
    assert kept.__traceback__ is not None


@pytest.mark.scenario("A5")
def test_without_a_thread_a_flush_drains_on_the_callers(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(*args: object) -> int:
        raise RuntimeError("can't start new thread")

    one = bench()
    monkeypatch.setattr(_thread, "start_new_thread", no_thread)
    one.admit("a")
    assert one.worker.flush(10.0)
    assert ["a"] == one.sink.delivered
    assert one.worker.state.startswith("failed")
    assert one.ledger.internal_errors["worker"] >= 1


@pytest.mark.scenario("E4")
def test_an_exporter_that_flushes_its_own_worker_does_not_wait_for_itself(bench: Callable[..., Bench]) -> None:
    results: list[bool] = []

    def answer(spans: list[Any]) -> Answer:
        results.append(one.worker.flush(60.0))
        return ACCEPTED

    one = bench(answer)
    one.admit("a")
    assert one.worker.flush(10.0)
    assert [False] == results


def test_pause_brings_a_hanging_request_back_and_lets_go_of_connections(bench: Callable[..., Bench]) -> None:
    entered = threading.Event()

    def hang_once(spans: list[Any]) -> Answer:
        if not entered.is_set():
            entered.set()
            one.sink.aborted.wait(10)
            return Answer(Outcome.RETRY, maybe_delivered=True)
        return ACCEPTED

    one = bench(hang_once)
    one.admit("a", lane=FIRST)
    one.worker.start()
    assert entered.wait(10)
    one.worker.pause()
    assert 1 == one.sink.released
    assert 1 == len(one.sink.offered)
    one.worker.resume()
    assert eventually(lambda: one.sink.delivered == ["a"])


def test_pause_waits_for_an_answer_that_comes_soon(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ANSWER_PATIENCE", 10.0)
    entered, answer = threading.Event(), threading.Event()

    def answer_soon(spans: list[Any]) -> Answer:
        entered.set()
        answer.wait(10)
        return ACCEPTED

    def rest(seconds: float) -> None:
        answer.set()
        time.sleep(seconds)

    monkeypatch.setattr(export, "rest", rest)
    one = bench(answer_soon)
    one.admit("a", lane=FIRST)
    one.worker.start()
    assert entered.wait(10)
    one.worker.pause()
    assert ["a"] == one.sink.delivered
    assert not one.sink.aborted.is_set()
    one.worker.resume()


class Looked:
    """In place of a configuration file: counts the looks, each due a little after the one before."""

    def __init__(self, error: Exception | None = None) -> None:
        self.looks = 0
        self.error = error

    def seconds_left(self, now: float) -> float:
        return 0.001

    def look(self, now: float) -> None:
        self.looks += 1
        if self.error is not None:
            raise self.error


class TestWatch:
    def test_an_idle_worker_looks_at_the_file(self, bench: Callable[..., Bench]) -> None:
        watch = Looked()
        one = bench(chores={"reload": watch})
        one.worker.start()
        assert eventually(lambda: watch.looks >= 5)
        assert [] == one.sink.offered

    def test_a_worker_that_waits_for_its_receiver_looks_at_the_file(self, bench: Callable[..., Bench]) -> None:
        watch = Looked()
        one = bench(lambda spans: Answer(Outcome.RETRY, cause="away", retry_after=300.0), chores={"reload": watch})
        one.admit("a", lane=FIRST)
        one.worker.start()
        assert eventually(lambda: bool(one.sink.offered))
        looks = watch.looks
        assert eventually(lambda: watch.looks >= looks + 5)
        assert 1 == len(one.sink.offered)

    def test_a_look_that_fails_is_counted_and_costs_nothing_else(self, bench: Callable[..., Bench]) -> None:
        one = bench(chores={"reload": Looked(MemoryError())})
        one.admit("a", lane=FIRST)
        one.worker.start()
        assert eventually(lambda: one.sink.delivered == ["a"])
        assert one.worker.stop(5.0)
        assert ["reload"] == list(one.ledger.internal_errors)
