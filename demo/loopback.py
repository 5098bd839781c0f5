"""Two services that fail for real, on loopback: a port that refuses and a server that never answers."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Services(NamedTuple):
    """Where the shop's two dependencies are: URLs without a trailing slash."""

    payments: str
    shipping: str


class _NeverAnswers(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while self.request.recv(4096):
            pass  # until the client has had enough and closes


class _SilentServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gives up resets the connection; that is what this server is for."""


@contextmanager
def services() -> Iterator[Services]:
    """Both services for as long as the context lasts."""
    # Bound and not listening: the kernel refuses every connection, and nobody else can be given the port meanwhile.
    with socket.socket() as refusing, _SilentServer(("127.0.0.1", 0), _NeverAnswers) as silent:
        refusing.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=silent.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield Services(
                payments=f"http://127.0.0.1:{refusing.getsockname()[1]}",
                shipping=f"http://127.0.0.1:{silent.server_address[1]}",
            )
        finally:
            silent.shutdown()
            thread.join()
