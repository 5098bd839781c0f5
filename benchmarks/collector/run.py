"""One run of one side: an application, and a Collector behind it, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.collector.application import peak_bytes_of
from benchmarks.collector.policies import FEATURE_GATE, tail_sampling
from otel_errsample.testing.relay import Relay
from otel_errsample.testing.store import unpack
from tests.collector.peers import Collector

TAIL_PIPELINES: Final[dict[str, Any]] = {
    "traces": {"receivers": ["otlp"], "processors": ["tail_sampling"], "exporters": ["file/spans"]}
}


@dataclass
class Run:
    """What one side cost: CPU in seconds, the most memory, the bytes between the two processes; and what was kept."""

    application: dict[str, Any]
    collector_cpu_s: float = 0.0
    collector_peak_bytes: int = 0
    wire_bytes: int = 0
    kept: Counter[int] = field(default_factory=Counter)
    """Spans by trace id."""


def collector_of(side: str, folder: Path) -> Collector:
    """A Collector that writes what arrives, and for stock samples before that."""
    if side == "ours":
        return Collector(folder)
    return Collector(folder, {"processors": {"tail_sampling": tail_sampling()}}, TAIL_PIPELINES, (FEATURE_GATE,))


def run(side: str, traces: int, per_second: float) -> Run:
    """Raises CalledProcessError where the application fails, AssertionError where the Collector does not start."""
    if side == "noop":
        return Run(_application(side, traces, per_second, 0))
    with ExitStack() as stack:
        collector = collector_of(side, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.enter_context(collector.running())
        assert collector.process is not None
        relay = Relay(collector.ports["grpc"])
        stack.callback(relay.close)
        process = psutil.Process(collector.process.pid)
        started = _cpu_of(process)
        report = _application(side, traces, per_second, relay.port)
        peak = peak_bytes_of(process.pid)
        waited = _waited_for()
        # What waits for its 30 seconds is decided now.
        collector.terminate()
        return Run(
            report,
            _waited_for() - waited - started,
            peak,
            relay.sent_bytes,
            Counter(
                int.from_bytes(received.span.trace_id, "big")
                for payload in collector.payloads()
                for received in unpack(payload)
            ),
        )


def _application(side: str, traces: int, per_second: float, port: int) -> dict[str, Any]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "benchmarks.collector.application", side, str(traces), str(per_second)]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True, text=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _waited_for() -> float:
    """The CPU time of all child processes that have ended, by the kernel's account."""
    times = os.times()
    return times.children_user + times.children_system
