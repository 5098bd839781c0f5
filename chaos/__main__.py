"""Run the matrix and print the table, stock beside ours: `python -m chaos [--seed N] [--only NAME ...] [--json FILE]`.

Each cell is an application of its own that ends a random number of failed spans, meets its fault, and is started once
more. What arrived is compared with what was ended. Exit status 1 where ours lost a span, or sent one twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from chaos.faults import FAULTS, Fault
from otel_errsample.testing.receiver import Receiver

ARMS = ("stock", "ours")
PATIENCE = 60.0


def start(receiver: Receiver, spool: str, arm: str, what: str, spans: int) -> None:
    environ = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}",
        "OTEL_ERRSAMPLE_SPOOL_DIR": spool,
    }
    command = [sys.executable, "-m", "chaos.application", arm, what, str(spans)]
    root = Path(__file__).parent.parent
    subprocess.run(command, env=environ, cwd=root, capture_output=True, timeout=PATIENCE, check=False)


def run(fault: Fault, arm: str, spans: int) -> dict[str, Any]:
    """One cell: how many of the ended spans arrived, and how many of them again."""
    with tempfile.TemporaryDirectory() as directory, Receiver("http", fault.script()) as receiver:
        spool = str(Path(directory) / "spool")
        start(receiver, spool, arm, fault.application, spans)
        start(receiver, spool, arm, "exit", 0)
        arrived = Counter(received.span.name for received in receiver.spans())
    ended = {f"failing {number}" for number in range(spans)}
    return {
        "fault": fault.name,
        "arm": arm,
        "ended": spans,
        "arrived": len(ended & arrived.keys()),
        "again": sum(arrived.values()) - len(arrived),
    }


def table(results: list[dict[str, Any]]) -> str:
    lines = ["| Fault | What happens | Stock | Ours |", "| --- | --- | --- | --- |"]
    for fault in FAULTS:
        cells = {result["arm"]: result for result in results if result["fault"] == fault.name}
        if cells:
            told = [_told(cells[arm]) for arm in ARMS]
            lines.append(f"| {fault.name} | {fault.what} | {told[0]} | {told[1]} |")
    return "\n".join(lines)


def _told(cell: dict[str, Any]) -> str:
    again = f", {cell['again']} twice" if cell["again"] else ""
    return f"{cell['arrived']} of {cell['ended']}{again}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    parser.add_argument("--only", nargs="+", choices=[fault.name for fault in FAULTS], metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    results = []
    for fault in FAULTS:
        spans = chance.randint(20, 200)
        if options.only and fault.name not in options.only:
            continue
        for arm in ARMS:
            results.append(run(fault, arm, spans))
            print(f"{fault.name}, {arm}: {_told(results[-1])}", file=sys.stderr, flush=True)
    print(f"seed {options.seed}\n\n{table(results)}")
    if options.json:
        options.json.write_text(
            json.dumps({"seed": options.seed, "results": results}, indent=2) + "\n", encoding="utf-8"
        )
    faultless = all(
        result["arrived"] == result["ended"] and not result["again"] for result in results if result["arm"] == "ours"
    )
    return 0 if faultless else 1


if __name__ == "__main__":
    sys.exit(main())
