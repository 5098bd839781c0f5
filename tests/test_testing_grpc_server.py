"""The gRPC receiver as a plain grpcio client sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply
from tests.otlp import request

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@contextmanager
def client(*script: Reply, method: str = _METHOD) -> Iterator[tuple[Receiver, Any]]:
    with Receiver("grpc", script) as receiver, grpc.insecure_channel(receiver.endpoint) as channel:
        yield receiver, channel.unary_unary(method)


def failure(call: Any, timeout: float = 10.0, **options: Any) -> Any:
    with pytest.raises(grpc.RpcError) as raised:
        call(request("a"), timeout=timeout, **options)
    return raised.value


def test_a_success_is_an_empty_answer() -> None:
    with client() as (receiver, call):
        assert b"" == call(request("a"), timeout=10.0)
        assert receiver.wait_for(1)


def test_gzip_is_understood_and_noted() -> None:
    with client() as (receiver, call):
        payload = request("a", filler=1000)
        call(payload, timeout=10.0, compression=grpc.Compression.Gzip)
        seen = receiver.requests[0]
        assert ("gzip", len(payload)) == (seen.compression, seen.size)
        assert seen.wire_size < len(payload)


def test_another_method_is_unimplemented() -> None:
    with client(method="/opentelemetry.proto.collector.metrics.v1.MetricsService/Export") as (receiver, call):
        assert grpc.StatusCode.UNIMPLEMENTED is failure(call).code()
        assert [] == receiver.requests


def test_the_wait_travels_as_retry_info_in_the_status_details() -> None:
    with client(Reply("UNAVAILABLE", message="busy", retry_after=1.5)) as (_, call):
        error = failure(call)
    assert (grpc.StatusCode.UNAVAILABLE, "busy") == (error.code(), error.details())
    status = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    info = RetryInfo()
    assert status.details[0].Unpack(info)
    assert 1.5 == info.retry_delay.ToMilliseconds() / 1000


def test_a_reset_breaks_the_connection() -> None:
    with client(Reply(fault="reset", stored=True)) as (receiver, call):
        assert grpc.StatusCode.UNAVAILABLE is failure(call).code()
        assert receiver.wait_for(1)


@pytest.mark.parametrize("fault", ["black_hole", "drip"])
def test_some_answers_never_come(fault: str) -> None:
    with client(Reply(fault=fault)) as (_, call):
        assert grpc.StatusCode.DEADLINE_EXCEEDED is failure(call, timeout=0.2).code()


def test_an_unknown_code_is_unknown() -> None:
    with client(Reply(599)) as (_, call):
        assert grpc.StatusCode.UNKNOWN is failure(call).code()
