"""Starting a program as a user does, and what came of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import otel_errsample
from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.store import Request

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BIN = Path(sys.executable).parent
ENDS_IN = 90.0


@dataclass
class Run:
    """What a program printed, said on stderr and sent."""

    code: int
    out: str
    err: list[str]
    spans: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The attributes of each span by its name."""
    arrived: list[str] = field(default_factory=list)
    """The names in order of arrival."""
    requests: list[Request] = field(default_factory=list)

    @property
    def told(self) -> dict[str, Any]:
        """What app.py printed."""
        (line,) = (line for line in self.out.splitlines() if line.startswith('{"provider"'))
        told: dict[str, Any] = json.loads(line)
        return told

    @property
    def processors(self) -> list[str]:
        found: list[str] = self.told["processors"]
        return found


def launch(
    *command: str, protocol: str = "grpc", before: Sequence[Path] = (), folder: Path = HERE, **variables: str
) -> Run:
    """`opentelemetry-instrument python app.py`, or another command, with the variables of the receiver and of the test.

    `before` are directories of packages found before those of the environment.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTHON"))}
    path = os.pathsep.join(map(str, before))
    environ |= {"PATH": f"{BIN}{os.pathsep}{environ['PATH']}", **({"PYTHONPATH": path} if path else {})}
    with Receiver(protocol) as receiver:
        variables = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", **receiver.environ, **variables}
        done = subprocess.run(
            command or ("opentelemetry-instrument", "python", str(HERE / "app.py")),
            env={**environ, **{name: value for name, value in variables.items() if value}},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=ENDS_IN,
            check=False,
        )
        received, requests = receiver.spans(), receiver.requests
    run = Run(done.returncode, done.stdout, [line for line in done.stderr.splitlines() if line], requests=requests)
    for one in received:
        run.arrived.append(one.span.name)
        run.spans[one.span.name] = {each.key: _value(each.value) for each in one.span.attributes}
    return run


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


def without_extension(directory: Path) -> None:
    """A copy of the package as where an operator mounts what was built for another Python."""
    copy = directory / "otel_errsample"
    shutil.copytree(Path(otel_errsample.__file__).parent, copy, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    # What is missing in the copy an editable installation would find beside its sources.
    absent = "raise ModuleNotFoundError(\"No module named 'otel_errsample._hot'\")\n"
    (copy / "_hot.py").write_text(absent, encoding="utf-8")
