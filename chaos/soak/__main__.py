"""`python -m chaos.soak [--minutes N] [--seed N] [--json FILE] [--keep DIRECTORY]`: applications under random faults.

Exit status 1 where a span is missing that no ending accounts for, more came twice than requests were interrupted, the
books did not balance at one of the looks, one every second, or an application grew.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from chaos.render import surroundings
from chaos.soak import render
from chaos.soak.driver import Soak
from chaos.soak.verdict import Verdict, judge

_ROUND: Final = 60.0
_CALM: Final = 0.25  # of a round
_ROUNDS: Final = 2  # at least, to compare the last with the first


def soak(directory: Path, seconds: float, seed: int) -> tuple[Soak, Verdict]:
    """Rounds of trouble and calm for so long; everything is stopped at the end."""
    rounds = max(_ROUNDS, round(seconds / _ROUND))
    each = seconds / rounds
    calms = []
    begun = time.monotonic()
    running = Soak(directory, seed)
    for number in range(rounds):
        # Not for a time but until one: an application that takes long to end takes it from the next round.
        running.trouble(begun + each * (number + 1 - _CALM))
        begin = time.monotonic()
        running.calm(each * _CALM)
        calms.append((begin, time.monotonic()))
        arrived = len(running.arrivals.times)
        print(f"{time.monotonic() - begun:4.0f} s: {arrived} spans have arrived", file=sys.stderr, flush=True)
    running.end()
    return running, judge(running, calms)


def table(running: Soak, verdict: Verdict) -> str:
    lines = ["| Spans | Ended | Arrived |", "| --- | --- | --- |"]
    lines += [f"| {kind.lower()} | {count} | {verdict.arrived[kind]} |" for kind, count in verdict.ended.items()]
    endings = ", ".join(f"{count} {name}" for name, count in verdict.endings.items() if count)
    troubles = ", ".join(f"{count} x {name}" for name, count in sorted(running.troubles.items()))
    memory = ", ".join(f"{size / (1 << 20):.1f}" for size in verdict.memory)
    lines += [
        "",
        f"{verdict.processes} processes, whose books were looked at {verdict.looks} times: {endings}",
        f"{verdict.recovered} spans were recovered from the spool",
        f"{verdict.again} spans came again, of {verdict.repeated} requests; {verdict.most_repeated} were interrupted",
        f"MiB of memory of the steady application in each calm: {memory}",
        f"what went wrong: {troubles}",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="an empty one for what the processes write down")
    options = parser.parse_args()
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as passing:
        running, verdict = soak(options.keep or Path(passing), options.minutes * 60, options.seed)
    print(f"seed {options.seed}\n\n{table(running, verdict)}\n")
    for fault in verdict.faults:
        print(f"VIOLATION: {fault}")
    print("FAILED" if verdict.faults else "every span is accounted for")
    if options.json:
        run = {"seed": options.seed, "minutes": options.minutes, "with": surroundings(), "troubles": running.troubles}
        render.add({**run, **verdict.as_dict()}, options.json)
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
