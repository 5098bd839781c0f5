"""Print the page faults of ten requests, each with a copy and an answer. Argument: what malloc is told, in bytes, or 0."""

from __future__ import annotations

import resource
import sys
import threading

from otel_errsample.export import _keep_freed_pages

SIZE = 1_800_000


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def send(requests: int) -> None:
    for _ in range(requests):
        request, copy, answer = b"r" * SIZE, b"c" * SIZE, b"a" * 100_000
        del request, copy, answer


def work() -> None:
    if int(sys.argv[1]):
        _keep_freed_pages(int(sys.argv[1]))
    send(10)
    before = faults()
    send(10)
    print(faults() - before)


# In a thread as the worker is: its memory comes from an arena of its own.
thread = threading.Thread(target=work)
thread.start()
thread.join()
