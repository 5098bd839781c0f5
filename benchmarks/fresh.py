"""One arm of a case in a fresh process, for what a process can be asked only once: its memory, its tail latency."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, astuple
from typing import Any

from benchmarks.cases import Case, chosen
from benchmarks.sides import Arm, Tally

Report = dict[str, Any]


def run(module: str, case: Case, arm: str, rounds: int, **environment: str) -> Report:
    """Measure `arm` of `case` by `module`'s `answer` in a new interpreter; raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", module, case.key, arm, str(rounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, **environment}, text=True)
    report: Report = json.loads(done.stdout)
    return report


def answer(measure: Callable[[Arm, int], Report]) -> None:
    """The other end of `run`: measure the arm named on the command line and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("arm")
    parser.add_argument("rounds", type=int)
    options = parser.parse_args()
    case = next(case for case in chosen() if case.key == options.case)
    arm = case.arms[options.arm]()
    report = measure(arm, options.rounds)
    tally = arm.tally()
    arm.close()
    print(json.dumps(report | {"tally": tally and asdict(tally)}))


def tally_of(reports: list[Report]) -> Tally | None:
    """What became of the spans of all the processes of an arm."""
    tallies = [Tally(**report["tally"]) for report in reports if report["tally"]]
    if not tallies:
        return None
    return Tally(*(sum(column) for column in zip(*map(astuple, tallies), strict=True)))
