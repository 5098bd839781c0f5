"""The worker delivers, retries, bisects, and keeps its deadlines whatever the receiver does."""

from __future__ import annotations

import _thread
import math
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from otel_errsample import export
from otel_errsample.export import MOST_BISECTIONS, Worker
from otel_errsample.schedule import BackOff
from otel_errsample.transport import Answer, Outcome
from tests.waiting import eventually
from tests.working import ACCEPTED, FIRST, GROUP, HEAD, Bench


def test_flush_delivers_everything_admitted_before_it(bench: Callable[..., Bench]) -> None:
    one = bench()
    one.admit(*"abc")
    assert one.worker.flush(10.0)
    assert sorted(one.sink.delivered) == ["a", "b", "c"]
    assert 3 == one.ledger.endings["delivered"]


def test_the_worker_rings_for_a_flush(bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[bool] = []
    monkeypatch.setattr(export, "wait_for", lambda rung, seconds, glance: waited.append(rung.acquire(timeout=60.0)))
    one = bench()
    for number in range(20):
        one.admit(str(number))
        assert one.worker.flush(10.0)
    assert {True} == set(waited)
    assert 20 == len(one.sink.delivered)


def test_a_child_that_was_forked_inside_a_request_goes_on_without_a_complaint(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(function: object) -> int:
        raise RuntimeError("can't start new thread")

    def fork(spans: list[Any]) -> Answer:
        one.buffer.restart_in_child()
        one.worker.restart_in_child()
        one.admitted -= len(spans)
        return ACCEPTED

    monkeypatch.setattr(export, "start_os_thread", refuse)
    one = bench(fork)
    one.admit("a", "b")
    assert one.worker.flush(10.0)
    assert {"worker": 1} == one.ledger.internal_errors, "of the thread"
    one.sink.answer = lambda spans: ACCEPTED
    one.admit("c")
    assert one.worker.flush(10.0)
    assert {"delivered": 1} == {name: count for name, count in one.ledger.endings.items() if count}


def test_nothing_is_rung_while_the_receiver_is_away(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[bool] = []
    monkeypatch.setattr(export, "wait_for", lambda rung, seconds, glance: waited.append(rung.acquire(timeout=seconds)))
    one = bench(lambda spans: Answer(Outcome.RETRY, cause="unavailable"))
    one.admit("a")
    assert not one.worker.flush(0.2)
    assert {False} == set(waited)


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


@pytest.mark.parametrize(
    ("first", "pauses"),
    [(["bad"] * 512, 1), (["bad", "bad", "bad", "good"], 0), (["bad"], 0)],
    ids=["in vain", "for one", "a span alone"],
)
def test_a_batch_that_was_halved_in_vain_is_followed_by_a_pause(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, first: list[str], pauses: int
) -> None:
    happened: list[str] = []
    failed = BackOff.failed

    def pause(back_off: BackOff, now: float, retry_after: float | None) -> None:
        happened.append("pause")
        failed(back_off, now, retry_after)

    def answer(spans: list[Any]) -> Answer:
        if "late" in spans:
            happened.append("late")
        return Answer(Outcome.REFUSED, cause="RESOURCE_EXHAUSTED") if "bad" in spans else ACCEPTED

    monkeypatch.setattr(BackOff, "failed", pause)
    one = bench(answer)
    one.admit(*first)
    assert not one.worker.flush(10.0)
    one.admit("late")
    assert one.worker.flush(10.0)
    assert ["pause"] * pauses + ["late"] == happened
    assert first.count("bad") == one.ledger.endings["rejected"]


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
@pytest.mark.parametrize("timeout", [10.0, 1e300, math.inf])
def test_without_a_thread_a_flush_drains_on_the_callers(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, timeout: float
) -> None:
    def no_thread(*args: object) -> int:
        raise RuntimeError("can't start new thread")

    one = bench()
    monkeypatch.setattr(_thread, "start_new_thread", no_thread)
    one.admit("a")
    caller = threading.Thread(target=one.worker.flush, args=(timeout,), daemon=True)
    caller.start()
    caller.join(10)
    assert ["a"] == one.sink.delivered
    assert one.worker.state.startswith("failed")
    assert {"worker": 1} == one.ledger.internal_errors


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
