"""Instructions per round under callgrind: the figure that does not move with the machine.

`python -m benchmarks.instructions [--case PREFIX] [--update] [--tolerance SHARE]`

Every count is a process of its own with a fixed hash seed. The difference of two numbers of rounds leaves the start
of the interpreter out, the noop arm is subtracted, and what remains is compared with `instructions.json`, which has a
column per Python version; all cases take about six minutes on two cores. Exit status 1 where a case costs more than the baseline and the tolerance allow, or has none.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from benchmarks.arms import PREPARED_VARIABLE
from benchmarks.cases import CASES, Case

BASELINE: Final = Path(__file__).with_name("instructions.json")
FEW: Final = 300
MANY: Final = 1300
# Three runs of one case differ by less than 0.1 %; another compiler or interpreter patch level by a few per cent.
TOLERANCE: Final = 0.03
# Instructions that any case may move by: a difference of two arms that cost the same is near zero, or below.
SLACK: Final = 50

Baseline = dict[str, dict[str, int]]
"""Python version -> case -> instructions per round beyond the noop arm."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description="Count instructions.")
    parser.add_argument("--case", default="", metavar="PREFIX", help="only the cases whose key begins with PREFIX")
    parser.add_argument("--update", action="store_true", help="write what was counted into the baseline")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="the share a case may cost more")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _run_here(*options.child)
    cases = [case for case in CASES if case.counted and case.key.startswith(options.case)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counted = dict(zip((case.key for case in cases), pool.map(beyond_noop, cases), strict=True))
    baseline: Baseline = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    own = baseline.setdefault(python(), {})
    if options.update:
        own.update(counted)
        BASELINE.write_text(json.dumps(baseline, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    worse = [key for key, count in counted.items() if not within(count, own.get(key), options.tolerance)]
    for key, count in counted.items():
        known = own.get(key)
        verdict = "  MORE THAN EXPECTED" if key in worse else ""
        print(f"{key:40} {count:8,}  baseline {known or 0:8,}{verdict}")
    return int(bool(worse))


def within(count: int, baseline: int | None, tolerance: float) -> bool:
    """Whether a count is allowed; without a baseline none is."""
    return baseline is not None and count <= baseline + max(SLACK, tolerance * abs(baseline))


def beyond_noop(case: Case) -> int:
    """Instructions of one round of ours, less those of the noop arm's loop."""
    return round(per_round(case, "ours") - (per_round(case, "noop") if "noop" in case.arms else 0))


def per_round(case: Case, arm: str) -> float:
    return (count(case, arm, MANY) - count(case, arm, FEW)) / (MANY - FEW)


def count(case: Case, arm: str, rounds: int) -> int:
    """Instructions of a whole process that runs `rounds` of an arm; raises CalledProcessError where it fails."""
    with tempfile.NamedTemporaryFile(prefix="callgrind.") as out:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}"]
        subprocess.run(
            [*command, sys.executable, "-m", "benchmarks.instructions", "--child", case.key, arm, str(rounds)],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": "0", PREPARED_VARIABLE: "256"},
        )
        return total(Path(out.name).read_text(encoding="utf-8"))


def total(profile: str) -> int:
    """The sum a callgrind file ends with."""
    return next(int(line.split()[1]) for line in reversed(profile.splitlines()) if line.startswith("totals:"))


def python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _run_here(key: str, arm: str, rounds: str) -> None:
    """In the process that is counted. It leaves without taking itself apart, which would cost by what it buffered."""
    case = next(case for case in CASES if case.key == key)
    case.arms[arm]().run(int(rounds))
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
