"""HTTP alone: statuses and bodies that only HTTP has, framing, connection reuse, forks."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

from otel_errsample.testing.receiver import Receiver, TlsFiles
from otel_errsample.testing.replies import Reply
from otel_errsample.transport import Answer, Outcome
from otel_errsample.transport.http import HttpTransport
from otel_errsample.transport.settings import OtlpSettings
from tests.otlp import request
from tests.tls_files import Authority

_ONE = request("one")


@contextmanager
def exchange(*script: Reply) -> Iterator[tuple[HttpTransport, Receiver]]:
    with Receiver("http", script) as receiver:
        transport = HttpTransport(receiver.settings())
        yield transport, receiver
        transport.close()


@contextmanager
def raw_server(*answers: bytes, hold: bool = False) -> Iterator[HttpTransport]:
    """Answer connections in turn with these bytes, after reading a request: closing with some of it unread would reset."""
    done = threading.Event()

    def serve() -> None:
        for answer in answers:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                received = b""
                while not received.endswith(_ONE):
                    received += connection.recv(1000)
                connection.sendall(answer)
                if hold:
                    done.wait(10.0)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        transport = HttpTransport(
            OtlpSettings("http/protobuf", f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces")
        )
        yield transport
        done.set()
        transport.close()


@pytest.mark.scenario("D2")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(status: int) -> None:
    with Receiver("http") as other, exchange(Reply(status, headers={"location": other.url})) as (transport, _):
        answer = transport.send(_ONE, 5.0)
        assert (Outcome.FAILED, str(status)) == (answer.outcome, answer.cause)
        assert [] == other.requests


@pytest.mark.scenario("D3")
@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        pytest.param(1, 1.0, id="1"),
        pytest.param(30, 30.0, id="30"),
        pytest.param(10**9, 300.0, id="10^9"),
        pytest.param("soon", None, id="garbage"),
        pytest.param(formatdate(1_800_000_030, usegmt=True), 30.0, id="date"),
    ],
)
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retry_after_is_honoured_within_bounds(status: int, retry_after: float | str, wait: float | None) -> None:
    date = {"date": formatdate(1_800_000_000, usegmt=True)}
    with exchange(Reply(status, retry_after=retry_after, headers=date)) as (transport, _):
        assert Answer(Outcome.RETRY, retry_after=wait, cause=str(status)) == transport.send(_ONE, 5.0)


@pytest.mark.scenario("D5")
@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        pytest.param(Reply(body=b""), "", id="empty body"),
        pytest.param(Reply(body=b"{}", headers={"content-type": "application/json"}), "", id="JSON"),
        pytest.param(Reply(body=b"<html>", headers={"content-type": "text/html"}), "unreadable_response", id="garbage"),
        pytest.param(Reply(body=b"x", headers={"content-encoding": "gzip"}), "unreadable_response", id="no gzip"),
        pytest.param(Reply(202), "", id="202"),
        pytest.param(Reply(204), "", id="204"),
    ],
)
def test_any_success_is_accepted(reply: Reply, cause: str) -> None:
    with exchange(reply) as (transport, _):
        assert Answer(Outcome.ACCEPTED, cause=cause) == transport.send(_ONE, 5.0)


@pytest.mark.scenario("C6")
def test_an_endless_error_page_is_given_up() -> None:
    with exchange(Reply(503, fault="endless")) as (transport, _):
        assert Answer(Outcome.FAILED, cause="response_too_large") == transport.send(_ONE, 20.0)


@pytest.mark.scenario("C6")
def test_a_length_above_the_limit_is_not_even_read() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", hold=True) as transport:
        assert Answer(Outcome.FAILED, cause="response_too_large") == transport.send(_ONE, 5.0)


@pytest.mark.scenario("D6")
def test_the_status_of_a_failure_counts_when_its_body_never_ends() -> None:
    with exchange(Reply(400, fault="drip_body")) as (transport, _):
        assert Answer(Outcome.REFUSED, cause="400") == transport.send(_ONE, 0.3)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", "reset", id="body cut short"),
        pytest.param(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc", "reset", id="chunk cut short"),
        pytest.param(b"", "reset", id="closed without an answer"),
    ],
)
def test_half_an_answer_is_none(answer: bytes, cause: str) -> None:
    with raw_server(answer) as transport:
        got = transport.send(_ONE, 5.0)
    assert (Outcome.RETRY, True, cause) == (got.outcome, got.maybe_delivered, got.cause)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.9\r\n", id="another protocol"),
        pytest.param(b"\0\0\x12\x04\0\0\0\0\0", id="HTTP/2, a gRPC port"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000 + b"\r\n", id="1000 headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\na: " + b"b" * 100_000 + b"\r\n\r\n", id="a header of 100 kB"),
    ],
)
def test_a_peer_that_does_not_speak_http_is_a_failure(answer: bytes) -> None:
    with raw_server(answer) as transport:
        got = transport.send(_ONE, 5.0)
    assert (Outcome.FAILED, "no_http_answer") == (got.outcome, got.cause)


def test_a_refusal_before_the_request_is_read_is_understood() -> None:
    """The server answers and closes at once: the rest of the request cannot be written any more."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces"
        transport = HttpTransport(OtlpSettings("http/protobuf", url))
        # More than both sockets' buffers hold, so that the client is still writing.
        answer = transport.send(request("one", filler=32 * 1024 * 1024), 10.0)
        transport.close()
    assert (Outcome.REFUSED, "413") == (answer.outcome, answer.cause)


def test_a_connection_the_server_closed_meanwhile_is_replaced_without_an_error() -> None:
    complete = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    with raw_server(complete, complete) as transport:
        assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 5.0)
        idle = transport._idle[0].sock
        assert idle is not None
        idle.settimeout(5.0)
        assert b"" == socket.socket.recv(idle, 1, socket.MSG_PEEK), "the server has closed it"
        assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 5.0)


def test_a_server_that_wants_no_keep_alive_is_obeyed() -> None:
    once = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n\x0a\x00"
    with raw_server(once, once) as transport:
        assert [Answer(Outcome.ACCEPTED)] * 2 == [transport.send(_ONE, 5.0) for _ in range(2)]
        assert not transport._idle


def test_the_connection_is_kept_alive() -> None:
    with exchange() as (transport, _):
        transport.send(_ONE, 5.0)
        first = transport._idle[0]
        transport.send(_ONE, 5.0)
        assert first is transport._idle[0]


def test_framing_headers_are_the_transports_own() -> None:
    with Receiver("http") as receiver:
        transport = HttpTransport(receiver.settings(headers=(("content-type", "text/plain"), ("host", "other"))))
        assert Outcome.ACCEPTED is transport.send(_ONE, 5.0).outcome
        transport.close()
        sent = receiver.requests[0].headers
    assert ("application/x-protobuf", "identity") == (sent["content-type"], sent["accept-encoding"])
    assert "other" == sent["host"]


def test_a_key_in_the_query_is_sent_and_never_said() -> None:
    with Receiver("http", [Reply(404, message="no route /v1/traces?k=s3cr3t&l=0ther, nor for 0ther")]) as receiver:
        endpoint = receiver.settings().endpoint
        transport = HttpTransport(receiver.settings(endpoint=f"{endpoint}?k=s3cr3t&l=0ther"))
        answer = transport.send(request("a"), 5)
        transport.close()
        assert endpoint == transport.endpoint
        assert "no route /v1/traces?***, nor for ***" == answer.detail
        assert "/v1/traces?k=s3cr3t&l=0ther" == transport._target


def test_debugging_http_client_does_not_print_our_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with Receiver("http") as receiver:
        transport = HttpTransport(receiver.settings(headers=(("authorization", "Bearer s3cr3t"),)))
        transport.send(_ONE, 5.0)
        transport.close()
    assert "s3cr3t" not in capsys.readouterr().out


@pytest.mark.scenario("H4")
def test_the_wall_clock_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = iter(range(0, 10**9, 3600))
    monkeypatch.setattr(time, "time", lambda: float(next(hours)))
    with exchange(Reply(delay=0.05)) as (transport, _):
        assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 5.0)


def test_forgetting_closes_what_was_inherited_even_if_it_is_still_referred_to() -> None:
    """In a child the frames of the threads that are gone refer to their sockets for ever."""
    with exchange() as (transport, _):
        transport.send(_ONE, 5.0)
        inherited = transport._idle[0].sock
        assert inherited is not None
        transport.forget()
        assert -1 == inherited.fileno()
        assert Answer(Outcome.ACCEPTED) == transport.send(_ONE, 5.0)


_FORKING = """
import os, sys
from otel_errsample.transport import Outcome
from otel_errsample.transport.http import HttpTransport
from otel_errsample.transport.settings import OtlpSettings
transport = HttpTransport(OtlpSettings("http/protobuf", sys.argv[1], certificate=sys.argv[2]))
payload = bytes.fromhex(sys.argv[3])
def send():
    return transport.send(payload, 10.0).outcome is Outcome.ACCEPTED
assert send()
parents = transport._idle[0]
child = os.fork()
if child == 0:
    transport.forget()
    os._exit(0 if send() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert send() and transport._idle[0] is parents
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_the_parents_tls_connection_alone(tmp_path: Path) -> None:
    """In a process of its own: the receiver's threads here would be forked with it."""
    authority = Authority(tmp_path)
    with Receiver("http", tls=TlsFiles(*authority.issue("server"))) as receiver:
        command = (sys.executable, "-c", _FORKING, receiver.url, authority.roots, _ONE.hex())
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ("done\n", 0) == (done.stdout, done.returncode), done.stderr
        assert receiver.wait_for(3)
