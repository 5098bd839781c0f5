"""A receiver in a process of its own, as a user's collector is."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any


class ReceiverProcess:
    """`python -m otel_errsample.testing.receiver`; `.endpoint` while it runs, `.summary` after the with block."""

    def __init__(self, protocol: str, *arguments: str) -> None:
        self._command = [sys.executable, "-m", "otel_errsample.testing.receiver", "--protocol", protocol, *arguments]
        self.summary: dict[str, Any] = {}

    def __enter__(self) -> ReceiverProcess:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.endpoint = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        out, _ = self._process.communicate(timeout=60)
        if kind is None:
            self.summary = json.loads(out.splitlines()[-1])
