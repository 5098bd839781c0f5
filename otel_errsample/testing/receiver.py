"""A real OTLP receiver on 127.0.0.1, over gRPC or HTTP, that does what its script says.

In a test it is a context manager. In a process of its own it is run as

    python -m otel_errsample.testing.receiver --protocol grpc --port 0

which prints its port as a line and, when its standard input ends or SIGTERM arrives, a summary as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, NamedTuple, final

from otel_errsample.testing.replies import Reply
from otel_errsample.testing.store import Received, Request, Store, unpack
from otel_errsample.transport.settings import OtlpSettings

# What a Collector's gRPC receiver takes by default.
_MAX_REQUEST_BYTES = 4 * 1024 * 1024
_ACCEPT = Reply()

Script = Iterable[Reply] | Callable[[bytes], Reply]


class TlsFiles(NamedTuple):
    """PEM files of a server; with `client_roots` clients must show a certificate signed by these."""

    certificate: str
    key: str
    client_roots: str | None = None


class Front:
    """What both servers do with a request: note it, decide the reply by the script, keep the spans if it says so."""

    def __init__(self, store: Store, script: Script, then: Reply) -> None:
        self.store = store
        self.closing = threading.Event()
        self._then = then
        self._choose = script if callable(script) else None
        self._script = deque(() if callable(script) else script)

    def receive(self, payload: bytes, request: Request) -> Reply:
        self.store.arrived(request)
        reply = self._next(payload)
        if reply.delay:
            self.closing.wait(reply.delay)
        if reply.refuse is not None and any(reply.refuse(received.span) for received in unpack(payload)):
            reply = replace(reply, refuse=None, status="INVALID_ARGUMENT", message="a span is not acceptable")
        if reply.stores:
            self.store.stored(payload)
        return reply

    def _next(self, payload: bytes) -> Reply:
        if self._choose is not None:
            return self._choose(payload)
        try:
            return self._script.popleft()
        except IndexError:
            return self._then


@final
class Receiver:
    """A running receiver; `close` or the end of the `with` block stops it.

    `script` holds the replies to the first requests, after them `then` counts; or it is a function that chooses a reply
    for a payload. `protocol` is "grpc" or "http". With `keep=False` requests are counted and not read or kept.
    """

    def __init__(
        self,
        protocol: str = "grpc",
        script: Script = (),
        *,
        then: Reply = _ACCEPT,
        port: int = 0,
        tls: TlsFiles | None = None,
        keep: bool = True,
        max_request_bytes: int = _MAX_REQUEST_BYTES,
    ) -> None:
        self._store = Store(keep)
        self._front = Front(self._store, script, then)
        self._protocol = protocol
        self._secure = tls is not None
        # Imported here: one protocol's receiver should not need the other's server.
        if protocol == "grpc":
            from otel_errsample.testing.grpc_server import GrpcServer

            # A fixed port is the server's own, and a sink is for benchmarks: no relay in front of either.
            self._server: Any = GrpcServer(self._front, port, tls, max_request_bytes, relayed=keep and not port)
        elif protocol == "http":
            from otel_errsample.testing.http_server import HttpServer

            self._server = HttpServer(self._front, port, tls, max_request_bytes)
        else:
            raise ValueError(f"protocol is expected to be 'grpc' or 'http', got {protocol!r}")
        self.port: int = self._server.port

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        """The endpoint as `OtlpSettings` has it: `host:port` for gRPC, the whole URL for HTTP."""
        return self.url if self._protocol == "http" else f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The endpoint as OTEL_EXPORTER_OTLP_TRACES_ENDPOINT takes it."""
        scheme = "https" if self._secure else "http"
        return f"{scheme}://127.0.0.1:{self.port}" + ("/v1/traces" if self._protocol == "http" else "")

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead an exporter here."""
        protocol = "http/protobuf" if self._protocol == "http" else "grpc"
        return {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": self.url}

    def settings(self, **changes: Any) -> OtlpSettings:
        """Return transport settings that lead here, with other fields as given."""
        protocol = "http/protobuf" if self._protocol == "http" else "grpc"
        return replace(OtlpSettings(protocol, self.endpoint, secure=self._secure), **changes)

    @property
    def requests(self) -> list[Request]:
        """Every request that arrived, answered or not."""
        return list(self._store.requests)

    def spans(self) -> list[Received]:
        """The spans of the requests that were accepted, with their resource and scope, in order of arrival."""
        return self._store.spans()

    def wait_for(self, spans: int, timeout: float = 10.0) -> bool:
        """Wait until so many spans were accepted and kept; False when the timeout in seconds comes first."""
        return self._store.wait_for(spans, timeout)

    def wait_for_requests(self, requests: int, timeout: float = 10.0) -> bool:
        """Wait until so many requests arrived, answered or not."""
        return self._store.wait_for_requests(requests, timeout)

    def summary(self) -> dict[str, Any]:
        """Return the counts, as the command prints them."""
        return self._store.summary()

    def close(self) -> None:
        """Stop; what was received stays readable."""
        self._front.closing.set()
        self._server.close()


class _Stop(Exception):
    """Raised by SIGTERM in the main thread."""


def _stop(_signum: int, _frame: Any) -> None:
    raise _Stop


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a receiver until standard input ends or SIGTERM arrives."""
    parser = argparse.ArgumentParser(prog="python -m otel_errsample.testing.receiver", description=main.__doc__)
    parser.add_argument("--protocol", choices=("grpc", "http"), default="grpc")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one; printed as a line")
    parser.add_argument("--sink", action="store_true", help="count requests and their bytes, and read none of them")
    parser.add_argument("--script", default="[]", help="JSON list of objects with the fields of a reply, in order")
    options = parser.parse_args(arguments)
    script = [Reply(**fields) for fields in json.loads(options.script)]
    try:
        signal.signal(signal.SIGTERM, _stop)
        with Receiver(options.protocol, script, port=options.port, keep=not options.sink) as receiver:
            print(receiver.port, flush=True)
            sys.stdin.buffer.read()
    except (_Stop, KeyboardInterrupt):
        pass
    print(json.dumps(receiver.summary()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
