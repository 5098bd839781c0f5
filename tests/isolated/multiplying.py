"""Make processes in one of several odd ways while spans are being exported. Prints a JSON line.

Arguments: the way, and a file to which the id of every span is written that has ended.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorSpanProcessor
from tests.isolated.telling import PATIENCE, end_a_span, live_and_die

WAY = sys.argv[1]
TRUE = "/bin/true"
ENDED = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND)

provider = TracerProvider(shutdown_on_exit=False)
# Spans that are still waiting when the process forks are the parent's.
processor = ErrorSpanProcessor("keep", flush_errors_ms=60_000 if WAY == "pending" else 1)
provider.add_span_processor(processor)
tracer = provider.get_tracer("multiplying")
statuses: Counter[int] = Counter()


def work(spans: int = 5) -> None:
    for _ in range(spans):
        end_a_span(tracer, "parent", ENDED)


def fork(in_child: Callable[[], None] = lambda: None) -> int:
    pid = os.fork()
    if pid == 0:
        in_child()
        live_and_die(processor, tracer, ENDED)
    return pid


def wait_for(pid: int) -> None:
    statuses[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])] += 1


def pending() -> None:
    work()
    assert processor.stats().buffered == 5
    wait_for(fork())


def of_threads() -> None:
    """Each thread works, flushes and forks, so that a child finds what another one's held just then."""

    def multiply() -> None:
        for _ in range(4):
            work()
            processor.force_flush(1)
            wait_for(fork())

    threads = [threading.Thread(target=multiply) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def double() -> None:
    """As daemons are made: the one in the middle ends at once."""

    def detach() -> None:
        end_a_span(tracer, "middle", ENDED)
        if pid := os.fork():
            os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if processor.force_flush() else 6)

    for _ in range(4):
        work()
        wait_for(fork(detach))


def in_a_handler() -> None:
    """The child goes on with what the handler has interrupted, a span's end or a flush."""
    parent = os.getpid()
    children: list[int] = []
    handling = False

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal handling
        # A fork inside the hooks of another one waits for ever for a lock of concurrent.futures.
        if handling or len(children) == 12 or os.getpid() != parent:
            return
        handling = True
        children.append(os.fork())
        handling = False

    signal.signal(signal.SIGPROF, handle)
    signal.setitimer(signal.ITIMER_PROF, 0.004, 0.004)
    while os.getpid() == parent and len(children) < 12:
        work(1)
        processor.force_flush(1)
    signal.setitimer(signal.ITIMER_PROF, 0)
    if os.getpid() != parent:
        signal.alarm(PATIENCE)
        end_a_span(tracer, "child", ENDED)
        delivered = processor.shutdown(10_000)
        os._exit(0 if delivered and processor.stats().balanced else 7)
    for pid in children:
        wait_for(pid)


def commands() -> None:
    """None of these runs a hook, but for the ones with a preexec_fn."""
    for number in range(1000):
        if number % 100 == 0:
            work()
        if number % 20 == 0:
            statuses[subprocess.run([TRUE], preexec_fn=lambda: None, check=False).returncode] += 1
        elif number % 2:
            statuses[subprocess.run([TRUE], close_fds=False, check=False).returncode] += 1
        else:
            wait_for(os.posix_spawn(TRUE, [TRUE], {}))


def held() -> tuple[int, int]:
    """Threads and descriptors of this process, those of grpcio included."""
    return len(list(Path("/proc/self/task").iterdir())), len(list(Path("/proc/self/fd").iterdir()))


def main() -> int:
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(6 * PATIENCE)
    work()
    assert processor.force_flush() or WAY == "pending"
    before = held()
    {"pending": pending, "threads": of_threads, "double": double, "handler": in_a_handler, "commands": commands}[WAY]()
    work()
    flushed = processor.force_flush()
    after = held()
    delivered = processor.shutdown(10_000)
    result = {
        "statuses": statuses,
        "delivered": flushed and delivered,
        "balanced": processor.stats().balanced,
        "threads": after[0] - before[0],
        "descriptors": after[1] - before[1],
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
