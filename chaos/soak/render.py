"""chaos/soak/results.json, to which `python -m chaos.soak --json chaos/soak/results.json` adds its run, as a table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tools.table import table

RESULTS: Final = Path(__file__).with_name("results.json")
_HEAD: Final = (
    "Seed", "Minutes", "Faults", "Processes", "Looks at the books", "Spans ended", "Errors of new fingerprints: arrived",
    "Recovered", "Requests that came again, of those interrupted", "MiB in the calms, first to last", "Violations",
)  # fmt: skip


def add(run: dict[str, Any], path: Path) -> None:
    """Put a run in the place of the former one with its seed."""
    runs = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    runs = sorted([*(one for one in runs if one["seed"] != run["seed"]), run], key=lambda one: one["seed"])
    path.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")


def markdown(path: Path = RESULTS) -> str:
    runs = json.loads(path.read_text(encoding="utf-8"))
    stacks = sorted({f"Python {run['with']['python']}, opentelemetry-sdk {run['with']['sdk']}" for run in runs})
    return f"{table(_HEAD, _rows(runs))}\n\nRun on {'; '.join(stacks)}."


def _rows(runs: Iterable[dict[str, Any]]) -> Iterable[list[str]]:
    for run in runs:
        ended = sum(run["ended"].values())
        cells = (
            run["seed"], f"{run['minutes']:g}", sum(run["troubles"].values()), run["processes"], run["looks"], ended,
            f"{run['arrived'].get('NEW', 0)} of {run['ended'].get('NEW', 0)}", run["recovered"],
            f"{run['repeated']} of {run['most_repeated']}",
            " ".join(f"{size / (1 << 20):.0f}" for size in run["memory"]), len(run["faults"]),
        )  # fmt: skip
        yield [str(cell) for cell in cells]
