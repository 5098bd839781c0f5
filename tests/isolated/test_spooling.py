"""Errors of processes that were killed reach the receiver by way of the spool, once, and say whose they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.store import Received
from tests.ports import refusing

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs files that outlive their process")


class Started:
    """spooling.py in a process of its own, with the spool in `path`."""

    def __init__(self, path: Path, endpoint: str, *arguments: str, **variables: str) -> None:
        environ = {
            **os.environ,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_ERRSAMPLE_SPOOL_DIR": str(path),
            "PYTHONPATH": str(ROOT),
            **variables,
        }
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "spooling.py"), *arguments],
            env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def says(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=10)[1]
        said: dict[str, Any] = json.loads(line)
        return said

    def ends(self) -> dict[str, Any]:
        out, err = self.process.communicate(timeout=60)
        assert 0 == self.process.returncode, err
        said: dict[str, Any] = json.loads(out.splitlines()[-1])
        assert said["balanced"], said
        return said

    def killed(self, how: int = signal.SIGKILL) -> None:
        self.process.send_signal(how)
        self.process.wait(timeout=30)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An endpoint where nobody listens."""
    with refusing() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver("http") as receiver:
        yield receiver


def url(receiver: Receiver) -> str:
    return f"http://127.0.0.1:{receiver.port}"


def version(received: Received) -> str:
    return next(pair.value.string_value for pair in received.resource.attributes if pair.key == "service.version")


def is_recovered(received: Received) -> bool:
    return any(pair.key == "errsample.recovered" and pair.value.bool_value for pair in received.span.attributes)


def arrived(receiver: Receiver) -> Counter[tuple[str, str, str, bool]]:
    return Counter((one.span.name, version(one), one.scope.version, is_recovered(one)) for one in receiver.spans())


def of(count: int, version: str) -> Counter[tuple[str, str, str, bool]]:
    return Counter((f"failing {number}", version, version, True) for number in range(count))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM], ids=lambda how: how.name)
def test_the_next_start_sends_the_errors_of_a_process_that_was_killed(
    path: Path, nowhere: str, receiver: Receiver, how: int
) -> None:
    dying = Started(path, nowhere, "die", "30", "1.0")
    assert 30 == dying.says()["spool"]["waiting"]
    dying.killed(how)
    (file,) = path.iterdir()
    assert b"q7hunter2X" not in file.read_bytes(), "secrets are taken out before the disk too"
    said = Started(path, url(receiver), "run", "0", "2.0", "30").ends()
    assert (0, 30, 30) == (said["ended"], said["recovered"], said["endings"]["delivered"])
    assert of(30, "1.0") == arrived(receiver)
    assert [] == list(path.iterdir())


@pytest.mark.scenario("E8")
@pytest.mark.parametrize(
    ("patience", "leaves_by"), [("2000", signal.SIGTERM), ("5000", signal.SIGKILL)], ids=["in time", "too late"]
)
def test_what_a_container_that_is_told_to_stop_cannot_send_is_sent_by_the_next_one(
    path: Path, nowhere: str, receiver: Receiver, patience: str, leaves_by: signal.Signals
) -> None:
    """SIGTERM, and SIGKILL three seconds later; nobody listens."""
    pod = Started(path, nowhere, "die", "30", "1.0", PATIENCE=patience, OTEL_ERRSAMPLE_FLUSH_ON_SIGTERM="true")
    pod.says()
    pod.process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        pod.process.wait(timeout=3)
    pod.killed()
    assert -leaves_by == pod.process.returncode
    assert 30 == Started(path, url(receiver), "run", "0", "2.0", "30").ends()["endings"]["delivered"]
    assert of(30, "1.0") == arrived(receiver)
    assert [] == list(path.iterdir())


def test_of_two_siblings_that_start_at_once_one_adopts(path: Path, nowhere: str, receiver: Receiver) -> None:
    dying = Started(path, nowhere, "die", "50", "1.0")
    dying.says()
    dying.killed()
    siblings = [Started(path, url(receiver), "run", "1", str(number), "50", SIBLING="1") for number in (2, 3)]
    assert receiver.wait_for(52)
    recovered = [sibling.ends()["recovered"] for sibling in siblings]
    assert [0, 50] == sorted(recovered)
    assert of(50, "1.0") + Counter([("failing 0", "2", "2", False), ("failing 0", "3", "3", False)]) == arrived(
        receiver
    )


@pytest.mark.scenario("F7")
def test_four_adopters_of_two_hundred_files_deliver_each_error_once() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "adopting.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr)
    result = json.loads(done.stdout)
    assert [0] * 4 == result["statuses"]
    assert (200, 0, 0) == (result["arrived"], result["twice"], result["left"])
    assert 200 == sum(result["adopted"])


@pytest.mark.scenario("G8")
def test_parent_and_forked_child_have_a_file_each(path: Path, nowhere: str, receiver: Receiver) -> None:
    parent = Started(path, nowhere, "fork", "5", "1.0")
    child = parent.says()
    assert (5, 5) == (child["ended"], child["spool"]["waiting"])
    assert 2 == len(list(path.iterdir()))
    parent.process.kill()
    parent.process.wait(timeout=30)
    # The child lives and has inherited whatever its parent had open: the parent's file is adopted all the same.
    said = Started(path, url(receiver), "run", "0", "2.0", "5").ends()
    assert 5 == said["recovered"]
    os.kill(child["pid"], signal.SIGKILL)
    parent.killed()
    assert 5 == Started(path, url(receiver), "run", "0", "3.0", "5").ends()["recovered"]
    assert of(5, "1.0") + of(5, "1.0") == arrived(receiver)


def test_a_shutdown_against_a_dead_endpoint_leaves_the_rest_to_the_next_process(
    path: Path, nowhere: str, receiver: Receiver
) -> None:
    said = Started(path, nowhere, "stop", "40", "1.0", PATIENCE="300").ends()
    assert (40, 40) == (said["ended"], said["endings"]["spooled"])
    said = Started(path, url(receiver), "run", "0", "2.0", "40").ends()
    assert (40, 40) == (said["recovered"], said["endings"]["delivered"])
    assert of(40, "1.0") == arrived(receiver)
    assert [] == list(path.iterdir())


@pytest.mark.scenario("F5")
def test_a_directory_that_cannot_be_used_costs_a_warning_and_nothing_else(tmp_path: Path, receiver: Receiver) -> None:
    path = tmp_path / "missing" / "spool"
    started = Started(path, url(receiver), "stop", "3", "1.0")
    out, err = started.process.communicate(timeout=60)
    said = json.loads(out)
    assert (3, "it cannot be made (No such file or directory)") == (
        said["endings"]["delivered"],
        said["spool"]["state"],
    )
    assert 1 == err.count("OTEL_ERRSAMPLE_SPOOL_DIR: ")
    assert str(path) not in err
