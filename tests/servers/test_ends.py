"""Ends that are not clean: killed in an export, told twice to end, with handlers of the server's own."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from otel_errsample._hot import Remains
from otel_errsample.spool import EVERY
from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply, unavailable
from tests.servers.harness import PATIENCE, Program, ask
from tests.servers.packages import require
from tests.servers.playing import Arrived, played
from tests.servers.table import ROWS
from tests.waiting import eventually

NEVER = Reply(delay=10 * PATIENCE)
OURS = {"SIDE": "ours", "LINE": ""}


def test_a_second_sigterm_does_not_wait_for_the_flush() -> None:
    with Receiver(then=NEVER) as receiver:
        variables = {
            "OTEL_ERRSAMPLE_FLUSH_ON_SIGTERM": "true",
            "OTEL_ERRSAMPLE_FLUSH_ERRORS_MS": "60000",
            "OTEL_ERRSAMPLE_SHUTDOWN_TIMEOUT_MS": "600000",
        }
        command = (sys.executable, "tests/servers/apps/plain.py", "8")
        with Program(command, OURS | variables | receiver.environ) as program:
            program.wait_for("^done$")
            assert [] == receiver.requests
            program.signal(signal.SIGTERM)
            assert receiver.wait_for_requests(1, PATIENCE), "it flushes"
            program.signal(signal.SIGTERM)
            assert -signal.SIGTERM == program.wait()


def test_a_worker_killed_in_an_export_is_followed_by_one_that_exports() -> None:
    require(("gunicorn",))
    with Receiver(script=[NEVER]) as receiver:
        options = ("--bind=127.0.0.1:0", "--workers=1", "--preload", "tests.servers.apps.wsgi:application")
        variables = {"OTEL_ERRSAMPLE_FLUSH_ERRORS_MS": "0"}
        with Program((sys.executable, "-m", "gunicorn", *options), OURS | variables | receiver.environ) as server:
            port = int(server.wait_for(r"127\.0\.0\.1:(\d+)"))
            ask(port, 0)
            assert receiver.wait_for_requests(1, PATIENCE), "the first request is held"
            os.kill(int(server.wait_for(r"Booting worker with pid: (\d+)")), signal.SIGKILL)
            server.wait_for("Booting worker with pid", 2)
            ask(port, 1)
            server.signal(signal.SIGTERM)
            assert 0 == server.wait(), server.printed
        numbers = [
            item.value.int_value for one in receiver.spans() for item in one.span.attributes if item.key == "number"
        ]
        assert [1] == numbers


def held_in(spool: Path) -> dict[Path, int]:
    """The finished files of a spool, each with the number of its errors."""
    return {file: len(list(Remains(file.read_bytes()))) for file in spool.glob("*.spool")}


@pytest.mark.scenario("G5")
@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
def test_the_errors_of_a_killed_worker_are_sent_by_a_sibling(kind: str, tmp_path: Path) -> None:
    require(("gunicorn", "gevent"))
    spool = tmp_path / "spool"
    away = threading.Event()
    away.set()
    with Receiver(script=lambda payload: unavailable() if away.is_set() else Reply()) as receiver:
        application = "tests.servers.apps.wsgi:application"
        options = ("--bind=127.0.0.1:0", "--workers=2", f"--worker-class={kind}", application)
        variables = {"OTEL_ERRSAMPLE_FLUSH_ERRORS_MS": "0", "OTEL_ERRSAMPLE_SPOOL_DIR": str(spool)}
        with Program((sys.executable, "-m", "gunicorn", *options), OURS | variables | receiver.environ) as server:
            port = int(server.wait_for(r"127\.0\.0\.1:(\d+)"))
            server.wait_for("Booting worker with pid", 2)
            for number in range(40):
                ask(port, number)
            assert eventually(lambda: sum(held_in(spool).values()) == 10), "every fourth request fails"
            left = held_in(spool)
            file = max(left, key=lambda file: left[file])
            os.kill(int(file.name.partition("-")[0]), signal.SIGKILL)
            killed = time.monotonic()
            away.clear()
            assert receiver.wait_for(10, PATIENCE)
            assert time.monotonic() - killed < EVERY
            # A worker that boots still has gunicorn's handlers, and would never hear of a SIGTERM.
            server.wait_for("^loaded$", 3)
            server.signal(signal.SIGTERM)
            server.wait()
        failed = Counter(
            ("errsample.recovered" in said, said["number"].int_value)
            for said in ({item.key: item.value for item in one.span.attributes} for one in receiver.spans())
            if "number" in said and said["number"].int_value % 4 == 0
        )
        assert {1} == set(failed.values())
        assert left[file] == sum(recovered for recovered, _ in failed)
        # What the killed worker was sending may have been taken all the same: it comes once more, and says so.
        assert set(range(0, 40, 4)) == {number for _, number in failed}
    assert [] == list((tmp_path / "spool").iterdir())


@pytest.mark.parametrize("row", ["gunicorn-sync", "gunicorn-preload", "uvicorn-int", "celery-prefork"])
def test_the_handler_does_no_harm_where_a_server_has_its_own(row: str) -> None:
    """gunicorn's workers have theirs before ours, its master with --preload and Celery after ours."""
    (one,) = [one for one in ROWS if one.id == row]
    require(one.distributions)
    assert Arrived(one.total, 0) == played(one._replace(line="sigterm"), "ours")
