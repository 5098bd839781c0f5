"""Whatever a gRPC server says, there is an answer: a status with its text and details, or a message as a success."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import grpc

from fuzz.source import Source
from fuzz.targets.response import PAYLOAD, SECRET, check_answer
from otel_errsample.transport import Outcome
from otel_errsample.transport.grpc import GrpcTransport
from otel_errsample.transport.settings import OtlpSettings

MOST = 8192
WORDS = (
    b"type.googleapis.com/google.rpc.RetryInfo", b"\x0a\x02\x08\x03", b"\x0a\x04\x08\x01\x10\x05", b"failed to connect to all addresses",
    b"DNS resolution failed", b"stream removed", b"Socket closed", b"GOAWAY", b"Received message larger than max", b"CLIENT: ",
    b"\x1f\x8b\x08\x00", b"\x78\x9c", b"\x08\x08\x12\x04busy\x1a", b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", SECRET.encode(),
)  # fmt: skip

_SETTINGS = OtlpSettings(
    protocol="grpc", endpoint="127.0.0.1:1", secure=False, headers=(("authorization", f"Bearer {SECRET}"),)
)
_CODES = tuple(grpc.StatusCode)


class Refusal(grpc.RpcError):  # type: ignore[misc]  # grpcio has no types
    def __init__(self, code: Any, details: str | None, trailing: tuple[tuple[str, str | bytes], ...] | None) -> None:
        self._code, self._details, self._trailing = code, details, trailing

    def code(self) -> Any:
        return self._code

    def details(self) -> str | None:
        return self._details

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...] | None:
        return self._trailing


def check(data: bytes) -> None:
    source = Source(data)
    kind = source.below(4)
    reply = Refusal(None, None, None)
    body = None
    if kind == 0:
        body = source.rest()
    else:
        code = source.pick(_CODES)
        details = source.text() if kind > 1 else None
        status = source.rest()
        trailing: tuple[tuple[str, str | bytes], ...] = (("grpc-status-details-bin", status),)
        reply = Refusal(code, details, trailing if kind == 3 else (("grpc-status-details-bin", "text"), ("x", "y")))

    def call(payload: bytes, **_: Any) -> bytes:
        if body is None:
            raise reply
        return body

    transport = GrpcTransport(_SETTINGS)
    transport._channel, transport._call = SimpleNamespace(close=lambda: None), call
    answer = transport.send(PAYLOAD, 30.0)
    check_answer(answer)
    assert (answer.outcome is Outcome.ACCEPTED) == (body is not None) or answer.cause == "response_too_large"
