"""chaos/results.json, which `python -m chaos --json chaos/results.json` writes, as the tables of docs/reliability.md."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from chaos import matrix, outages
from tools.table import table

RESULTS: Final = Path(__file__).with_name("results.json")


def faults(results: dict[str, Any]) -> str:
    return table(matrix.HEAD, matrix.rows(results["faults"]))


def away(results: dict[str, Any]) -> str:
    return table(outages.HEAD, outages.rows(results["outages"]))


def recorded(part: Callable[[dict[str, Any]], str], path: Path = RESULTS) -> str:
    """A table of what was run last, and the sentence that says with what."""
    results = json.loads(path.read_text(encoding="utf-8"))
    at = results["with"]
    return (
        f"{part(results)}\n\nRun {at['date']} with seed {results['seed']} on {at['cores']} cores, Python {at['python']}, "
        f"opentelemetry-sdk and exporters {at['sdk']}, grpcio {at['grpcio']}."
    )


def surroundings() -> dict[str, Any]:
    """What a run was made with."""
    return {
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sdk": version("opentelemetry-sdk"),
        "grpcio": version("grpcio"),
    }
