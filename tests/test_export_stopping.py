"""A worker that stops gives every span its ending in time; one that is paused for a fork comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from otel_errsample import export
from otel_errsample.transport import Answer, Outcome
from tests.waiting import eventually
from tests.working import ACCEPTED, FIRST, Bench


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


def test_an_exporter_that_stops_its_own_worker_does_not_wait_for_itself(bench: Callable[..., Bench]) -> None:
    results: list[bool] = []

    def answer(spans: list[Any]) -> Answer:
        one.admit("behind it")
        results.append(one.worker.stop(600.0))
        return ACCEPTED

    one = bench(answer)
    one.admit("a", lane=FIRST)
    one.worker.start()
    assert eventually(lambda: one.worker.state == "stopped")
    assert [False] == results, "its own request has no answer yet"
    assert (1, 1) == (one.ledger.endings["delivered"], one.ledger.endings["undelivered"])
    assert (["a"], 1, False) == (one.sink.delivered, one.sink.closed, one.sink.aborted.is_set())


@pytest.mark.parametrize("call", ["flush", "stop"])
def test_nor_where_it_is_called_without_a_thread(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def no_thread(*args: object) -> int:
        raise RuntimeError("can't start new thread")

    results: list[bool] = []

    def answer(spans: list[Any]) -> Answer:
        results.append(getattr(one.worker, call)(600.0))
        return ACCEPTED

    one = bench(answer)
    one.admit("a")
    monkeypatch.setattr(export, "start_os_thread", no_thread)
    caller = threading.Thread(target=one.worker.flush, args=(600.0,), daemon=True)
    caller.start()
    caller.join(10)
    assert not caller.is_alive()
    assert ([False], ["a"]) == (results, one.sink.delivered)
    assert 1 == one.ledger.endings["delivered"]


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
