"""What waiting spans weigh: resident bytes per span, and how long the garbage collector looks through them."""

from __future__ import annotations

import gc
import statistics
import time

import psutil

from benchmarks import fresh
from benchmarks.cases import Case
from benchmarks.result import Result
from benchmarks.sides import Arm

# The figure of a report by the case's unit.
_FIGURES = {"bytes": "resident", "us": "collection"}


def measure(case: Case, repeats: int = 0, rounds: int = 0) -> Result:
    """Fill every arm in a process of its own, `repeats` times over."""
    rounds = rounds or case.rounds
    reports: dict[str, list[fresh.Report]] = {arm: [] for arm in case.arms}
    for _ in range(repeats or case.repeats):
        for arm, found in reports.items():
            found.append(fresh.run(__name__, case, arm, rounds))
    name = _FIGURES[case.unit]
    values = {arm: [report[name] for report in found] for arm, found in reports.items()}
    accounted = [report["accounted"] for report in reports["ours"]]
    if name == "resident":
        # The larger of the two: pages that were freed before may hide what is new.
        values["ours"] = list(map(max, values["ours"], accounted))
        # What ours sent in the end: an error span is enriched, so it is longer than what stock would send.
        values["noop"] = [report["tally"]["sent_bytes"] / report["tally"]["ended"] for report in reports["ours"]]
    return Result(
        case,
        values,
        {arm: fresh.tally_of(found) for arm, found in reports.items()},
        {"ours": {"accounted": statistics.median(accounted)}},
    )


def hoard(arm: Arm, rounds: int) -> fresh.Report:
    """Fill the arm with `rounds` spans and weigh them; a tenth of them goes ahead so that pools and caches are there."""
    process = psutil.Process()
    arm.run(rounds // 10)
    gc.collect()
    before = process.memory_info().rss
    arm.run(rounds)
    gc.collect()
    resident = (process.memory_info().rss - before) / rounds
    accounted = arm.accounted() / (rounds + rounds // 10)
    passes = []
    for _ in range(9):
        begun = time.perf_counter()
        gc.collect()
        passes.append((time.perf_counter() - begun) * 1e6)
    arm.reset()
    return {"resident": resident, "accounted": accounted, "collection": statistics.median(passes)}


if __name__ == "__main__":
    fresh.answer(hoard)
