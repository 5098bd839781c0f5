"""A manual clock moves only when told to, and its two clocks part only when told to."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample.testing import ManualClock


def test_time_stands_still_until_it_is_advanced() -> None:
    clock = ManualClock(start=100.0)
    assert (100.0, 100.0) == (clock.monotonic(), clock.time())
    clock.advance(1.5)
    assert (101.5, 101.5) == (clock.monotonic(), clock.time())
    assert (101_500_000_000, 101_500_000_000) == (clock.monotonic_ns(), clock.time_ns())


def test_the_wall_clock_can_be_set_while_no_time_passes() -> None:
    clock = ManualClock(start=100.0)
    clock.step_wall(-3600.0)
    assert (100.0, -3500.0) == (clock.monotonic(), clock.time())


def test_monotonic_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="step_wall"):
        ManualClock().advance(-1.0)


@given(st.lists(st.integers(0, 10**6)))
def test_many_small_steps_lose_nothing(microseconds: list[int]) -> None:
    clock = ManualClock(start=0.0)
    for step in microseconds:
        clock.advance(step / 1e6)
    assert sum(microseconds) * 1000 == clock.monotonic_ns()


def test_threads_may_advance_it_together() -> None:
    clock = ManualClock(start=0.0)

    def advance() -> None:
        for _ in range(1000):
            clock.advance(1.0)

    threads = [threading.Thread(target=advance) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 4000.0 == clock.monotonic()
