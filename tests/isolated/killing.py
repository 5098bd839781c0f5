"""Kill writers of a ring at random moments, and compare what they left with what they knew. Prints a JSON line.

Arguments: how many kills, a seed, and a compiled ring to try in place of the package's.

A writer notes in memory that it shares with this process what it has written and what it has settled, after the fact
and before it. It is killed by SIGKILL, SIGSEGV, SIGABRT or os._exit, in C or between two lines of Python, and by the OOM
killer where this process may make a memory cgroup.
"""

from __future__ import annotations

import faulthandler
import importlib.util
import json
import mmap
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

HEADER = 4096
SHELF = 64 << 10
MOST = 1 << 20  # records of a writer; it pauses before it would come that far
SETTLING, SETTLED = 1, 2
HEADS = b"resource" * 20
MARK = b"\x4a\x19\x0a\x13errsample.recovered\x12\x02\x10\x01"
SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGSEGV": signal.SIGSEGV, "SIGABRT": signal.SIGABRT, "_exit": signal.SIGUSR1}
OOM = "OOM"
# Where each version of cgroups has its memory controller, and what the limit is called there.
CGROUPS = {"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"}
ALLOWED = 32 << 20


def content(number: int, large: bool) -> bytes:
    """The span of one record: its number, and as many bytes as the number says, all of them its own."""
    size = number * 7919 % (20_000 if large else 1_500)
    body = struct.pack("<Q", number) * (size // 8 + 1)
    return b"\x12" + varint(len(body)) + body


def length_of(number: int, large: bool) -> int:
    return (40 + 2 * len(HEADS) + len(content(number, large)) + 7) // 8 * 8


def varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14])


class Notes:
    """Shared by writer and reader: how many records were written, and the state of each."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 8 + MOST)

    @property
    def written(self) -> int:
        return int.from_bytes(self.memory[:8], "little")

    def note(self, written: int) -> None:
        self.memory[:8] = written.to_bytes(8, "little")

    def state(self, number: int) -> int:
        return self.memory[8 + number]

    def settle(self, number: int, state: int) -> None:
        self.memory[8 + number] = state


@contextmanager
def small_cgroup() -> Iterator[Path | None]:
    """A cgroup with little memory; None where none can be made."""
    for root, limit in CGROUPS.items():
        group = Path(root) / f"errsample-{os.getpid()}"
        if not (Path(root) / "cgroup.procs").exists():
            continue
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(ALLOWED))
            yield group
            return
        except OSError:
            continue
        finally:
            group.rmdir()
    yield None


def exhaust(group: Path) -> None:
    """Ask for more memory than there is, until the OOM killer comes."""
    (group / "cgroup.procs").write_text(str(os.getpid()))
    taken = []
    while True:
        taken.append(b"x" * (1 << 20))


def write(
    hot: Any, path: Path, notes: Notes, chance: random.Random, group: Path | None, *, settles: bool, large: bool
) -> None:
    """Until killed. A writer that settles never has more waiting than the ring holds."""
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in ("SIGSEGV", "SIGABRT"):
        signal.signal(SIGNALS[name], signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, lambda *_: os._exit(9))
    signal.signal(signal.SIGUSR2, lambda *_: exhaust(group) if group else None)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.truncate(descriptor, HEADER + 2 * SHELF)
    ring = hot.Ring(descriptor, HEADER + 2 * SHELF, 77, os.getpid(), 1)
    waiting: list[tuple[int, int]] = []
    for number in range(MOST):
        place = ring.write(number % 2, (HEADS, b"", HEADS, b"", content(number, large)))
        notes.note(number + 1)
        if not settles:
            continue
        waiting.append((number, place))
        if len(waiting) > 6:
            # Out of order, and the oldest before it could be overwritten.
            index = 0 if number - waiting[0][0] > 20 else chance.randrange(6)
            settled, place = waiting.pop(index)
            notes.settle(settled, SETTLING)
            ring.settle(place)
            notes.settle(settled, SETTLED)
    signal.pause()


def judge(hot: Any, image: bytes, notes: Notes, found: Counter[str], *, settles: bool, large: bool) -> None:
    """Count what is not as it has to be."""
    remains = hot.Remains(image)
    written = notes.written
    seen: list[list[int]] = [[], []]
    for shelf, _, _, (*_, span) in remains:
        found["records"] += 1
        body = span[next(at for at in range(1, 5) if span[at] < 0x80) + 1 : -len(MARK)]
        number = int.from_bytes(body[:8], "little")
        if number > written or shelf != number % 2 or body != content(number, large)[4:]:
            found["corrupt"] += 1
            continue
        seen[shelf].append(number)
        # Killed between two notes, the one in between may be there or not.
        if notes.state(number) == SETTLED:
            found["twice"] += 1
    found["damaged"] += remains.damaged
    there = set(seen[0]) | set(seen[1])
    found["twice"] += len(seen[0]) + len(seen[1]) - len(there)
    if settles:
        lost = [number for number in range(written) if not notes.state(number) and number not in there]
        found["lost"] += len(lost)
        return
    for shelf in (0, 1):
        # The newest, without a gap, and as many as the shelf holds beside the one that was being written.
        numbers = list(range(shelf, written, 2))
        room = SHELF - length_of(written, large)
        fitting = 0
        while fitting < len(numbers) and room >= length_of(numbers[-fitting - 1], large):
            room -= length_of(numbers[-fitting - 1], large)
            fitting += 1
        kept = [number for number in seen[shelf] if number < written]
        found["lost"] += kept != numbers[len(numbers) - len(kept) :] or len(kept) < fitting


def run(hot: Any, kills: int, seed: int, group: Path | None) -> dict[str, Any]:
    signals = {**SIGNALS, OOM: signal.SIGUSR2} if group else SIGNALS
    chance = random.Random(seed)
    found: Counter[str] = Counter(records=0, lost=0, corrupt=0, twice=0, damaged=0)
    ways: Counter[str] = Counter()
    for number in range(kills):
        settles, large = number % 2 == 0, number % 3 == 0 and number % 2 == 1
        with tempfile.TemporaryDirectory() as directory:
            path, notes = Path(directory) / "ring", Notes()
            pid = os.fork()
            if pid == 0:
                try:
                    write(hot, path, notes, random.Random(chance.random()), group, settles=settles, large=large)
                finally:
                    os._exit(3)
            while not notes.written:
                if os.waitpid(pid, os.WNOHANG)[0]:
                    raise RuntimeError("the writer did not start")
                time.sleep(0.0005)
            time.sleep(chance.random() ** 2 * 0.03)
            way = chance.choice(list(signals))
            ways[way] += 1
            os.kill(pid, signals[way])
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert status == (-signal.SIGKILL if way == OOM else 9 if way == "_exit" else -signals[way]), (way, status)
            judge(hot, path.read_bytes(), notes, found, settles=settles, large=large)
            notes.memory.close()
    return {"kills": kills, "seed": seed, **found, "ways": dict(ways)}


def loaded(path: str) -> ModuleType:
    name = Path(path).name.split(".", maxsplit=1)[0]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    kills, seed = int(sys.argv[1]), int(sys.argv[2])
    if len(sys.argv) > 3:
        hot: Any = loaded(sys.argv[3])
    else:
        from otel_errsample import _hot as hot
    with small_cgroup() as group:
        print(json.dumps(run(hot, kills, seed, group)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
