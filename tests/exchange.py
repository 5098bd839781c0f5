"""A transport and a receiver that talk to each other, for tests of both protocols."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply
from otel_errsample.transport import Transport, open_transport
from otel_errsample.transport.settings import OtlpSettings

_ACCEPT = Reply()

protocols = pytest.mark.parametrize("protocol", ["grpc", "http"])


@contextmanager
def opened(settings: OtlpSettings) -> Iterator[Transport]:
    transport = open_transport(settings)
    try:
        yield transport
    finally:
        transport.close()


@contextmanager
def exchange(protocol: str, *script: Reply, then: Reply = _ACCEPT) -> Iterator[tuple[Transport, Receiver]]:
    with Receiver(protocol, script, then=then) as receiver, opened(receiver.settings()) as transport:
        yield transport, receiver


def settings_for(protocol: str, port: int) -> OtlpSettings:
    if protocol == "grpc":
        return OtlpSettings("grpc", f"127.0.0.1:{port}")
    return OtlpSettings("http/protobuf", f"http://127.0.0.1:{port}/v1/traces")
