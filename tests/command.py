"""Running the command `otel-errsample` in this process."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from otel_errsample.cli import main


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


class Command:
    """`command("check", "rules.txt")`; `write` makes files in the directory of the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch

    def write(self, name: str, content: str | bytes) -> str:
        path = self._folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def __call__(self, *arguments: str, stdin: str | bytes = b"", terminal: bool = False) -> Done:
        make = Terminal if terminal else io.StringIO
        out, err = make(), make()
        with self._monkeypatch.context() as patch:
            data = stdin.encode() if isinstance(stdin, str) else stdin
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            patch.setenv("COLUMNS", "80")
            try:
                code = main(arguments)
            except SystemExit as end:  # how argparse ends
                code = end.code if isinstance(end.code, int) else 1
        return Done(code, out.getvalue(), err.getvalue())
