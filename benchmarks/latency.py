"""What a user of the service feels: requests that arrive by the clock, on eight threads, timed from their arrival.

A request that has to wait because the one before it was held up counts that wait, as its user would.
"""

from __future__ import annotations

import statistics
import threading
import time
from functools import partial

from benchmarks import fresh
from benchmarks.arms import WORK_VARIABLE, work_units
from benchmarks.cases import Case
from benchmarks.result import Result
from benchmarks.sides import Arm

THREADS = 8
RATE = 800
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


def measure(case: Case, repeats: int = 0, rounds: int = 0) -> Result:
    """Serve `rounds` requests per arm and repeat, every time in a process of its own."""
    rounds = rounds or case.rounds
    units = {WORK_VARIABLE: str(work_units())}
    reports: dict[str, list[fresh.Report]] = {arm: [] for arm in case.arms}
    for _ in range(repeats or case.repeats):
        for arm, found in reports.items():
            found.append(fresh.run(__name__, case, arm, rounds, **units))
    values = {arm: [report["p99.9"] for report in found] for arm, found in reports.items()}
    return Result(
        case,
        values,
        {arm: fresh.tally_of(found) for arm, found in reports.items()},
        {
            arm: {name: statistics.median(report[name] for report in found) for name in QUANTILES}
            for arm, found in reports.items()
        },
        noise=statistics.median(values["noop"]) / min(values["noop"]),
    )


def serve(arm: Arm, rounds: int) -> fresh.Report:
    """Latencies of `rounds` requests at RATE a second, in the quantiles of QUANTILES."""
    arm.run(RATE // 4)
    arm.reset()
    latencies: list[list[float]] = [[] for _ in range(THREADS)]
    begin = time.perf_counter() + 0.1
    threads = [
        threading.Thread(target=partial(_client, arm, begin + number / RATE, rounds // THREADS, latencies[number]))
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    arm.reset()
    ordered = sorted(latency for own in latencies for latency in own)
    return {name: ordered[int(len(ordered) * quantile)] * 1e6 for name, quantile in QUANTILES.items()}


def _client(arm: Arm, begin: float, requests: int, latencies: list[float]) -> None:
    for number in range(requests):
        arrival = begin + number * THREADS / RATE
        time.sleep(max(0.0, arrival - time.perf_counter()))
        arm.run(1)
        latencies.append(time.perf_counter() - arrival)


if __name__ == "__main__":
    fresh.answer(serve)
