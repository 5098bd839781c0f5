"""What takes a batch: the OTLP transport, which wants bytes, or a user's exporter, which wants spans."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_errsample.errors import ConfigError
from otel_errsample.transport import Answer, Outcome, Transport, open_transport
from otel_errsample.transport.settings import OtlpSettings

if TYPE_CHECKING:
    from otel_errsample._hot import Batch


# Seconds that a fork may wait for an aborted request to come back, and for gRPC's threads to end. They take 24 ms; on a
# machine with four times as many runnable threads as cores 3 % of the waits took over 100 ms, and a child forked then
# hung in 1 of 6 runs of 20 forks. A process of low priority did not get its request back within 100 ms in 7 of 40 forks;
# gRPC then skips its own handlers, and the child ends by SIGABRT when it sends.
_BEFORE_FORK = 1.0


class Sink(Protocol):
    """Where the worker delivers batches; one call at a time."""

    destination: object
    """By which two sinks know that they deliver to the same place: settings, which compare, or the object itself."""
    patience: float
    """Seconds that a fork waits for a `deliver` that was aborted."""

    @property
    def endpoint(self) -> str:
        """Name for the log line, without user information."""

    def deliver(self, batch: Batch, start: int, stop: int, timeout: float) -> Answer:
        """Send records start to stop of a batch within `timeout` seconds; never raises an Exception."""

    def abort(self) -> None:
        """Make a running `deliver` return soon; called from another thread."""

    def release(self) -> None:
        """Close connections before a fork; the next `deliver` opens new ones."""

    def close(self) -> None:
        """The last call."""

    def forget(self) -> None:
        """In a forked child: abandon what was inherited without touching it."""


class OtlpSink:
    """Ready-made request bytes over OTLP."""

    patience = _BEFORE_FORK

    def __init__(self, transport: Transport, settings: OtlpSettings | None = None) -> None:
        self._transport = transport
        self.destination: object = settings or transport

    @property
    def endpoint(self) -> str:
        return self._transport.endpoint

    def deliver(self, batch: Batch, start: int, stop: int, timeout: float) -> Answer:
        return self._transport.send(batch.payload(start, stop), timeout)

    def abort(self) -> None:
        self._transport.abort()

    def release(self) -> None:
        self._transport.close(_BEFORE_FORK)

    def close(self) -> None:
        self._transport.close()

    def forget(self) -> None:
        self._transport.forget()


class ExporterSink:
    """Enriched ReadableSpans for a user's SpanExporter, whose FAILURE is final."""

    patience = 0.1  # nothing brings it back sooner

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.destination: object = exporter

    @property
    def endpoint(self) -> str:
        return type(self._exporter).__name__

    def deliver(self, batch: Batch, start: int, stop: int, timeout: float) -> Answer:
        try:
            result = self._exporter.export(batch.spans(start, stop))
        except Exception as error:
            return Answer(Outcome.FAILED, cause=type(error).__name__)
        if result is SpanExportResult.SUCCESS:
            return Answer(Outcome.ACCEPTED)
        return Answer(Outcome.FAILED, cause="exporter_failure")

    def abort(self) -> None:
        """Nothing to call: SpanExporter has no way to interrupt `export`."""

    def release(self) -> None:
        """Nothing to do, as for `forget`."""

    def close(self) -> None:
        self._exporter.shutdown()

    def forget(self) -> None:
        """Nothing to do: the exporter is the user's, and so is its state after a fork."""


def same_destination(one: Sink, other: Sink) -> bool:
    """Whether what both deliver arrives twice at one place."""
    here, there = one.destination, other.destination
    return here is there or (isinstance(here, OtlpSettings) and here == there)


def open_sink(
    exporter: SpanExporter | None, transport: Transport | OtlpSettings | None, warn: Callable[[str, str], None]
) -> tuple[Sink, float, int]:
    """The sink, the seconds a request may take, and how many copies of a request exist while it is sent.

    Raises ConfigError for a transport that is none.
    """
    if exporter is not None:
        return ExporterSink(exporter), 30.0, 0
    if not (transport is None or isinstance(transport, OtlpSettings) or hasattr(transport, "send")):
        raise ConfigError(f"transport is expected to be a Transport or OtlpSettings, got {transport!r}")
    settings = transport if isinstance(transport, OtlpSettings) else OtlpSettings.from_env(os.environ, warn)
    given = None if isinstance(transport, OtlpSettings) else transport
    sink = OtlpSink(given) if given is not None else OtlpSink(open_transport(settings), settings)
    return sink, settings.timeout, 2 if settings.compression == "gzip" else 1
