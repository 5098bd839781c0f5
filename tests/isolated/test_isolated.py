"""Forks and interpreter exits, in fresh interpreters against a receiver in another process."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.receivers import ReceiverProcess

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def run(
    script: str, *arguments: str, endpoint: str, protocol: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    environ = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "PYTHONPATH": str(ROOT),
        **variables,
    }
    command = [sys.executable, str(HERE / script), *arguments]
    return subprocess.run(
        command,
        env=environ,
        capture_output=True,
        text=True,
        timeout=600 if os.environ.get("ERRSAMPLE_LONG") else 90,
        check=False,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_parent_and_forked_child_go_on_watching_the_configuration_file(tmp_path: Path) -> None:
    done = run("reloading.py", str(tmp_path / "errsample.yaml"), endpoint="", protocol="grpc")
    assert 0 == done.returncode, done.stderr
    assert {"child": 0, "parent": True, "stopped": True} == json.loads(done.stdout)
    assert "" == done.stderr


@pytest.mark.scenario("E5")
@pytest.mark.parametrize(
    ("way", "code"), [("return", 0), ("exit", 3), ("uncaught", 1), ("interrupt", -2), ("atexit", 0), ("sigterm", -15)]
)
def test_a_normal_exit_delivers_what_is_queued(way: str, code: int) -> None:
    with ReceiverProcess("grpc") as receiver:
        done = run("ending.py", way, endpoint=receiver.endpoint, protocol="grpc")
    assert code == done.returncode, done.stderr
    assert 100 == receiver.summary["distinct_span_ids"]
    assert "Traceback" not in done.stderr or way in ("uncaught", "interrupt")


@pytest.mark.scenario("E6")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("how", ["fork", "spawn"])
@pytest.mark.parametrize("what", ["processes", "pool"])
def test_children_of_multiprocessing_send_what_is_queued(what: str, how: str) -> None:
    with ReceiverProcess("http") as receiver:
        done = run("pooling.py", what, how, endpoint=receiver.endpoint, protocol="http/protobuf")
    assert (0, "") == (done.returncode, done.stderr)
    assert 100 == receiver.summary["distinct_span_ids"]


@pytest.mark.scenario("G7")
@pytest.mark.skipif(find_spec("_testcapi") is None, reason="this Python comes without its tests")
@pytest.mark.parametrize(
    ("first", "printed"),
    [
        ("main", ["worker running", "refused", "ended with 0", "sent 4", "main True True"]),
        ("subinterpreter", ["worker running", "sent 3", "ended with 0"]),
    ],
)
def test_one_interpreter_has_the_package_and_none_ends_the_process(first: str, printed: list[str]) -> None:
    """Another one is refused; a subinterpreter that has it sends what waits, and ends without its worker."""
    done = run("interpreting.py", first, endpoint="", protocol="grpc")
    assert (0, "") == (done.returncode, done.stderr)
    assert printed == [line.partition(":")[0] for line in done.stdout.splitlines()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other mallocs have other rules")
def test_the_memory_of_a_request_is_there_for_the_next_one() -> None:
    tuned = {name: "" for name in os.environ if name.startswith("MALLOC_")}
    faults = {
        size: int(run("requesting.py", str(size), endpoint="", protocol="", **tuned).stdout) for size in (0, 4 << 20)
    }
    assert faults[0] > 5000, "what it is for: 1,800,000 bytes are 440 pages, and there are two of them ten times"
    assert 100 > faults[4 << 20]
