"""Memory, threads and the end of the interpreter, in fresh interpreters."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply
from tests.isolated.test_isolated import run

LONG = os.environ.get("ERRSAMPLE_LONG") == "1"
MIB = 1 << 20

needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")


@pytest.mark.scenario("C1")
@needs_proc
def test_two_thousand_spans_of_a_megabyte_take_what_was_configured() -> None:
    """Nobody listens at the endpoint; what is kept of them waits, the others make room and are counted."""
    room = {"OTEL_ERRSAMPLE_MAX_BUFFER_BYTES": str(64 * MIB)}
    arguments = ("weighing.py", "spans", "2000", "1000000")
    done = run(*arguments, endpoint="http://127.0.0.1:1", protocol="http/protobuf", **room)
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert (2_001, True) == (told["ended"], told["balanced"])
    assert 2_001 == told["waiting"] + told["dropped"]
    assert told["waiting"] > 50
    assert told["grown"] < 1.1 * told["capacity"]


@pytest.mark.scenario("C3")
@pytest.mark.timeout(900 if LONG else 120)
@needs_proc
def test_millions_of_spans_leave_no_memory_behind() -> None:
    count = 10_000_000 if LONG else 500_000
    done = run("weighing.py", "steady", str(count), endpoint="http://127.0.0.1:1", protocol="http/protobuf")
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert (count, True, count // 100) == (told["ended"], told["balanced"], told["errors"])
    assert told["grown"] < MIB


@contextmanager
def many_headers() -> Iterator[str]:
    """A server that answers with a million headers; yields its endpoint."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(100_000)
                    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"a-header: of no use\r\n" * 1_000_000 + b"\r\n")
                except OSError:
                    pass  # the client has had enough

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.scenario("C6")
@needs_proc
@pytest.mark.parametrize("what", ["bomb", "endless", "headers"])
def test_a_response_without_bounds_takes_no_memory(what: str) -> None:
    if what == "headers":
        with many_headers() as endpoint:
            done = run("weighing.py", "requests", "3", endpoint=endpoint, protocol="http/protobuf")
    else:
        with Receiver("http", then=Reply(fault=what)) as receiver:
            endpoint = receiver.url.removesuffix("/v1/traces")
            done = run("weighing.py", "requests", "3", endpoint=endpoint, protocol="http/protobuf")
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert 4 == told["failed"]
    assert told["grown"] < 8 * MIB


@pytest.mark.scenario("A5")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may become nobody")
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_where_no_thread_can_start_spans_wait_for_who_flushes(protocol: str) -> None:
    """gRPC has no way to send without threads, and would abort() the process: there they go on waiting."""
    sent = protocol == "http"
    with Receiver(protocol) as receiver:
        endpoint = receiver.url.removesuffix("/v1/traces")
        # Where nothing can be sent the time is used up.
        patience, wire = ("10000", "http/protobuf") if sent else ("1000", "grpc")
        done = run("starving.py", patience, endpoint=endpoint, protocol=wire)
        arrived = len(receiver.spans())
    assert 0 == done.returncode, done.stderr
    assert {
        "state": "failed: no thread could be started",
        "waiting": 100,
        "flushed": sent,
        "delivered": 100 * sent,
        "swallowed": ["worker"],
        "shut_down": sent,
    } == json.loads(done.stdout)
    assert 100 * sent == arrived
    assert sent or "no_threads" in done.stderr


@pytest.mark.timeout(900 if LONG else 120)
@pytest.mark.scenario("E7")
@pytest.mark.parametrize(
    "way", ["atexit", "atexit after shutdown", "finalisers", "daemon threads", "a thread that ends last"]
)
def test_spans_that_end_while_the_interpreter_goes_down_harm_nobody(way: str) -> None:
    for _ in range(100 if LONG else 1):
        with Receiver("http") as receiver:
            endpoint = receiver.url.removesuffix("/v1/traces")
            done = run("finalising.py", way, endpoint=endpoint, protocol="http/protobuf")
            arrived = len(receiver.spans())
        assert (0, "") == (done.returncode, done.stderr), way
        assert arrived >= {"atexit": 2, "a thread that ends last": 201}.get(way, 1)
        assert sys.platform != "win32" or done.stdout == ""
