"""The application under the soak: `python -m chaos.soak.service DIRECTORY NAME SEED [THREADS]`.

It works until SIGTERM, forks now and then, and looks at its books every second: what it saw is a line of JSON in its
file `said-PROCESS`, the last of which says `final` after an orderly end. The file `mood` in DIRECTORY says `calm` when
there is to be little work. With 0 threads it does nothing but adopt what others have left.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from chaos.soak.books import THREADS, Book
from chaos.soak.said import Said
from chaos.soak.traffic import Ids, Producer, produce
from otel_errsample import ErrorSpanProcessor
from otel_errsample.ledger import Stats

FORK_EVERY = (5.0, 25.0)
CHILD_LIVES = 45.0
STOP_WITHIN_MS = 3000
MOST_FAULTS = 20


class Auditor:
    """Looks at a process's books and writes down what it finds, faults apart."""

    def __init__(self, directory: Path, name: str, processor: ErrorSpanProcessor, book: Book) -> None:
        self._directory = directory
        self._name = name
        self._processor = processor
        self._book = book
        self._before: Mapping[str, int] = {}
        self.faults: list[str] = []

    def look(self, *, final: bool = False) -> None:
        before = self._book.total
        stats = self._processor.stats()
        after = self._book.total
        for fault in self._faults_of(stats, before, after, final):
            self.add(fault)
        myself = psutil.Process()
        line: dict[str, Any] = {
            "name": self._name,
            "pid": os.getpid(),
            "final": final,
            "at": time.monotonic(),
            "ended_here": before,
            "rss": myself.memory_info().rss,
            "threads": myself.num_threads(),
            "files": myself.num_fds(),
            "faults": self.faults,
            **stats.as_dict(),
        }
        del line["rules"]
        Said(self._book.process, line).write(self._directory)

    def add(self, fault: str) -> None:
        if fault not in self.faults and len(self.faults) < MOST_FAULTS:
            self.faults.append(fault)

    def _faults_of(self, stats: Stats, before: int, after: int, final: bool) -> list[str]:
        faults = []
        if not stats.balanced:
            faults.append(f"the books do not balance: {stats}")
        # A span may be past the processor and not yet in our own book, one on each thread.
        if not before <= stats.ended <= after + (0 if final else THREADS):
            faults.append(f"{before} to {after} spans have ended, {stats.ended} were counted")
        counters = {**stats.endings, "ended": stats.ended, "recovered": stats.recovered, "requests": stats.requests}
        fallen = [name for name, count in counters.items() if count < self._before.get(name, 0)]
        if fallen:
            faults.append(f"{', '.join(fallen)} went back")
        # An exception that cannot be printed is one in recording it, and nobody's fault but its own.
        internal = {where: count for where, count in stats.internal_errors.items() if where != "record_exception"}
        if internal:
            faults.append(f"internal errors: {internal}")
        if stats.buffer_bytes > stats.capacity_bytes:
            faults.append(f"{stats.buffer_bytes} bytes in a buffer of {stats.capacity_bytes}")
        self._before = counters
        return faults


class Service:
    """One processor, its producers, and the children that it forks."""

    def __init__(self, directory: Path, name: str, seed: int, threads: int) -> None:
        self._directory = directory
        self._name = name
        self._chance = random.Random(f"{name} {seed}")
        self._over = threading.Event()
        self._ids = Ids()
        self._book = Book.claim(directory)
        self._processor = ErrorSpanProcessor()
        provider = TracerProvider(
            resource=Resource.create({"service.name": name}), id_generator=self._ids, shutdown_on_exit=False
        )
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("soak")
        self._auditor = Auditor(directory, name, self._processor, self._book)
        self._threads = [self._producer(number) for number in range(threads)]
        self._children: dict[int, float] = {}

    def _producer(self, number: int) -> threading.Thread:
        chance = random.Random(self._chance.random())
        producer = Producer(self._tracer, self._ids, self._book, number, chance)
        return threading.Thread(target=produce, args=(producer, chance, self._over, self._is_calm), daemon=True)

    def _is_calm(self) -> bool:
        return (self._directory / "mood").read_text() == "calm"

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self._over.set())
        for thread in self._threads:
            thread.start()
        fork_at = time.monotonic() + self._chance.uniform(*FORK_EVERY)
        while not self._over.wait(1.0):
            self._auditor.look()
            self._reap()
            if self._threads and not self._is_calm() and time.monotonic() > fork_at:
                fork_at = time.monotonic() + self._chance.uniform(*FORK_EVERY)
                self._fork()
        for thread in self._threads:
            thread.join()
        self._processor.shutdown(STOP_WITHIN_MS)
        self._reap(wait=True)
        self._auditor.look(final=True)

    def _fork(self) -> None:
        seed, way = self._chance.random(), self._chance.choice(("exit", "kill", "shutdown"))
        pid = os.fork()
        if pid:
            self._children[pid] = time.monotonic() + CHILD_LIVES
            return
        try:
            self._be_a_child(random.Random(seed), way)
        finally:
            os._exit(1)

    def _be_a_child(self, chance: random.Random, way: str) -> None:
        """Some errors, and an end of one of the kinds that children have."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._book = Book.claim(self._directory)
        auditor = Auditor(self._directory, self._name, self._processor, self._book)
        producer = Producer(self._tracer, self._ids, self._book, 0, chance)
        for _ in range(chance.randint(1, 40)):
            producer.work(calm=False)
            time.sleep(chance.uniform(0.0, 0.05))
        spool = self._processor.stats().spool
        if way == "shutdown" or spool is None or spool.state != "ok":  # without a file nothing survives the others
            way = "shutdown"
            self._processor.shutdown(STOP_WITHIN_MS)
        auditor.look(final=way == "shutdown")
        if way == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)

    def _reap(self, *, wait: bool = False) -> None:
        for pid, until in list(self._children.items()):
            while True:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    if os.waitstatus_to_exitcode(status) not in (0, -signal.SIGKILL):
                        self._auditor.add(f"a child ended with {os.waitstatus_to_exitcode(status)}")
                    break
                if time.monotonic() > until:
                    self._auditor.add("a child hangs")
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    break
                if not wait:
                    break
                time.sleep(0.05)
            if ended or time.monotonic() > until:
                del self._children[pid]


def main() -> None:
    directory, name, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    threads = int(sys.argv[4]) if len(sys.argv) > 4 else 4
    logging.disable(logging.CRITICAL)  # what the SDK says to hostile values
    if limit := os.environ.get("SOAK_LARGEST_FILE"):  # as a full volume: no file for the spool
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    with contextlib.suppress(KeyboardInterrupt):
        Service(directory, name, seed, threads).run()


if __name__ == "__main__":
    main()
