"""results.json as the README's table and as the report of `make bench`; every figure comes from a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tools.table import table

RESULTS: Final = Path(__file__).with_name("results.json")
NOISY: Final = 1.25
"""A fixed piece of work that took this many times its least, in the median: the machine had other things to do."""


def rows(results: dict[str, Any]) -> list[list[str]]:
    """One row per case: key, noop, stock, ours, what the target is about, verdict."""
    return [_row(key, case) for key, case in results["cases"].items()]


HEAD: Final = ("case", "noop", "stock", "ours", "unit", "target", "reached", "lost")


def markdown(path: Path = RESULTS) -> str:
    """The README's table, and the sentence that says what it was measured on."""
    results = json.loads(path.read_text(encoding="utf-8"))
    cases = zip(results["cases"].values(), rows(results), strict=True)
    lines = [(case["sentence"], *row[1:]) for case, row in cases]
    return f"{table(('what is measured', *HEAD[1:]), lines)}\n\n{machine(results)}"


def plain(results: dict[str, Any]) -> str:
    """A table for the terminal."""
    lines = [list(HEAD), *rows(results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def machine(results: dict[str, Any]) -> str:
    at = results["machine"]
    return (
        f"Medians (least to most), measured {at['date']} on {at['cores']} cores of {at['processor']}, Python {at['python']}, "
        f"opentelemetry-sdk {at['sdk']}; ratios hold better than absolutes."
    )


def _row(key: str, case: dict[str, Any]) -> list[str]:
    arms = case["arms"]
    cells = [_spread(arms[name]) if name in arms else "" for name in ("noop", "stock", "ours")]
    targets = case["targets"]
    texts = "; ".join(target["text"] for target in targets)
    reached = "; ".join(f"{_reached(target)} {'pass' if target['met'] else 'MISS'}" for target in targets)
    if not case["valid"]:
        reached = "INVALID: spans met another ending"
    if case["noise"] > NOISY:
        reached += f" (noisy x{case['noise']:.1f})"
    return [key, *cells, case["unit"], texts, reached.strip(), _lost(key, arms)]


def _lost(key: str, arms: dict[str, Any]) -> str:
    """How many of the spans an export was timed with did not arrive, on each side."""
    counted = {name: arm for name, arm in arms.items() if "ended" in arm}
    if not key.startswith("export_"):
        return ""
    return ", ".join(f"{name} {arm['ended'] - arm['delivered']:,} of {arm['ended']:,}" for name, arm in counted.items())


def _reached(target: dict[str, Any]) -> str:
    """A share as 1/n where the target is one."""
    median: float = target["median"]
    if "stock" not in target["text"]:
        return _number(median)
    return f"1/{_number(1 / median)}" if median > 0 else "0"


def _spread(arm: dict[str, Any]) -> str:
    return f"{_number(arm['median'])} ({_number(arm['min'])} to {_number(arm['max'])})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
