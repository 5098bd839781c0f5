"""The matrix of faults: each cell an application of its own, started once more after its fault."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from chaos.clock import WallClock
from chaos.faults import FAULTS, Fault
from otel_errsample.testing.receiver import Receiver

ROOT: Final = Path(__file__).parent.parent
ARMS: Final = ("stock", "ours")
PROTOCOLS: Final = ("http", "grpc")
PATIENCE: Final = 100.0
BATCH: Final = 512
_AT_ONCE: Final = 4

Cell = dict[str, Any]


def cells(faults: Iterable[Fault], protocols: Iterable[str], spans: dict[str, int]) -> Iterator[Cell]:
    """Run the cells of these rows, some at a time; each ends as many failed spans as `spans` has for its row."""
    asked = [(fault, arm, over) for fault in faults for over in fault.over if over in protocols for arm in ARMS]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(lambda one: run(one[0], one[1], one[2], spans[one[0].name]), asked)


def run(fault: Fault, arm: str, protocol: str, spans: int) -> Cell:
    """One cell: how many of the ended spans arrived, how many of them again, and how long it took to end."""
    with tempfile.TemporaryDirectory() as directory, Receiver(protocol, fault.script()) as receiver:
        variables = {**receiver.environ, "OTEL_ERRSAMPLE_SPOOL_DIR": str(Path(directory) / "spool")}
        if fault.steps_the_clock:
            variables |= WallClock(Path(directory)).variables
        seconds = _start(variables, arm, protocol, fault.application, spans)
        _start(variables, arm, protocol, "exit", 0)
        arrived = Counter(received.span.name for received in receiver.spans())
    ended = {f"failing {number}" for number in range(spans)}
    return {
        "fault": fault.name,
        "protocol": protocol,
        "arm": arm,
        "ended": spans,
        "arrived": len(ended & arrived.keys()),
        "again": sum(arrived.values()) - len(arrived),
        "seconds": None if seconds is None else round(seconds, 1),
    }


def _start(variables: dict[str, str], *arguments: object) -> float | None:
    """Run the application to its end; the seconds from its first word, None where it had to be ended."""
    command = [sys.executable, "-m", "chaos.application", *map(str, arguments)]
    # In a session of its own: what hangs may be a child.
    process = subprocess.Popen(
        command, env={**os.environ, **variables}, cwd=ROOT, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
    begun = time.monotonic()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None
    return time.monotonic() - begun


def fails(cell: Cell) -> bool:
    """Whether a cell of ours is not what is promised."""
    fault = next(fault for fault in FAULTS if fault.name == cell["fault"])
    most = BATCH if fault.again else 0
    return cell["arm"] == "ours" and (
        cell["arrived"] != cell["ended"] or cell["again"] > most or cell["seconds"] is None
    )


HEAD: Final = ("Fault", "What happens", "Stock, HTTP", "Ours, HTTP", "Stock, gRPC", "Ours, gRPC")


def rows(results: Iterable[Cell]) -> list[tuple[str, ...]]:
    found = {(cell["fault"], cell["protocol"], cell["arm"]): cell for cell in results}
    told = []
    for fault in FAULTS:
        places = [(fault.name, protocol, arm) for protocol in PROTOCOLS for arm in ARMS]
        if any(place in found for place in places):
            shown = (tell(found[place], fault.timed) if place in found else "" for place in places)
            told.append((fault.name, fault.what, *shown))
    return told


def tell(cell: Cell, timed: bool) -> str:
    again = f", {cell['again']} twice" if cell["again"] else ""
    if cell["seconds"] is None:
        again += ", and hung"
    elif timed:
        again += f" in {cell['seconds']:.0f} s"
    return f"{cell['arrived']} of {cell['ended']}{again}"
