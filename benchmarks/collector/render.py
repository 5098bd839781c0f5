"""results.json as the table of docs/collector.md; every figure comes from a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.collector import SIDES
from benchmarks.render import machine
from tools.table import table

RESULTS: Final = Path(__file__).with_name("results.json")
MIB: Final = 1 << 20


def markdown(path: Path = RESULTS) -> str:
    """Medians side by side, and the sentence that says what was measured."""
    results = json.loads(path.read_text(encoding="utf-8"))
    sides = [results["sides"][side] for side in SIDES]
    costs = [[side["application_cpu_s"], side["collector_cpu_s"]] for side in sides]
    head = ("", "no export", "BatchSpanProcessor, tail_sampling", "ErrorSpanProcessor")
    rows = [
        _row("CPU of the application, s", [application for application, _ in costs]),
        _row("CPU of the Collector, s", [collector for _, collector in costs]),
        _row("both, s", [[sum(run) for run in zip(*side, strict=True)] for side in costs]),
        _row("most memory of the application, MiB", [_mib(side["application_peak_bytes"]) for side in sides]),
        _row("most memory of the Collector, MiB", [_mib(side["collector_peak_bytes"]) for side in sides]),
        _row("sent to the Collector, MiB", [_mib(side["wire_bytes"]) for side in sides]),
        _row("traces kept", [side["traces_kept"] for side in sides]),
        _row("spans kept", [side["spans_kept"] for side in sides]),
    ]
    same = "both kept exactly these" if all(side["as_wanted"] for side in sides) else "THEY KEPT OTHERS"
    return (
        f"{table(head, rows)}\n\n{results['traces']:,} traces of {results['spans']:,} spans at {results['per_second']:g} traces a "
        f"second, {results['wanted']:,} of them wanted: {same}. {machine(results)}"
    )


def _mib(values: list[int]) -> list[float]:
    return [value / MIB for value in values]


def _row(what: str, sides: Sequence[Sequence[float]]) -> tuple[str, ...]:
    return (what, *(_spread(values) if any(values) else "" for values in sides))


def _spread(values: Sequence[float]) -> str:
    """Least and most only where they differ as printed."""
    least, middle, most = (_number(value) for value in (min(values), median(values), max(values)))
    return middle if least == most else f"{middle} ({least} to {most})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
