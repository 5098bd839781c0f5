"""Carry ready-made OTLP trace requests to a collector, over gRPC or HTTP.

A transport sends one request at a time and says in an `Answer` what became of it. It never retries and never splits:
that is the export worker's decision. It owns the connection, the deadline and the reading of the answer.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from otel_errsample.transport.settings import OtlpSettings

__all__ = ["Answer", "Outcome", "Transport", "open_transport"]


class Outcome(enum.Enum):
    """What a request's sender has to do next."""

    ACCEPTED = "accepted"  # acknowledged, in whole or in part
    RETRY = "retry"  # may be sent again as it is
    REFUSED = "refused"  # refused for its content: a smaller part of it may be accepted
    FAILED = "failed"  # refused for another reason: sending it again cannot help


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request.

    `rejected` is the number of spans an ACCEPTED answer refused. `retry_after` is the pause in seconds the server asked
    for, between 0 and 300. `maybe_delivered` says that a RETRY request may have reached the server nevertheless.
    `cause` is a short label from a bounded set, for counting. `detail` is for a log line: at most 200 printable
    characters, without header values, URL user information or parts of the request.
    """

    outcome: Outcome
    rejected: int = 0
    retry_after: float | None = None
    maybe_delivered: bool = False
    cause: str = ""
    detail: str = ""


class Transport(Protocol):
    """One destination for encoded `ExportTraceServiceRequest` messages."""

    @property
    def endpoint(self) -> str:
        """Where requests go, for a log line."""

    def send(self, payload: bytes, timeout: float) -> Answer:
        """Send one request and wait for its answer, at most `timeout` seconds; raises no `Exception`."""

    def abort(self) -> None:
        """End the sends that are running, from another thread; they answer RETRY. Later sends work again."""

    def close(self, patience: float = 0.1) -> None:
        """Drop every connection, ending the sends that are running; a later send opens a new one. Idempotent.

        Waits at most `patience` seconds for what a library ends in the background, so that the process can fork.
        """

    def forget(self) -> None:
        """Abandon, in a forked child, what was inherited, without a word to the peer or to the parent's library state.

        The next send opens a connection of its own.
        """


def open_transport(settings: OtlpSettings) -> Transport:
    """Return the transport for `settings.protocol`; nothing is connected before the first send."""
    # Imported here: an HTTP user should not pay for loading grpcio, nor need it where it has no wheel.
    if settings.protocol == "grpc":
        from otel_errsample.transport.grpc import GrpcTransport

        return GrpcTransport(settings)
    from otel_errsample.transport.http import HttpTransport

    return HttpTransport(settings)
