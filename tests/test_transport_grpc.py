"""gRPC alone: the channel's options and life, and what a fork does to it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply
from otel_errsample.transport import Answer, Outcome
from otel_errsample.transport import grpc as module
from otel_errsample.transport.grpc import GrpcTransport
from otel_errsample.transport.settings import OtlpSettings
from tests.otlp import request

_ONE = request("one")


@contextmanager
def exchange(*script: Reply) -> Iterator[tuple[GrpcTransport, Receiver]]:
    with Receiver("grpc", script) as receiver:
        transport = GrpcTransport(receiver.settings())
        yield transport, receiver
        transport.close()


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("CANCELLED", Outcome.RETRY),
        ("ABORTED", Outcome.RETRY),
        ("DATA_LOSS", Outcome.RETRY),
        ("OUT_OF_RANGE", Outcome.REFUSED),
        ("UNIMPLEMENTED", Outcome.FAILED),
        ("UNKNOWN", Outcome.FAILED),
    ],
)
def test_a_servers_code_comes_through(code: str, outcome: Outcome) -> None:
    with exchange(Reply(code)) as (transport, _):
        answer = transport.send(_ONE, 5.0)
    assert (outcome, code) == (answer.outcome, answer.cause)


def test_one_channel_serves_many_sends_and_survives_a_refusal() -> None:
    with exchange(Reply(), Reply("INVALID_ARGUMENT"), Reply("RESOURCE_EXHAUSTED", retry_after=1)) as (transport, _):
        channels = set()
        for _ in range(4):
            transport.send(_ONE, 5.0)
            channels.add(id(transport._channel))
        assert 1 == len(channels)


def test_a_wrapper_of_an_instrumentation_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    function = grpc.insecure_channel

    def inner(*arguments: object, **options: object) -> grpc.Channel:
        raise AssertionError("wrapped twice, it is passed by twice")

    def wrapper(*arguments: object, **options: object) -> grpc.Channel:
        raise AssertionError("the wrapper was called")

    monkeypatch.setattr(inner, "__wrapped__", function, raising=False)
    monkeypatch.setattr(wrapper, "__wrapped__", inner, raising=False)
    monkeypatch.setattr(grpc, "insecure_channel", wrapper)
    with exchange() as (transport, _):
        assert Outcome.ACCEPTED is transport.send(_ONE, 5.0).outcome


def test_a_channel_that_led_nowhere_is_dropped() -> None:
    with exchange(Reply(fault="black_hole")) as (transport, _):
        assert "DEADLINE_EXCEEDED" == transport.send(_ONE, 0.2).cause
        assert transport._channel is None


def test_a_fork_waits_for_core_though_an_abort_has_closed_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(module, "_settle", waits.append)
    with exchange(Reply()) as (transport, _):
        transport.close(7.0)
        assert [] == waits, "core was not begun"
        transport.send(_ONE, 5.0)
        transport.abort()
        transport.close(7.0)
        transport.close(7.0)
        assert [7.0] == waits


def test_of_two_threads_that_fork_at_once_each_waits_for_core(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[str] = []

    def settle(patience: float) -> None:
        waits.append("begun")
        if len(waits) == 1:
            another = threading.Thread(target=transport.close, args=(7.0,))
            another.start()
            another.join()
        waits.append("over")

    monkeypatch.setattr(module, "_settle", settle)
    with exchange(Reply()) as (transport, _):
        transport.send(_ONE, 5.0)
        transport.close(7.0)
        assert ["begun", "begun", "over", "over"] == waits
        transport.close(7.0)
        assert 4 == len(waits), "nothing was opened since"


@pytest.mark.parametrize(
    ("thread", "runs"),
    [
        ({"comm": "event_engine\n", "schedstat": "170000 9000 3\n"}, True),
        ({"comm": "python\n", "schedstat": "170000 9000 3\n"}, False),
        ({"comm": "python\n", "schedstat": "0 9000 0\n"}, True),
        ({"comm": "lifeguard\n"}, True),
        ({"comm": "python\n"}, False),
        ({}, True),
    ],
    ids=[
        "of core",
        "ours",
        "has not run yet",
        "of core, no statistics",
        "ours, no statistics",
        "ended while we looked",
    ],
)
def test_threads_of_core_are_known_by_name_and_before_they_have_one(
    thread: dict[str, str], runs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TASKS", str(tmp_path))
    (tmp_path / "4711").mkdir()
    for name, content in thread.items():
        (tmp_path / "4711" / name).write_text(content, encoding="ascii")
    assert runs == module._core_is_running()


def test_core_has_ended_when_two_looks_in_a_row_see_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [True, False, True, False, False]
    monkeypatch.setattr(module, "_core_is_running", lambda: looks.pop(0))
    module._settle(60.0)
    assert [] == looks


def test_a_compressed_answer_is_read() -> None:
    """Go servers answer a compressed request with a compressed response."""
    with Receiver("grpc", [Reply(rejected=2, message="x" * 1000)]) as receiver:
        handler = receiver._server._export

        def compressing(wire: bytes, context: grpc.ServicerContext) -> bytes:
            context.set_compression(grpc.Compression.Gzip)
            return bytes(handler(wire, context))

        receiver._server._export = compressing
        transport = GrpcTransport(receiver.settings(compression="gzip"))
        assert 2 == transport.send(_ONE, 5.0).rejected
        transport.close()


def test_a_peer_that_is_no_grpc_server_is_retried() -> None:
    with Receiver("http") as receiver:
        transport = GrpcTransport(OtlpSettings(endpoint=f"127.0.0.1:{receiver.port}"))
        answer = transport.send(_ONE, 5.0)
        transport.close()
    assert (Outcome.RETRY, "UNAVAILABLE", False) == (answer.outcome, answer.cause, answer.maybe_delivered)


def test_an_error_of_ours_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = GrpcTransport(OtlpSettings())

    def fail() -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(transport, "_open", fail)
    assert Answer(Outcome.FAILED, cause="internal", detail="MemoryError: no more") == transport.send(_ONE, 5.0)


_FORKING = """
import os, sys
from otel_errsample.transport import Outcome
from otel_errsample.transport.grpc import GrpcTransport
from otel_errsample.transport.settings import OtlpSettings
transport = GrpcTransport(OtlpSettings(endpoint=sys.argv[1]))
payload = bytes.fromhex(sys.argv[2])
def send():
    return transport.send(payload, 10.0).outcome is Outcome.ACCEPTED
assert send()
for _ in range(10):
    transport.close()
    child = os.fork()
    if child == 0:
        transport.forget()
        os._exit(0 if send() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert send()
print("done")
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux to see threads")
def test_closing_leaves_no_thread_of_grpc_core_behind() -> None:
    """A fork copies whatever lock such a thread holds; looked at in a process that has no receiver."""
    program = (
        "import os, sys; from otel_errsample.transport import grpc; "
        "from otel_errsample.transport.settings import OtlpSettings; "
        "transport = grpc.GrpcTransport(OtlpSettings(endpoint=sys.argv[1])); "
        "transport.send(b'', 10.0); before = grpc._core_is_running(); transport.close(); "
        "print(before, grpc._core_is_running())"
    )
    with Receiver("grpc") as receiver:
        command = (sys.executable, "-c", program, receiver.endpoint)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "True False\n" == done.stdout, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_parent_and_children_send_on_channels_of_their_own() -> None:
    """In a process of its own: the receiver's threads here would be forked with it."""
    with Receiver("grpc") as receiver:
        command = (sys.executable, "-c", _FORKING, receiver.endpoint, _ONE.hex())
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ("done\n", 0) == (done.stdout, done.returncode), done.stderr
        assert receiver.wait_for(21)


@pytest.mark.parametrize(
    ("reason", "answer"),
    [
        ("can't start new thread", (Outcome.RETRY, "no_threads")),
        # Of Python's threads alone: gRPC core has its own
        ("can't create new thread at interpreter shutdown", (Outcome.ACCEPTED, "")),
    ],
)
def test_no_channel_is_opened_where_the_system_has_no_thread_to_give(
    reason: str, answer: tuple[Outcome, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(function: object) -> int:
        raise RuntimeError(reason)

    monkeypatch.setattr("otel_errsample.transport.grpc.start_os_thread", refuse)
    with Receiver("grpc") as receiver:
        transport = GrpcTransport(receiver.settings())
        got = transport.send(request("one"), 5.0)
        assert answer == (got.outcome, got.cause)
        monkeypatch.undo()
        assert Outcome.ACCEPTED is transport.send(request("one"), 5.0).outcome
        transport.close()
