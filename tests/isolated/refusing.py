"""Let allocations fail while spans start, fail, end and are sent. Prints a JSON line for each kind of span.

Runs with the library of refusing.c preloaded (its path is the first argument, names of kinds are the others) and
PYTHONMALLOC=malloc, so that every allocation of Python's and of the extension's goes through it. A call is made again
and again: the first time without its first allocation, then without its second, until nothing is left to refuse; once
with that allocation alone refused, once with the nine that follow, and then with others at random.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch

from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor
from otel_errsample.export import Worker
from otel_errsample.ledger import Stats
from tests.isolated.kinds import KINDS, Hooks, Kind, processor_for

CALLS = ("on_start", "record_exception", "on_end", "send")
MOST = 2_000  # allocations of a call, by far
ONE, FEW, AT_RANDOM = 1, 10, -6  # one in six. CPython's own loop ends the process, or never, where nothing is left
SEEDS = 60


@dataclass
class Found:
    kind: str
    refused: Counter[str] = field(default_factory=Counter)
    escaped: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)
    swallowed: Counter[str] = field(default_factory=Counter)


class Refuser:
    """Calls with allocations that fail."""

    def __init__(self, library: str) -> None:
        self._call = ctypes.PyDLL(library).call_refusing
        self._call.restype = ctypes.py_object
        self._call.argtypes = [
            ctypes.py_object, ctypes.py_object, ctypes.c_long, ctypes.c_long, ctypes.POINTER(ctypes.c_long)
        ]  # fmt: skip
        self._count = ctypes.c_long()

    def __call__(self, function: Any, argument: Any, nth: int, how: int) -> tuple[BaseException | None, int]:
        """What came out of `function(argument)`, and how many allocations were refused in it."""
        try:
            self._call(function, argument, nth, how, self._count)
        except BaseException as error:
            return error, self._count.value
        return None, self._count.value


class Trial:
    """One kind of span, against one processor."""

    def __init__(self, kind: Kind, refuser: Refuser, found: Found) -> None:
        self.kind = kind
        self.refuser = refuser
        self.found = found
        self.processor = processor_for(kind)
        provider = TracerProvider(sampler=ErrorAwareSampler(kind.head), shutdown_on_exit=False)
        self.tracer = provider.get_tracer("refusing")
        self.processor.set_worker_alive(True)
        worker: Any = self.processor._worker
        self.drain = partial(worker._drain, errors_only=False)

    def run(self, call: str, nth: int, how: int) -> int:
        """Make a span of this kind with allocations of one of its calls refused; says how many were."""
        refused = 0

        def without(name: str, function: Any, argument: Any) -> None:
            nonlocal refused
            if name != call:
                function(argument)
                return
            error, count = self.refuser(function, argument, nth, how)
            refused += count
            # The worker's thread has a net for whatever comes, and CPython says SystemError where it loses a MemoryError.
            if error is not None and name != "send":
                self.found.escaped.append(f"{name} {nth} {how}: {type(error).__name__}: {error}")
            self.look(f"{name} {nth} {how}")

        processor: ErrorSpanProcessor = self.processor
        hooks = Hooks(
            start=lambda span: without("on_start", processor.on_start, span),
            end=lambda span: without("on_end", processor.on_end, span),
            record=lambda span, error: without("record_exception", span.record_exception, error),
        )
        self.kind.run(self.tracer, hooks)
        if self.kind.answers:
            without("send", self.drain, processor.buffer.newest)
        self.found.refused[call] += refused
        return refused

    def look(self, when: str) -> Stats:
        stats = self.processor.stats()
        if not stats.balanced or stats.deciding or stats.in_flight:
            self.found.wrong.append(f"{when}: {stats}")
        return stats

    def end(self) -> None:
        self.processor.shutdown(20_000 if self.kind.answers else 0)
        stats = self.look("at the end")
        if stats.buffered or stats.waiting:
            self.found.wrong.append(f"left at the end: {stats}")
        self.found.endings.update({name: count for name, count in stats.endings.items() if count})
        self.found.swallowed.update(stats.internal_errors)


def try_out(kind: Kind, refuser: Refuser) -> Found:
    found = Found(kind.name)
    for how in (ONE, FEW):
        trial = Trial(kind, refuser, found)
        for call in calls(kind, how):
            if not any(trial.run(call, nth, how) == 0 for nth in range(1, MOST)):
                found.wrong.append(f"{call}: something is refused {MOST} times")
        trial.end()
    trial = Trial(kind, refuser, found)
    for call in calls(kind, AT_RANDOM):
        for seed in range(1, SEEDS):
            trial.run(call, seed, AT_RANDOM)
    trial.end()
    return found


def calls(kind: Kind, how: int) -> list[str]:
    """Where Python code runs in a call, a second refusal would find CPython 3.11 in the middle of the first: without
    memory for a frame it clears the exception that is on its way out of that frame. And where the SDK records
    exceptions, it says what it likes.
    """
    left_out = set()
    if how != ONE:
        left_out = {"record_exception", "on_end"} if kind.runs_python else {"record_exception"}
    if not kind.arguments.get("fast_exceptions", True):
        left_out.add("record_exception")
    return [call for call in CALLS if call not in left_out]


def main() -> int:
    refuser = Refuser(sys.argv[1])
    # What is kept is sent where it is asked for, so that the allocations of sending are those of the caller.
    with patch.object(Worker, "start"):
        for kind in KINDS:
            if kind.name in sys.argv[2:] or not sys.argv[2:]:
                print(json.dumps(vars(try_out(kind, refuser))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
