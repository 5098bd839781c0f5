"""Do each thing again and again, and tell what is held after each round. Prints a JSON line for each thing.

Arguments: how often a round does it, and the names of things (default: all). What is told of a round: blocks of
Python's, bytes of malloc's, objects that the garbage collector knows, references to constants, threads, open files,
hooks of forks and of the end.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, Rules, _hot
from otel_errsample.cli.explanation import explain
from otel_errsample.cli.trial import Trial
from otel_errsample.cli.witness import Witness
from otel_errsample.rules.document import Document
from otel_errsample.scrub import ALSO
from otel_errsample.testing import CollectingTransport
from otel_errsample.transport import Answer, Outcome
from tests.isolated.kinds import KINDS, Hooks, Kind, deep, processor_for
from tests.spans import make_span

ROUNDS: Final = 8
CONSTANTS: Final = (None, True, False, ..., NotImplemented, (), "", b"", *range(257), *StatusCode, *SpanKind)
RULES: Final = """
health: drop if http.route in ("/healthz", "/readyz")
storm:  keep 5 per second by fingerprint if error and kind in transient
slow:   keep 10% if duration > 2.0 or message contains "slow"
"""
TEXT: Final = "card token=q7hunter2X refused for anna@example.com, é"

Do = Callable[[], object]


class MallInfo(ctypes.Structure):
    """What glibc tells of its malloc since 2.33."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
if mallinfo is not None:
    mallinfo.restype = MallInfo
fork_hooks = 0


@contextmanager
def hooks_counted() -> Iterator[None]:
    register = os.register_at_fork

    def count(**hooks: Any) -> None:
        global fork_hooks
        fork_hooks += 1
        register(**hooks)

    with patch.object(os, "register_at_fork", count):
        yield


def held() -> dict[str, int]:
    for _ in range(3):
        gc.collect()
    info = mallinfo() if mallinfo is not None else None
    references = getattr(sys, "gettotalrefcount", None)  # of a debug build
    return {
        "blocks": sys.getallocatedblocks(),
        "bytes": info.uordblks + info.hblkhd if info is not None else 0,
        "objects": len(gc.get_objects()),
        "references": references() if references else sum(map(sys.getrefcount, CONSTANTS)),
        "threads": _entries("/proc/self/task"),
        "files": _entries("/proc/self/fd"),
        "hooks": fork_hooks + atexit._ncallbacks(),
    }


def _entries(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


# -- things: each gets ready, and answers what is done again and again, and what ends a round


def nothing() -> None:
    pass


def spans(kind: Kind) -> tuple[Do, Do]:
    processor = processor_for(kind)
    provider = TracerProvider(sampler=ErrorAwareSampler(kind.head), shutdown_on_exit=False)
    tracer = provider.get_tracer("leaking")
    hooks = Hooks(processor.on_start, processor.on_end)
    return lambda: kind.run(tracer, hooks), partial(processor.force_flush, 20_000 if kind.answers else 0)


def raised() -> BaseException:
    try:
        deep(20, lambda: ValueError(TEXT))
    except ValueError as error:
        return error
    raise AssertionError


def classify() -> tuple[Do, Do]:
    classifier = _hot.Classifier()
    return lambda: classifier.facts(raised()).fingerprint, nothing


def encode() -> tuple[Do, Do]:
    span = make_span("failed", attributes={"a": 1, "b": [TEXT, 2.5], "c": {"d": b"e"}})
    return lambda: (_hot.encode_counted(span, "ot=th:8"), _hot.encode_request([span, span])), nothing


def scrub() -> tuple[Do, Do]:
    return lambda: (_hot.scrub_text(TEXT, ALSO), _hot.scrub_stack(f"Traceback:\n  File\nE: {TEXT}")), nothing


def explanation() -> tuple[Do, Do]:
    trial = Trial(Document("file", Rules.parse(RULES)))
    witness = Witness(trial.rules)
    span = make_span("failed", attributes={"http.response.status_code": 503})
    return lambda: explain(span, trial, witness).as_dict(), nothing


def reload() -> tuple[Do, Do]:
    processor = ErrorSpanProcessor(transport=CollectingTransport())
    numbers = iter(range(1 << 60))

    def exchange() -> None:
        number = next(numbers) % 50
        rules = Rules.parse(f"{RULES}a{number}: keep {number + 1} per hour by name if exception is shop.E{number % 5}")
        processor._take_over(Document("file", rules), Document("file"))
        processor.on_end(make_span("healthy"))

    return exchange, nothing


def life() -> tuple[Do, Do]:
    span = make_span("failed")

    def live() -> None:
        processor = ErrorSpanProcessor("keep", transport=CollectingTransport())
        processor.on_end(span)
        assert processor.shutdown(20_000)

    return live, nothing


def life_otlp(protocol: str) -> tuple[Do, Do]:
    os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    span = make_span("failed")

    def live() -> None:
        processor = ErrorSpanProcessor("keep")
        processor.on_end(span)
        processor.shutdown(0)
        assert processor.stats().balanced

    return live, nothing


def spool() -> tuple[Do, Do]:
    """What one process leaves there another one sends."""
    folder = tempfile.mkdtemp()
    span = make_span("failed", status=Status(StatusCode.ERROR, TEXT))

    def die_and_recover() -> None:
        refusing = CollectingTransport(then=Answer(Outcome.RETRY, cause="refused"))
        first = ErrorSpanProcessor("keep", transport=refusing, spool_dir=folder, spool_bytes=1 << 16)
        first.on_end(span)
        first.shutdown(0)
        second = ErrorSpanProcessor("keep", transport=CollectingTransport(), spool_dir=folder, spool_bytes=1 << 16)
        deadline = time.monotonic() + 20
        while not second.stats().recovered and time.monotonic() < deadline:
            time.sleep(0.001)
        assert second.shutdown(20_000)
        assert second.stats().recovered == 1

    return die_and_recover, nothing


def leak(what: str) -> tuple[Do, Do]:
    """What a test plants, to see that it would be found."""
    kept: list[object] = []
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    return {
        "blocks": lambda: kept.append(object()),
        "bytes": lambda: library.malloc(32),
        "objects": lambda: kept.append([]),
        "references": lambda: kept.append(7),
        "files": lambda: os.dup(0),
        "hooks": lambda: os.register_at_fork(before=nothing),
    }[what], nothing


PLANTED: Final = ("blocks", "bytes", "objects", "references", "files", "hooks")
THINGS: Final[dict[str, Callable[[], tuple[Do, Do]]]] = {
    # Of classes 2,048 are remembered, more than are met here.
    **{kind.name: partial(spans, kind) for kind in KINDS if kind.name != "class"},
    "classify": classify,
    "encode": encode,
    "scrub": scrub,
    "explain": explanation,
    "reload": reload,
    "life": life,
    "life_grpc": partial(life_otlp, "grpc"),
    "life_http": partial(life_otlp, "http/protobuf"),
    "spool": spool,
}


def main() -> int:
    logging.disable()
    times, names = int(sys.argv[1]), sys.argv[2:] or list(THINGS)
    with hooks_counted():
        for name in names:
            do, end = leak(name.removeprefix("a leak of ")) if name.startswith("a leak") else THINGS[name]()
            told = []
            for _ in range(ROUNDS):
                for _ in range(times):
                    do()
                end()
                told.append(held())
            print(json.dumps({"name": name, "rounds": told}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
