"""What is fuzzed, a module each: `check` takes a fuzzer's bytes and raises where a promise is broken.

`MOST` bounds the length of an input, `WORDS` are pieces that chance would take long to find. What a check asks is true for
every input, so that an input found once is a test for good.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

NAMES = ("encoder", "path", "rules", "config", "recovery", "response", "grpc_status", "stack", "scrub", "tracestate")
CORPUS = Path(__file__).parent.parent / "corpus"


class Target(Protocol):
    MOST: int
    WORDS: tuple[bytes, ...]

    def check(self, data: bytes) -> None: ...


def target(name: str) -> Target:
    return cast("Target", import_module(f"fuzz.targets.{name}"))
