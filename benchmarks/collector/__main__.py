"""`python -m benchmarks.collector`: BatchSpanProcessor with the Collector's tail_sampling beside ErrorSpanProcessor.

The same traces go through both. Exit status 1 where one of them does not keep exactly the wanted ones, whole;
costs fail nothing. Needs the Collector (`make collector`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider

from benchmarks.__main__ import describe
from benchmarks.collector import SIDES
from benchmarks.collector.application import SEED
from benchmarks.collector.render import RESULTS, markdown
from benchmarks.collector.run import Run, run
from benchmarks.collector.traffic import SeededIds, Shop, Trace
from tools.collector import missing


def expected(traces: int) -> list[Trace]:
    """The traffic, by what was put into it."""
    ids = SeededIds(SEED)
    tracer = TracerProvider(shutdown_on_exit=False, id_generator=ids).get_tracer("shop")
    return list(Shop(tracer, ids, SEED).traces(traces))


def summary(side: str, runs: list[Run], traffic: list[Trace]) -> dict[str, Any]:
    wanted = Counter({trace.trace_id: trace.spans for trace in traffic if trace.wanted})
    return {
        "application_cpu_s": [one.application["cpu_s"] for one in runs],
        "application_peak_bytes": [one.application["peak_bytes"] for one in runs],
        "collector_cpu_s": [one.collector_cpu_s for one in runs],
        "collector_peak_bytes": [one.collector_peak_bytes for one in runs],
        "wire_bytes": [one.wire_bytes for one in runs],
        "traces_kept": [len(one.kept) for one in runs],
        "spans_kept": [one.kept.total() for one in runs],
        "as_wanted": side == "noop" or all(wanted == one.kept for one in runs),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collector", description=__doc__)
    parser.add_argument("--traces", type=int, default=10_000)
    parser.add_argument("--per-second", type=float, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go (default %(default)s)")
    options = parser.parse_args()
    if reason := missing():
        print(f"skipped: {reason}", file=sys.stderr)
        return 0
    traffic = expected(options.traces)
    runs: dict[str, list[Run]] = {side: [] for side in SIDES}
    for number in range(options.repeats):
        for side in SIDES:
            print(f"{side}, {number + 1} of {options.repeats}", file=sys.stderr, flush=True)
            runs[side].append(run(side, options.traces, options.per_second))
    sides = {side: summary(side, runs[side], traffic) for side in SIDES}
    results = {
        "machine": describe(),
        "traces": len(traffic),
        "spans": sum(trace.spans for trace in traffic),
        "per_second": options.per_second,
        "wanted": sum(trace.wanted for trace in traffic),
        "sides": sides,
    }
    options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(markdown(options.out))
    return int(not all(side["as_wanted"] for side in sides.values()))


if __name__ == "__main__":
    sys.exit(main())
