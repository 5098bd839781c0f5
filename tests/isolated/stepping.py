"""Kill a process before one line after the other of the spool's code, and see what the next process makes of the files.

First the owner of a file is killed before each line that it runs, then who adopts a whole one. What follows is a process
that is left alone. Prints a JSON line. Argument: how many lines to go on at a time.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from otel_errsample import spool as module
from otel_errsample._hot import Buffer, Ledger, Limits, group_from, take
from otel_errsample.spool import EVERY, Spool
from tests.spools import span

ERRORS = 6
BATCH = 2
SPOOL = str(Path(module.__file__).parent)
GROUP = group_from(b"", b"", b"", b"")


class Killer:
    """Ends this process before line number `at` of the spool, or of `deliver`, and counts the lines that were run."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.lines = 0
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Killer | None:
        code = frame.f_code
        if not code.co_filename.startswith(SPOOL) and code.co_name != "deliver":
            return None
        if event == "line":
            if self.lines == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.lines += 1
        return self


class Process:
    """What one process has of it; what it has ended and what has arrived is in files."""

    def __init__(self, place: Path, later: float = 0.0, errors: int = ERRORS) -> None:
        self.place = place
        self.errors = errors
        self.ledger = Ledger()
        self.buffer = Buffer(self.ledger, Limits(), 1 << 20, 0, 512, 1 << 20)
        self.spool = Spool(
            str(place / "spool"),
            1 << 15,
            self.buffer,
            self.ledger,
            warn=lambda message: None,
            chance=random.Random(5),
            wall=lambda: time.time() + later,
        )
        self.now = 1000.0

    def note(self, name: str, line: str) -> None:
        with (self.place / name).open("a") as file:
            file.write(line + "\n")

    def fail(self, number: int) -> None:
        self.buffer.offer(span(b"error %d." % number), 3, GROUP)
        if self.spool.count().state == "ok":
            self.note("ended", f"{number}")

    def deliver(self) -> None:
        self.ledger.requests += 1
        batch = take(self.buffer, BATCH, 1 << 20, self.buffer.newest, False)
        if batch is None:
            return
        payload = batch.payload(0, len(batch))
        for number in range(self.errors):
            if b"error %d." % number in payload:
                self.note("arrived", f"{number}")
        for record in range(len(batch)):
            batch.end(record, record + 1, "delivered")

    def look(self, later: float = 1.0) -> None:
        self.now += later
        self.spool.look(self.now)

    def own(self) -> None:
        """Errors before there is a file, and with it; some delivered, the rest left at a shutdown."""
        self.fail(0)
        self.spool.open()
        for number in range(1, ERRORS):
            self.fail(number)
        self.deliver()
        self.look()
        self.end()

    def adopt(self) -> None:
        self.spool.open()
        for later in (1.0, 1.0, EVERY * 2):
            self.look(later)
            while self.buffer.spans_waiting:
                self.deliver()
                self.look()
        self.end()

    def end(self) -> None:
        self.buffer.give_up()
        self.spool.close()


def live(place: Path, part: str, at: int | None = None, later: float = 0.0) -> int:
    """Run a part in a process of its own; how many lines it ran, -1 where it was killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            process, killer = Process(place, later), Killer(at)
            act: Callable[[], None] = getattr(process, part)
            sys.settrace(killer)
            act()
            sys.settrace(None)
            os.write(writing, b"%d" % killer.lines)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    lines = os.read(reading, 20)
    os.close(reading)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == (-signal.SIGKILL if at is not None else 0), (part, at, status)
    return int(lines or -1)


def numbers(place: Path, name: str) -> Counter[str]:
    path = place / name
    return Counter(path.read_text().split()) if path.exists() else Counter()


def judge(found: Counter[str], place: Path, what: str) -> None:
    """Count what is not as it has to be, after the next process has ended."""
    live(place, "adopt", later=120.0)  # so much later that what was half made is old
    ended, arrived = numbers(place, "ended"), numbers(place, "arrived")
    again = sum(arrived.values()) - len(arrived)
    left = [path.name for path in (place / "spool").iterdir()]
    found["kills"] += 1
    found["sent again"] += again
    for fault, is_so in {
        "lost": not ended.keys() <= arrived.keys(),
        "more than a batch twice": again > BATCH,
        "left for ever": bool(left),
    }.items():
        if is_so:
            found[fault] += 1
            print(f"{what}: {fault}: ended {ended}, arrived {arrived}, left {left}", file=sys.stderr)


def main() -> int:
    step = int(sys.argv[1])
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as directory:
        lines = live(Path(directory), "own")
    for at in range(0, lines, step):
        with tempfile.TemporaryDirectory() as directory:
            live(Path(directory), "own", at)
            judge(found, Path(directory), f"owner, line {at}")
    with tempfile.TemporaryDirectory() as directory:
        live(Path(directory), "own")
        adopting = live(Path(directory), "adopt")
    for at in range(0, adopting, step):
        with tempfile.TemporaryDirectory() as directory:
            live(Path(directory), "own")
            live(Path(directory), "adopt", at)
            judge(found, Path(directory), f"adopter, line {at}")
    print(json.dumps({"lines": [lines, adopting], **found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
