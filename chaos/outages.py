"""The receiver is not there for a while: how many of the spans that ended meanwhile arrive, and what `on_end` costs."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from chaos.matrix import ARMS, BATCH, ROOT
from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply, unavailable
from otel_errsample.testing.store import unpack

WARM: Final = 5.0
AFTER: Final = 12.0
MOST_GROWTH: Final = 4 << 20
"""Bytes of resident memory in the second half of the longest outages."""
USUAL_ERRORS: Final = 10
LEAST_HELD: Final = 0.97
"""Of the rate, or the table says so."""
_RESTART_EVERY: Final = 2.0
_AT_ONCE: Final = 6
_PATIENCE: Final = 180.0
_LEFT_OUT: Final = 2  # seconds at either side of a change, in which it is not clear what was measured

Cell = dict[str, Any]


@dataclass(frozen=True)
class Outage:
    """A row: what the receiver does for so many seconds, at so many spans a second, so many in 100 of them errors."""

    how: str
    seconds: float
    rate: int
    errors: int = USUAL_ERRORS

    @property
    def name(self) -> str:
        return f"{self.how} {self.seconds:.0f} s, {self.rate}/s, {self.errors} % errors"


OUTAGES: Final = (
    *(Outage("503", seconds, rate) for rate in (100, 1000) for seconds in (8, 30, 60)),
    Outage("503", 60, 1000, errors=50),
    Outage("refused", 60, 1000),
    Outage("black hole", 60, 1000),
    Outage("restarts", 20, 100),
)


class Away:
    """A receiver that is there, is not for a while, and is again; `names` are those of the spans that it took."""

    def __init__(self, protocol: str, how: str) -> None:
        self.names: Counter[str] = Counter()
        self.restarts = 0
        self._protocol = protocol
        self._how = how
        self._answer = Reply()
        self._lock = threading.Lock()
        self._receiver = Receiver(protocol, self._take, keep=False)
        self.variables = self._receiver.environ

    def _take(self, payload: bytes) -> Reply:
        answer = self._answer
        if answer.stores:
            with self._lock:
                self.names.update(received.span.name for received in unpack(payload))
        return answer

    def be_away(self, seconds: float) -> None:
        if self._how == "restarts":
            for _ in range(round(seconds / _RESTART_EVERY)):
                time.sleep(_RESTART_EVERY)
                self._down()
                self._up()
                self.restarts += 1
            return
        if self._how == "refused":
            self._down()
        else:
            self._answer = Reply(fault="black_hole") if self._how == "black hole" else unavailable()
        time.sleep(seconds)
        self._answer = Reply()
        if self._how == "refused":
            self._up()

    def _down(self) -> None:
        self._receiver.close()

    def _up(self) -> None:
        self._receiver = Receiver(self._protocol, self._take, port=self._receiver.port, keep=False)

    def close(self) -> None:
        self._down()


def cells(outages: Iterable[Outage], protocol: str) -> Iterator[Cell]:
    """Run the cells of these rows, some at a time."""
    asked = [(outage, arm) for outage in outages for arm in ARMS]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(lambda one: run(one[0], one[1], protocol), asked)


def run(outage: Outage, arm: str, protocol: str, *, warm: float = WARM, after: float = AFTER, **variables: str) -> Cell:
    """One cell; no spool, and each processor with its own defaults but for the environment variables given."""
    away = Away(protocol, outage.how)
    environ = {**os.environ, **away.variables, "OTEL_ERRSAMPLE_RULES": "keep", **variables}
    total = warm + outage.seconds + after
    command = [sys.executable, "-m", "chaos.working", arm, protocol, str(outage.rate), str(outage.errors), str(total)]
    process = subprocess.Popen(
        command, env=environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        process.stdout.readline()
        time.sleep(warm)
        away.be_away(outage.seconds)
        said = json.loads(process.communicate(timeout=_PATIENCE)[0])
    finally:
        process.kill()
        process.wait()
        away.close()
    return _judged(outage, arm, protocol, said, away, warm, total)


def _judged(
    outage: Outage, arm: str, protocol: str, said: dict[str, Any], away: Away, warm: float, total: float
) -> Cell:
    arrived = Counter(name.partition(" ")[0] for name in away.names)
    ended: dict[str, int] = said["ended"]
    lost = {kind: count - arrived[kind] for kind, count in ended.items()}
    endings = said.get("endings", {})
    begin, end = round(warm), round(warm + outage.seconds)
    before, during = _parts(said["cost"], begin, end, statistics.median)
    return {
        "outage": outage.name,
        "how": outage.how,
        "seconds": outage.seconds,
        "rate": outage.rate,
        "errors": outage.errors,
        "protocol": protocol,
        "arm": arm,
        "ended": ended,
        "held": round(sum(ended.values()) / (outage.rate * total), 2),
        "lost": lost,
        "counted": sum(count for name, count in endings.items() if name != "delivered"),
        "endings": endings,
        "balanced": said.get("balanced"),
        "again": sum(away.names.values()) - len(away.names),
        "restarts": away.restarts,
        "on_end_ns": [before, during],
        "memory": _parts(said["memory"], begin, end, max),
        "grown": _growth(said["memory"][begin:end]),
    }


def _parts(values: Sequence[int], begin: int, end: int, of: Callable[[Sequence[int]], float]) -> list[int]:
    """Before the outage, and in it."""
    parts = values[1 : begin - 1], values[begin + _LEFT_OUT : end - 1]
    return [int(of(part)) if part else 0 for part in parts]


def _growth(memory: Sequence[int]) -> int:
    """Bytes between the middle of an outage, when every budget was spent, and its end."""
    return memory[-1] - memory[len(memory) // 2] if memory else 0


def fails(cell: Cell) -> bool:
    """Whether a cell of ours is not what is promised."""
    lost = cell["lost"]
    if cell["arm"] != "ours":
        return False
    if cell["rate"] <= 100 and any(lost.values()):
        return True
    return bool(
        lost["new"] or sum(lost.values()) > cell["counted"] or not cell["balanced"]
        # With half of the spans errors there comes a time when nothing else is left to give up.
        or (lost["repeated"] and (cell["errors"] <= USUAL_ERRORS or not lost["healthy"]))
        or cell["again"] > BATCH * max(1, cell["restarts"])
        # By the middle of a long one every budget is spent.
        or (cell["rate"] >= 1000 and cell["seconds"] >= 60 and cell["grown"] > MOST_GROWTH)
    )  # fmt: skip


HEAD: Final = (
    "The receiver", "Spans", "Stock lost", "Ours lost", "New fingerprints lost: stock, ours", "Twice: stock, ours",
    "Memory: stock, ours", "Ours, CPU of `on_end` before and in it",
)  # fmt: skip

_WORDS: Final = {
    "503": "answers 503 for {} s",
    "refused": "is not there for {} s",
    "black hole": "answers nothing for {} s",
    "restarts": "restarts every 2 s for {} s",
}


def rows(results: Sequence[Cell]) -> list[tuple[str, ...]]:
    told = []
    for outage in OUTAGES:
        found = {cell["arm"]: cell for cell in results if cell["outage"] == outage.name}
        if len(found) == len(ARMS):
            told.append(_row(outage, found["stock"], found["ours"]))
    return told


def _row(outage: Outage, stock: Cell, ours: Cell) -> tuple[str, ...]:
    both = (stock, ours)
    return (
        _WORDS[outage.how].format(f"{outage.seconds:.0f}"),
        f"{outage.rate} a second, {outage.errors} % errors" + "".join(_slower(cell) for cell in both),
        _lost(stock),
        _lost(ours),
        ", ".join(f"{cell['lost']['new']} of {cell['ended']['new']}" for cell in both),
        ", ".join(str(cell["again"]) for cell in both),
        ", ".join(f"{(cell['memory'][1] - cell['memory'][0]) / (1 << 20):+.1f} MiB" for cell in both),
        ", ".join(f"{cost / 1000:.1f} us" for cost in ours["on_end_ns"]),
    )


def _slower(cell: Cell) -> str:
    """Where the machine had other things to do."""
    return "" if cell["held"] > LEAST_HELD else f" ({cell['arm']}: {cell['held'] * cell['rate']:.0f})"


def _lost(cell: Cell) -> str:
    lost, ended = sum(cell["lost"].values()), sum(cell["ended"].values())
    if not lost:
        return f"0 of {ended}"
    parts = ", ".join(f"{count} {kind}" for kind, count in cell["lost"].items() if count)
    told = f"{lost} of {ended}, {100 * lost / ended:.0f} %: {parts}"
    return told + (
        "" if cell["arm"] == "stock" else "; all of them counted" if lost <= cell["counted"] else "; UNCOUNTED"
    )
