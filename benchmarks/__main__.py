"""`python -m benchmarks`: measure, print every figure beside its target, and write results.json.

Exit status 1 where a case is not valid: a span met another ending than the one the case is timed for. A target that
is missed is printed as such; times on a shared machine fail nothing.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import latency, memory, wall
from benchmarks.cases import Case, chosen
from benchmarks.render import RESULTS, machine, plain
from benchmarks.result import Result
from otel_errsample import __version__

DRIVERS: dict[str, Callable[[Case, int], Result]] = {
    "wall": wall.measure,
    "memory": memory.measure,
    "latency": latency.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure beside BatchSpanProcessor.")
    parser.add_argument("--case", default="", metavar="PREFIX", help="only the cases whose key begins with PREFIX")
    parser.add_argument("--full", action="store_true", help="every case, with five times the repeats")
    parser.add_argument("--out", type=Path, default=None, help="where the results go; default results.json beside this")
    options = parser.parse_args()
    at = describe()
    cases = [case for case in chosen(options.case) if case.quick or options.full or options.case]
    measure = here if len(cases) == 1 else apart
    measured: dict[str, Any] = {}
    for case in cases:
        measured[case.key] = measure(case, options.full)
    results = {"machine": at, "cases": measured}
    out = options.out or (None if options.case else RESULTS)
    if out is not None:
        out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(plain(results))
    print(machine(results))
    return int(not all(case["valid"] for case in measured.values()))


def here(case: Case, full: bool) -> dict[str, Any]:
    print(f"{case.key}: {case.sentence}", file=sys.stderr, flush=True)
    return DRIVERS[case.driver](case, case.repeats * (5 if full else 1)).to_json()


def apart(case: Case, full: bool) -> dict[str, Any]:
    """Measure in a process of its own: the heap and the threads that other cases leave behind cost 3 % of a failing span.

    Raises CalledProcessError where nothing could be measured.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "result.json")
        command = [sys.executable, "-m", "benchmarks", "--case", case.key, "--out", str(out), *["--full"][:full]]
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)  # 1 says as well that it was not valid
        if not out.exists():
            done.check_returncode()
        measured: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))["cases"][case.key]
        return measured


def describe() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "sdk": version("opentelemetry-sdk"),
        "exporter": version("opentelemetry-exporter-otlp-proto-grpc"),
        "otel_errsample": __version__,
    }


def processor() -> str:
    """The model as Linux names it, else what the platform module knows."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
