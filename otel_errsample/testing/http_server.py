"""The HTTP side of a receiver: a threading server that can also misbehave below the level of HTTP."""

from __future__ import annotations

import functools
import os
import socket
import ssl
import struct
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from google.rpc.status_pb2 import Status

from otel_errsample.testing.replies import Reply
from otel_errsample.testing.store import Request

if TYPE_CHECKING:
    from otel_errsample.testing.receiver import Front, TlsFiles

PATH = "/v1/traces"
_DRIP_INTERVAL = 0.05
_BOMB_BYTES = 64 * 1024 * 1024
_BLOCK = bytes(64 * 1024)


class HttpServer(ThreadingHTTPServer):
    """A running server; each connection has a thread."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, front: Front, port: int, tls: TlsFiles | None, max_request_bytes: int) -> None:
        self.front = front
        self.max_request_bytes = max_request_bytes
        self.closing = threading.Event()
        self._tls = _context(tls) if tls is not None else None
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)
        self.port: int = self.server_address[1]
        # The default poll, 0.5 s, is how long a shutdown takes.
        threading.Thread(target=self.serve_forever, args=(0.02,), name="receiver", daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        for connection in tuple(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls is not None:
            # The handshake happens at the first read, in the connection's thread.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients of tests break connections on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes; with Nagle's algorithm the second waits 40 ms for the client's delayed ACK.
    disable_nagle_algorithm = True
    server: HttpServer

    def do_POST(self) -> None:
        wire_size = int(self.headers.get("content-length", "0"))
        if wire_size > self.server.max_request_bytes:
            for start in range(0, wire_size, len(_BLOCK)):
                self.rfile.read(min(len(_BLOCK), wire_size - start))
            return self._answer(413, b"")
        wire = self.rfile.read(wire_size)
        if self.path.partition("?")[0] != PATH:
            return self._answer(404, b"")
        compression = self.headers.get("content-encoding", "none")
        payload = zlib.decompress(wire, 16 + zlib.MAX_WBITS) if compression == "gzip" else wire
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.front.receive(payload, Request(len(payload), wire_size, headers, compression))
        try:
            self._carry_out(reply)
        except OSError:  # the client has had enough
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  BaseHTTPRequestHandler names it so
        """Say nothing."""

    def _carry_out(self, reply: Reply) -> None:
        if reply.fault == "black_hole":
            self.server.closing.wait()
        elif reply.fault == "reset":
            # Linger on with time 0: close() sends RST instead of FIN (socket(7)).
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        elif reply.fault == "drip":
            self._drip(b"HTTP/1.1 200 OK\r\nx-drip: ")
        elif reply.fault == "drip_body":
            self._head(reply.http_status, {**reply.headers, "content-length": "1000000"})
            self._drip(b"")
        elif reply.fault == "bomb":
            self._answer(reply.http_status, _bomb(), {"content-encoding": "gzip", **reply.headers})
        elif reply.fault == "endless":
            self._head(reply.http_status, {**reply.headers, "connection": "close"})
            while not self.server.closing.is_set():
                self.wfile.write(_BLOCK)
        else:
            headers = dict(reply.headers)
            if reply.retry_after is not None:
                headers["retry-after"] = str(reply.retry_after)
            self._answer(reply.http_status, _content(reply), headers)
            return
        self.close_connection = True

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        framing = {"content-type": "application/x-protobuf", "content-length": str(len(body))}
        self._head(status, {**framing, **(headers or {})})
        self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        names = {name.lower() for name in headers}
        if "date" not in names:
            self.send_header("date", self.date_time_string())
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _drip(self, start: bytes) -> None:
        self.wfile.write(start)
        while not self.server.closing.wait(_DRIP_INTERVAL):
            self.wfile.write(b"a")


def _content(reply: Reply) -> bytes:
    if reply.body is not None:
        return reply.body
    if reply.http_status == 200:
        return reply.response()
    return bytes(Status(message=reply.message).SerializeToString())


@functools.cache
def _bomb() -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    blocks = [compressor.compress(_BLOCK) for _ in range(_BOMB_BYTES // len(_BLOCK))]
    return b"".join(blocks) + compressor.flush()


def _context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.client_roots is not None:
        context.load_verify_locations(tls.client_roots)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
