"""OTLP over gRPC: serialised requests go through a grpcio channel as they are.

The plain blocking call is used: 0.29 ms of CPU for a request of 100 kB, against 0.45 ms for a future, which needs a
thread of its own to be resolved. It can be ended only by closing its channel, which is what `abort` does.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc

from otel_errsample.greenlets import start_os_thread
from otel_errsample.transport import Answer, Outcome, response
from otel_errsample.transport.certificates import CertificateError, Certificates
from otel_errsample.transport.identity import user_agent
from otel_errsample.transport.settings import OtlpSettings

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_STATUS_DETAILS = "grpc-status-details-bin"

_OPTIONS = (
    # Retrying is the export worker's; grpcio's own retries would hide attempts from its deadlines and counters.
    ("grpc.enable_retries", 0),
    # A subchannel shared with another exporter of the process would bring its back-off and its TLS files along.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", response.MAX_RESPONSE_BYTES),
    # grpcio 1.85 checks the limit before it decompresses (a response of 200 kB grew to 360 MiB), so that is done here.
    ("grpc.per_message_decompression", 0),
    # Time for one connection attempt. The default, 20 s, is longer than a whole send: a second address would never be
    # tried. It is no pause between attempts: the channel of a failed one is dropped, and the next send starts afresh.
    ("grpc.min_reconnect_backoff_ms", 3000),
)
# First bytes of gzip and zlib data; an ExportTraceServiceResponse starts with 0x0a or is empty.
_COMPRESSED = (b"\x1f", b"\x78")

# gRPC core ends its threads in the background, 0.1 to 24 ms after its last channel was closed. A fork meanwhile copies a
# lock that one of them holds, and the child hangs when it opens a channel: in 2 of 12 runs of 10 forks, against none of
# 120 runs with this wait, whatever GRPC_ENABLE_FORK_SUPPORT said. These are their names. The wait is bounded because
# another user of grpcio keeps them alive, and so does, for its time, an attempt to connect to a silent address.
_CORE_THREADS = ("grpc", "event_engine", "lifeguard", "timer_manager", "default-execut", "resolver-execut")
_TASKS = "/proc/self/task"
_OWN_TIME = "/proc/thread-self/schedstat"
_SETTLING_STEP = 0.001

# Channels inherited by a fork. Dropping the last reference would call into grpcio's inherited state and may hang.
_abandoned: list[object] = []

_Export = Callable[..., bytes]


class _NoThreadError(Exception):
    """The system has no thread to give."""


class _Send:
    """One running send, for `abort` to mark."""

    __slots__ = ("aborted",)

    def __init__(self) -> None:
        self.aborted = False


class GrpcTransport:
    """A `Transport` over one grpcio channel, opened by the first send and dropped when it does not lead anywhere."""

    def __init__(self, settings: OtlpSettings) -> None:
        self.endpoint = settings.endpoint
        self._secure = settings.secure
        self._certificates = Certificates(settings)
        self._metadata = settings.headers
        self._compression = grpc.Compression.Gzip if settings.compression == "gzip" else grpc.Compression.NoCompression
        self._redact = response.Redactor(value for _, value in settings.headers)
        self._options = (*_OPTIONS, ("grpc.primary_user_agent", user_agent()))
        self._unsettled = False  # a channel was opened since gRPC core was last waited for
        self._reset()

    def send(self, payload: bytes, timeout: float) -> Answer:
        if timeout <= 0:  # grpcio would let a fast server win
            return Answer(Outcome.RETRY, cause="DEADLINE_EXCEEDED")
        sending = _Send()
        self._running.add(sending)
        try:
            return self._export(payload, timeout, sending)
        except _NoThreadError:
            return Answer(Outcome.RETRY, cause="no_threads", detail="gRPC needs some, and the system gives none")
        except CertificateError as error:
            # The files may be just being mounted or replaced; the spans wait within their budget.
            return Answer(Outcome.RETRY, cause="certificate", detail=self._redact(str(error)))
        except Exception as error:  # an error of ours or of grpcio costs this request, never the worker
            if sending.aborted:  # grpcio raises ValueError for a call on a channel that was just closed
                return Answer(Outcome.RETRY, cause="aborted")
            detail = self._redact(f"{type(error).__name__}: {error}", payload)
            return Answer(Outcome.FAILED, cause="internal", detail=detail)
        finally:
            self._running.discard(sending)

    def abort(self) -> None:
        for sending in tuple(self._running):
            sending.aborted = True
        self._drop(self._channel)

    def close(self, patience: float = 0.1) -> None:
        self.abort()
        # Also where it was an abort, or a receiver that is away, that closed the last channel.
        if self._unsettled:
            _settle(patience)
            self._unsettled = False  # not before: another thread that forks meanwhile has to wait too

    def forget(self) -> None:
        _abandoned.append((self._channel, self._call))
        self._reset()

    def _reset(self) -> None:
        self._channel: grpc.Channel | None = None
        self._call: _Export | None = None
        self._running: set[_Send] = set()
        # New in a child too, which may have inherited it locked.
        self._opening = threading.Lock()

    def _export(self, payload: bytes, timeout: float, sending: _Send) -> Answer:
        channel, call = self._open()
        if sending.aborted:
            return Answer(Outcome.RETRY, cause="aborted")
        try:
            body = call(payload, timeout=timeout, metadata=self._metadata, compression=self._compression)
        except grpc.RpcError as error:
            if sending.aborted:
                return Answer(Outcome.RETRY, maybe_delivered=True, cause="aborted")
            return self._failure(error, channel, payload)
        if body[:1] in _COMPRESSED:
            try:
                body = response.inflate(body)
            except response.ResponseTooLarge:
                return Answer(Outcome.FAILED, cause="response_too_large")
        return response.accepted(body, payload, self._redact)

    def _open(self) -> tuple[grpc.Channel, _Export]:
        if self._certificates.changed():
            self._drop(self._channel)
        with self._opening:
            if self._channel is None or self._call is None:
                _ask_for_a_thread()
                self._unsettled = True
                channel = self._new_channel()
                # Without serialisers bytes go in and come out.
                self._call = channel.unary_unary(_METHOD)
                self._channel = channel
            return self._channel, self._call

    def _new_channel(self) -> grpc.Channel:
        if not self._secure:
            return _uninstrumented(grpc.insecure_channel)(self.endpoint, options=self._options)
        credentials = grpc.ssl_channel_credentials(*self._certificates.pem())
        return _uninstrumented(grpc.secure_channel)(self.endpoint, credentials, options=self._options)

    def _failure(self, error: grpc.RpcError, channel: grpc.Channel, payload: bytes) -> Answer:
        code, details = error.code().name, str(error.details() or "")
        if code in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            # The next send looks the name up and connects afresh: a collector that came back, moved, or whose
            # connection a firewall forgot is found at once, where the channel's back-off grows to 120 s.
            self._drop(channel)
        trailing = dict(error.trailing_metadata() or ())
        status = trailing.get(_STATUS_DETAILS)
        return response.grpc_failure(
            code, details, status if isinstance(status, bytes) else None, self._redact(details, payload)
        )

    def _drop(self, channel: grpc.Channel | None) -> None:
        if channel is not None:
            if self._channel is channel:
                self._channel = None
            channel.close()


def _ask_for_a_thread() -> None:
    """Raise _NoThreadError where none is to be had: gRPC core would end the process, by abort()."""
    try:
        start_os_thread(_do_nothing)
    except RuntimeError as error:
        # While the interpreter leaves Python has no more threads, from 3.12 on; gRPC core still has.
        if "shutdown" not in str(error):
            raise _NoThreadError from None


def _do_nothing() -> None:
    pass


def _uninstrumented(function: Callable[..., grpc.Channel]) -> Callable[..., grpc.Channel]:
    """The function itself, where an instrumentation has put a wrapper in its place.

    Its spans are suppressed while we send, but not what it does to a channel: opened at exit, it asks for instruments of
    metrics that are shut down, and says so on stderr.
    """
    while (inner := getattr(function, "__wrapped__", None)) is not None:
        function = inner
    return function


def _settle(patience: float) -> None:
    """Wait until gRPC core has ended its threads, so that the process can fork.

    It takes two looks in a row that see none: a thread has not its own name yet in its first microseconds.
    """
    deadline, pause = time.monotonic() + patience, threading.Event()
    quiet = not _core_is_running()
    while time.monotonic() < deadline:
        pause.wait(_SETTLING_STEP)
        before, quiet = quiet, not _core_is_running()
        if before and quiet:
            return


def _core_is_running() -> bool:
    try:
        tasks = list(Path(_TASKS).iterdir())
    except OSError:
        return hasattr(os, "fork")  # no way to see it: give it all the time
    try:
        return any(_is_of_core(task) for task in tasks)
    except OSError:
        # A thread ended meanwhile, perhaps one of core, whose last deed was to start another that is not on the list.
        return True


def _is_of_core(task: Path) -> bool:
    """Whether it is a thread of gRPC core, or one that has not run yet and may become one; OSError where it has ended.

    A thread has its maker's name until it first runs: after an abort early in a handshake 75 of 400 looks found all seven
    threads of core still without theirs.
    """
    # In this order: a thread that starts between the two is seen by its name. A kernel that keeps no account says 0 of
    # every thread, this one too.
    new = _told(task / "schedstat").startswith("0 ") and not _told(Path(_OWN_TIME)).startswith("0 ")
    return new or (task / "comm").read_text().startswith(_CORE_THREADS)


def _told(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the kernel does not tell
        return ""
