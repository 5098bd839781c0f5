"""The gRPC side of a receiver: a grpcio server that takes and gives serialised messages."""

from __future__ import annotations

import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from otel_errsample.testing.relay import Relay
from otel_errsample.testing.replies import Reply
from otel_errsample.testing.store import Request

if TYPE_CHECKING:
    from otel_errsample.testing.receiver import Front, TlsFiles

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_BOMB_BYTES = 64 * 1024 * 1024
_ENDLESS_BYTES = 5 * 1024 * 1024
_DRIP_BYTES = 10_000


class GrpcServer(grpc.GenericRpcHandler):  # type: ignore[misc]
    """A running server; connections can be broken through a relay in front of it, which is only there if asked for."""

    def __init__(self, front: Front, port: int, tls: TlsFiles | None, max_request_bytes: int, relayed: bool) -> None:
        self._front = front
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", max_request_bytes),
            # Left compressed, so that a test can see that it was.
            ("grpc.per_message_decompression", 0),
        ]
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="receiver")
        self._server = grpc.server(self._pool, options=options)
        self._server.add_generic_rpc_handlers((self,))
        address = f"127.0.0.1:{port}"
        if tls is None:
            self.port: int = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, _credentials(tls))
        self._server.start()
        self.relay = Relay(self.port) if relayed else None
        if self.relay is not None:
            self.port = self.relay.port

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._export) if details.method == _METHOD else None

    def close(self) -> None:
        self._server.stop(None).wait()
        self._pool.shutdown()
        if self.relay is not None:
            self.relay.close()

    def _export(self, wire: bytes, context: Any) -> bytes:
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        # A serialised request starts with 0x0a, or is empty.
        zipped = wire[:1] == b"\x1f"
        payload = zlib.decompress(wire, 16 + zlib.MAX_WBITS) if zipped else wire
        request = Request(len(payload), len(wire), metadata, "gzip" if zipped else "none")
        reply = self._front.receive(payload, request)
        if reply.fault == "black_hole":
            return _never(context)
        if reply.fault == "reset" and self.relay is not None:
            self.relay.reset()
            return _never(context)
        if reply.fault == "bomb":
            context.set_compression(grpc.Compression.Gzip)
            return bytes(_BOMB_BYTES)
        if reply.fault == "endless":
            return bytes(_ENDLESS_BYTES)
        if reply.fault in ("drip", "drip_body") and self.relay is not None:
            self.relay.mode = "drip"
            return bytes(_DRIP_BYTES)
        if reply.http_status != 200:
            _refuse(reply, context)
        return reply.response()


def _never(context: Any) -> bytes:
    """Hold a call until the client gives it up or the server stops, which cancels it."""
    over = threading.Event()
    if context.add_callback(over.set):
        over.wait()
    return b""


def _refuse(reply: Reply, context: Any) -> None:
    code = getattr(grpc.StatusCode, str(reply.status), grpc.StatusCode.UNKNOWN)
    if isinstance(reply.retry_after, (int, float)):
        status = Status(code=code.value[0], message=reply.message)
        info = RetryInfo()
        info.retry_delay.FromNanoseconds(round(reply.retry_after * 1e9))
        status.details.add().Pack(info)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, reply.message)


def _credentials(tls: TlsFiles) -> Any:
    pair = (Path(tls.key).read_bytes(), Path(tls.certificate).read_bytes())
    if tls.client_roots is None:
        return grpc.ssl_server_credentials([pair])
    roots = Path(tls.client_roots).read_bytes()
    return grpc.ssl_server_credentials([pair], root_certificates=roots, require_client_auth=True)
