"""CPU and wall time: the arms of a case take turns in one process, so that what slows the machine slows all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Mapping

from benchmarks.cases import Case
from benchmarks.result import Result
from benchmarks.sides import Arm

_SECOND_IN = {"us": 1e6}


def measure(case: Case, repeats: int = 0, rounds: int = 0) -> Result:
    """Time the arms of `case`; `repeats` and `rounds` default to the case's own."""
    rounds = rounds or case.rounds
    arms = {name: make() for name, make in case.arms.items()}
    try:
        # Spans and caches that live as long as the case are no garbage to look through.
        gc.collect()
        gc.freeze()
        for arm in arms.values():
            _timed(arm, rounds)  # connections, caches and the workers' threads
        taken = []
        ground = []
        for repeat in range(repeats or case.repeats):
            taken.append({name: _timed(arm, rounds) for name, arm in _turned(arms, repeat).items()})
            ground.append(_calibration())
        for arm in arms.values():
            arm.reset()
        tallies = {name: arm.tally() for name, arm in arms.items()}
    finally:
        for arm in arms.values():
            arm.close()
        gc.unfreeze()
    factor = _SECOND_IN[case.unit] / rounds
    timed = {
        clock: {name: [repeat[name][clock] * factor for repeat in taken] for name in arms} for clock in ("cpu", "wall")
    }
    return Result(
        case,
        timed[case.clock],
        tallies,
        {name: {clock: statistics.median(values[name]) for clock, values in timed.items()} for name in arms},
        statistics.median(ground) / min(ground),
    )


def _turned(arms: Mapping[str, Arm], by: int) -> dict[str, Arm]:
    """The arms in another order each time: none is always the one after the heaviest."""
    names = list(arms)
    return {name: arms[name] for name in names[by % len(names) :] + names[: by % len(names)]}


def _timed(arm: Arm, rounds: int) -> dict[str, float]:
    """Seconds of the whole process, workers included, and of the clock on the wall."""
    arm.reset()
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    arm.run(rounds)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def _calibration() -> float:
    """Seconds on the wall for a fixed piece of work: the median over the least says how noisy the machine was."""
    begun = time.perf_counter()
    sum(range(100_000))
    return time.perf_counter() - begun
