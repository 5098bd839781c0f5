"""Whatever an HTTP server says, the transport has an answer: within its bounds, without our secrets, and no surprise.

The bytes are the response as it comes over the socket.
"""

from __future__ import annotations

import socket

from otel_errsample.transport import Answer, Outcome
from otel_errsample.transport.deadline import TimedSocket
from otel_errsample.transport.http import HttpTransport, _Connection
from otel_errsample.transport.settings import OtlpSettings

MOST = 8192
WORDS = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 503 X\r\n", b"HTTP/1.1 429 X\r\n", b"HTTP/1.1 400 X\r\n", b"HTTP/1.1 302 X\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 ", b"\r\n", b"\r\n\r\n", b"content-length: ", b"transfer-encoding: chunked\r\n",
    b"content-type: application/x-protobuf\r\n", b"content-type: application/json\r\n", b"content-encoding: gzip\r\n",
    b"content-encoding: deflate\r\n", b"connection: close\r\n", b"retry-after: ", b"retry-after: 7\r\n",
    b"retry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\n", b"date: Wed, 21 Oct 2026 07:27:00 GMT\r\n", b"0\r\n\r\n",
    b"\x1f\x8b\x08\x00", b"\x78\x9c", b"\x0a\x02\x08\x03", b"\x12\x07message", b"tr0ub4dor&3", b"Bearer ", b"http://u:p@host/",
)  # fmt: skip

SECRET = "tr0ub4dor&3"
PAYLOAD = b"\x0a\x20quoted from the request, by chance\x12\x04span"
_TIMEOUT = 30.0  # of an exchange that has all of its answer before it begins
_SETTINGS = OtlpSettings(
    protocol="http/protobuf",
    endpoint="http://127.0.0.1:1/v1/traces?key=k3y",
    secure=False,
    headers=(("authorization", f"Bearer {SECRET}"),),
)


def check(data: bytes) -> None:
    transport = HttpTransport(_SETTINGS)
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.setblocking(False)
        theirs.send(data)
        theirs.shutdown(socket.SHUT_WR)
        connection = _Connection("127.0.0.1", 1, None)
        connection.sock = Unasked(fileno=ours.detach())
        transport._idle.append(connection)
        answer = transport.send(PAYLOAD, _TIMEOUT)
        transport.close()
    check_answer(answer)
    if answer.outcome is Outcome.ACCEPTED:
        assert b"2" in data, "success is said by the server"


class Unasked(TimedSocket):
    """Has its answer already, and may be used all the same."""

    def quiet(self) -> bool:
        return True


def check_answer(answer: Answer) -> None:
    assert answer.cause != "internal", answer.detail
    assert answer.cause == "" or answer.cause.isprintable()
    assert len(answer.cause) <= 40
    assert answer.detail.isprintable() or not answer.detail
    assert len(answer.detail) <= 200
    assert SECRET not in answer.detail
    assert "k3y" not in answer.detail.split()
    assert "from the request" not in answer.detail, "nothing of the request is quoted"
    assert 0 <= answer.rejected < 1 << 63
    assert answer.retry_after is None or 0 <= answer.retry_after <= 300
    if answer.retry_after is not None or answer.maybe_delivered:
        assert answer.outcome is Outcome.RETRY
    if answer.outcome is not Outcome.ACCEPTED:
        assert answer.rejected == 0
        assert answer.cause
