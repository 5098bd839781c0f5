"""Programs whose threads are greenlets: the worker stops none of them, and SIGTERM comes while all of them wait."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from otel_errsample.testing.receiver import Receiver, TlsFiles
from otel_errsample.testing.replies import Reply
from tests.servers.harness import Program
from tests.servers.packages import require
from tests.tls_files import Authority

SLOW = Reply(delay=1.0)  # who does not wait for it ends before


@pytest.mark.scenario("H3")
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_greenlets_go_on_beside_the_worker_and_sigterm_flushes_where_all_are_idle(library: str) -> None:
    require((library,))
    with Receiver(then=SLOW) as receiver:
        variables = {
            "SIDE": "ours",
            "LINE": "",
            "OTEL_ERRSAMPLE_FLUSH_ON_SIGTERM": "true",
            "OTEL_ERRSAMPLE_FLUSH_ERRORS_MS": "60000",
        }
        command = (sys.executable, "tests/servers/apps/green.py", library, "8")
        with Program(command, variables | receiver.environ) as program:
            program.wait_for("^done$")
            assert [] == receiver.requests
            program.signal(signal.SIGTERM)
            assert -signal.SIGTERM == program.wait(), program.printed
        assert 8 == len(receiver.spans()), program.printed
        assert "Traceback" not in program.printed, "the flush waited for what it sent"


@pytest.mark.scenario("A6", "H3")
@pytest.mark.parametrize("patched", ["early", "late"])
def test_a_greenlet_that_keeps_the_cpu_or_gives_up_costs_no_span(patched: str) -> None:
    require(("gevent",))
    with Receiver(script=lambda payload: SLOW if b"slow" in payload else Reply()) as receiver:
        variables = {"SIDE": "ours", "LINE": ""}
        command = (sys.executable, "tests/servers/apps/greedy.py", patched)
        with Program(command, variables | receiver.environ) as program:
            assert 0 == program.wait(), program.printed
        assert [
            "kept the CPU",
            "gave up: True",
            "flushed: True, balanced: True",
            "flushed: True, exported: 3, noted: {'worker': 1}",
        ] == program.printed.splitlines()[-4:]
        names = Counter(one.span.name for one in receiver.spans())
        assert {"failing": 500 + (patched == "late"), "slow": 500} == names


@pytest.mark.scenario("H3")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("patched", ["early", "late"])
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_http_goes_on_whenever_sockets_are_patched(library: str, patched: str, secure: bool, tmp_path: Path) -> None:
    """Late is what zero code has under gunicorn's gevent workers: the launcher comes before their patches."""
    require((library,))
    authority = Authority(tmp_path)
    with Receiver("http", tls=TlsFiles(*authority.issue("server")) if secure else None) as receiver:
        variables = {"SIDE": "ours", "LINE": "", "OTEL_EXPORTER_OTLP_CERTIFICATE": authority.roots}
        command = (sys.executable, "tests/servers/apps/patched.py", library, patched)
        with Program(command, variables | receiver.environ) as program:
            assert 0 == program.wait(), program.printed
        assert "flushed: [True, True, True, True]" == program.printed.splitlines()[-1], program.printed
        assert [f"request {number}" for number in range(4)] == [one.span.name for one in receiver.spans()]
