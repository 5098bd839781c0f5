"""Errors leave soon, the rest in batches; failures wait longer and longer, but not too long."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from typing import Any

import pytest

from otel_errsample.schedule import FIRST_WAIT, MOST_ASKED, MOST_WAIT, BackOff, Schedule, seconds_of


def test_nothing_waiting_means_nothing_due() -> None:
    schedule = Schedule(0.2, 5.0)
    schedule.look(100.0, errors=0, spans=0)
    assert not schedule.is_due(100.0)
    assert 3600.0 == schedule.seconds_left(100.0)


def test_an_error_is_due_after_flush_errors_and_takes_only_errors_along() -> None:
    schedule = Schedule(0.2, 5.0)
    schedule.look(100.0, errors=1, spans=1)
    assert not schedule.is_due(100.1)
    assert schedule.is_due(100.2)
    assert schedule.only_errors(100.2)


def test_healthy_spans_are_due_after_the_schedule_delay_and_take_everything_along() -> None:
    schedule = Schedule(0.2, 5.0)
    schedule.look(100.0, errors=0, spans=1)
    assert schedule.seconds_left(100.0) == pytest.approx(5.0)
    assert schedule.is_due(105.0)
    assert not schedule.only_errors(105.0)


def test_later_arrivals_do_not_move_a_timer() -> None:
    schedule = Schedule(0.2, 5.0)
    schedule.look(100.0, errors=1, spans=1)
    schedule.look(100.15, errors=9, spans=9)
    assert schedule.is_due(100.2)


def test_a_timer_at_the_clocks_zero_is_a_timer() -> None:
    schedule = Schedule(0.0, 0.0)
    schedule.look(0.0, errors=1, spans=1)
    assert schedule.is_due(0.0)


def test_what_has_gone_stops_its_timer() -> None:
    schedule = Schedule(0.2, 5.0)
    schedule.look(100.0, errors=1, spans=1)
    schedule.look(100.1, errors=0, spans=0)
    assert not schedule.is_due(200.0)


def test_what_could_not_be_sent_is_due_when_the_back_off_ends() -> None:
    schedule = Schedule(0.2, 5.0)
    schedule.look(100.0, errors=1, spans=2)
    schedule.overdue(100.3, errors_only=True)
    assert schedule.is_due(100.3)
    assert schedule.only_errors(100.3)
    schedule.overdue(100.3, errors_only=False)
    assert not schedule.only_errors(100.3)
    schedule.look(100.4, errors=0, spans=0)
    assert not schedule.is_due(100.4)


@pytest.mark.scenario("D1")
def test_back_off_grows_with_jitter_and_is_bounded() -> None:
    back_off = BackOff(random.Random(7))
    waits = []
    for _ in range(12):
        back_off.failed(100.0, None)
        waits.append(back_off.until - 100.0)
    assert 0.8 * FIRST_WAIT <= waits[0] <= 1.2 * FIRST_WAIT
    assert all(wait <= 1.2 * MOST_WAIT for wait in waits)
    assert waits[-1] >= 0.8 * MOST_WAIT
    assert len({round(wait, 6) for wait in waits[-3:]}) == 3


def test_success_starts_the_back_off_again() -> None:
    back_off = BackOff(random.Random(7))
    for _ in range(9):
        back_off.failed(100.0, None)
    back_off.succeeded()
    assert 0.0 == back_off.until
    back_off.failed(100.0, None)
    assert back_off.until - 100.0 <= 1.2 * FIRST_WAIT


@pytest.mark.scenario("D3")
@pytest.mark.parametrize(
    ("asked", "waited"), [(3.0, 3.0), (FIRST_WAIT, FIRST_WAIT), (1e9, MOST_ASKED)], ids=["3 s", "as we", "1e9"]
)
def test_the_server_is_given_the_time_it_asked_for_within_reason(asked: float, waited: float) -> None:
    back_off = BackOff(random.Random(7))
    back_off.failed(100.0, asked)
    assert 100.0 + waited == back_off.until


@pytest.mark.scenario("D3")
@pytest.mark.parametrize("asked", [0.0, 0.01, -1.0])
def test_a_server_that_asks_for_next_to_no_time_is_given_ours(asked: float) -> None:
    back_off = BackOff(random.Random(7))
    waits = []
    for _ in range(12):
        back_off.failed(100.0, asked)
        waits.append(back_off.until - 100.0)
    assert waits[0] >= 0.8 * FIRST_WAIT
    assert waits[-1] >= 0.8 * MOST_WAIT


def test_a_flush_hurries_our_own_back_off_but_not_the_servers() -> None:
    back_off = BackOff(random.Random(7))
    back_off.failed(100.0, None)
    back_off.hurry()
    assert 0.0 == back_off.until
    back_off.failed(100.0, 30.0)
    back_off.hurry()
    assert 130.0 == back_off.until


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(1500, 1.5), (-1, -0.001), (Decimal(20), 0.02), (math.inf, math.inf), (math.nan, 3.0), (10**400, 3.0), ("soon", 3.0),
     (None, 3.0), (object(), 3.0)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_no_number_is_the_default_timeout(given: Any, seconds: float) -> None:
    assert seconds == seconds_of(given, 3000)
