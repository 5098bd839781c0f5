"""What clients meet on loopback: servers that answer what they are asked for, that stay silent, that refuse."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, TCPServer, ThreadingTCPServer
from typing import Any, NamedTuple

from tests.ports import refusing

Port = AbstractContextManager[int]


class Http(NamedTuple):
    """URLs without a trailing slash: `answering`/503 answers 503, `silent` accepts and says nothing."""

    answering: str
    silent: str
    refusing: str


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("content-length", "0")
        self.send_header("connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  BaseHTTPRequestHandler names it so
        """Say nothing."""


@contextmanager
def serving(server: TCPServer) -> Iterator[int]:
    """The port of a server of the standard library that runs for as long as the context lasts."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def http() -> Iterator[Http]:
    # Listening without ever accepting: the kernel completes the connection and nobody answers.
    with (
        serving(ThreadingHTTPServer(("127.0.0.1", 0), _Answers)) as answering,
        socket.create_server(("127.0.0.1", 0), backlog=64) as silent,
        refusing() as refused,
    ):
        yield Http(*(f"http://127.0.0.1:{port}" for port in (answering, silent.getsockname()[1], refused)))


@contextmanager
def conversation(hold: Callable[[StreamRequestHandler], None]) -> Iterator[int]:
    """The port of a TCP server that leads the conversation given, once per connection in a thread."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            hold(self)

    class Server(ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: clients hang up when they have had enough."""

    with serving(Server(("127.0.0.1", 0), Handler)) as port:
        yield port
