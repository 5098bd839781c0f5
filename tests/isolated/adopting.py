"""Four living processes adopt the files of 200 that died, all at once. Prints a JSON line."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from otel_errsample._hot import Ring
from otel_errsample.spool.directory import Directory
from tests.isolated.stepping import Process, numbers
from tests.spools import pieces

ADOPTERS, ORPHANS = 4, 200
SIZE = 4096 + 2 * 1024


def leave(directory: Directory, number: int) -> None:
    """What a process leaves that ended one error and was killed."""

    def fill(descriptor: int) -> None:
        ring = Ring(descriptor, SIZE, number + 1, 1, 1_700_000_000)
        ring.write(1, pieces(b"error %d." % number))
        ring.close()

    directory.create(SIZE, fill)


def adopt(process: Process, ready: int, begin: int) -> None:
    process.spool.open()
    os.write(ready, b"r")
    os.read(begin, 1)
    process.look()
    while process.buffer.spans_waiting:
        process.deliver()
        process.look()
    process.note("adopted", str(process.spool.count().adopted))
    process.end()


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (told, ready), (begin, go) = os.pipe(), os.pipe()
        pids = []
        for _ in range(ADOPTERS):
            pids.append(os.fork())
            if pids[-1] == 0:
                status = 1
                try:
                    adopt(Process(place, errors=ORPHANS), ready, begin)
                    status = 0
                finally:
                    os._exit(status)
        for _ in pids:
            os.read(told, 1)
        directory = Directory(str(place / "spool"))
        for number in range(ORPHANS):
            leave(directory, number)
        os.write(go, b"g" * ADOPTERS)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        arrived, adopted = numbers(place, "arrived"), numbers(place, "adopted")
        result = {
            "statuses": statuses,
            "arrived": len(arrived),
            "twice": sum(arrived.values()) - len(arrived),
            "adopted": sorted(int(count) for count in adopted.elements()),
            "left": len(list((place / "spool").iterdir())),
        }
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
