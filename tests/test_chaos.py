"""The faults and the outages: their cells count what arrived, and a process that was killed shows the difference."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaos import matrix, outages, render
from chaos.clock import CAN_STEP
from chaos.faults import FAULTS
from chaos.outages import Outage

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs files that outlive their process")

KILLED = {"fault": "sigkill", "protocol": "http", "ended": 30, "arrived": 0, "again": 0, "seconds": 1.2}


def cell(name: str, arm: str, protocol: str) -> matrix.Cell:
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    return matrix.run(fault, arm, protocol, 25)


def test_faults_have_names_of_their_own() -> None:
    assert len(FAULTS) == len({fault.name for fault in FAULTS})


@pytest.mark.scenario("F1")
def test_a_killed_process_loses_everything_in_the_stock_stack_and_nothing_here() -> None:
    with ThreadPoolExecutor() as pool:
        stock, *ours = pool.map(cell, ["sigkill"] * 3, ["stock", "ours", "ours"], ["http", "http", "grpc"])
    assert (0, 0) == (stock["arrived"], stock["again"])
    assert [(25, 0), (25, 0)] == [(one["arrived"], one["again"]) for one in ours]
    assert not any(map(matrix.fails, (stock, *ours)))


@pytest.mark.scenario("E6")
def test_the_ends_that_ask_nobody_lose_nothing_beyond_the_next_start() -> None:
    ends = ["sigterm", "os_exit", "execv", "fork"]
    faults = [fault for fault in FAULTS if fault.name in ends]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda fault: matrix.run(fault, "ours", "http", 100), faults))
    assert [(name, 100, 100) for name in ends] == [(one["fault"], one["ended"], one["arrived"]) for one in found]
    assert not any(map(matrix.fails, found))


@pytest.mark.skipif(not CAN_STEP, reason="needs a compiler, and Linux")
@pytest.mark.scenario("H4")
def test_a_step_of_the_wall_clock_costs_nothing_during_an_outage_and_changes_no_deadline() -> None:
    """An hour back and a deadline on the wall clock would be an hour more, and the application ended by force."""
    with ThreadPoolExecutor() as pool:
        forward, back = pool.map(cell, ["clock_forward", "clock_back"], ["ours"] * 2, ["http", "grpc"])
    assert (25, 25) == (forward["arrived"], back["arrived"])
    assert None not in (forward["seconds"], back["seconds"])


@pytest.mark.scenario("D7", "D8", "A7", "C2")
def test_what_outages_cost_is_counted_and_no_error_of_a_new_fingerprint_is_among_it() -> None:
    """With room for two seconds of what ends; in the second half of an outage no memory is taken any more."""
    small = {"OTEL_ERRSAMPLE_MAX_BUFFER_BYTES": str(1 << 20), "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}
    long = [Outage(how, 5, 600) for how in ("503", "refused", "black hole")]
    short = [Outage("503", 2, 100), Outage("restarts", 4, 100)]
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(outages.run, one, "ours", "http", warm=0, after=1, **small) for one in long]
        waiting += [pool.submit(outages.run, one, "ours", "http", warm=1, after=1) for one in short]
        cells = [one.result() for one in waiting]
    assert [] == [cell for cell in cells if outages.fails(cell)]
    for cell in cells[: len(long)]:
        assert sum(cell["lost"].values()) > 0
        assert cell["grown"] < outages.MOST_GROWTH
    assert 2 == cells[-1]["restarts"]


def test_a_loss_that_nothing_accounts_for_fails_a_cell() -> None:
    ours = {**KILLED, "arm": "ours"}
    assert matrix.fails(ours)
    assert not matrix.fails({**ours, "arrived": 30})
    assert matrix.fails({**ours, "arrived": 30, "again": 1})
    assert matrix.fails({**ours, "arrived": 30, "seconds": None})
    assert not matrix.fails({**ours, "fault": "lost_answer", "arrived": 30, "again": 30})
    away = {
        "arm": "ours", "errors": 50, "rate": 1000, "seconds": 8, "lost": {"healthy": 9, "repeated": 0, "new": 0}, "counted": 9,
        "balanced": True, "again": 0, "restarts": 0, "grown": 0,
    }  # fmt: skip
    assert not outages.fails(away)
    for wrong in (
        {"lost": {"healthy": 9, "repeated": 0, "new": 1}, "counted": 10},
        {"lost": {"healthy": 0, "repeated": 9, "new": 0}},
        {"lost": {"healthy": 8, "repeated": 1, "new": 0}, "errors": 10},
        {"counted": 8},
        {"balanced": False},
        {"again": 513},
        {"rate": 100},
        {"seconds": 60, "grown": 1 << 23},
    ):
        assert outages.fails({**away, **wrong})


def test_the_tables_have_a_row_for_what_was_run() -> None:
    cells = [{**KILLED, "arm": "stock"}, {**KILLED, "arm": "ours", "arrived": 30, "again": 2}]
    row = "| sigkill | SIGKILL, or the OOM killer | 0 of 30 | 30 of 30, 2 twice |  |  |"
    assert row == render.faults({"faults": cells}).splitlines()[-1]
    ended = {"healthy": 500, "repeated": 450, "new": 50}
    away = {
        "outage": "503 8 s, 100/s, 10 % errors",
        "ended": ended,
        "again": 0,
        "held": 1.0,
        "on_end_ns": [9000, 9100],
        "memory": [0, 1 << 20],
    }
    stock = {**away, "arm": "stock", "lost": {"healthy": 100, "repeated": 90, "new": 10}, "counted": 0}
    ours = {**away, "arm": "ours", "lost": {"healthy": 0, "repeated": 0, "new": 0}, "counted": 0}
    assert (
        "| answers 503 for 8 s | 100 a second, 10 % errors | 200 of 1000, 20 %: 100 healthy, 90 repeated, 10 new | 0 of 1000 "
        "| 10 of 50, 0 of 50 | 0, 0 | +1.0 MiB, +1.0 MiB | 9.0 us, 9.1 us |"
    ) == render.away({"outages": [stock, ours]}).splitlines()[-1]
