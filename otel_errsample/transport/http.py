"""OTLP over HTTP/protobuf: one kept-alive HTTP/1.1 connection, no redirects, no proxies, nothing from the environment.

http.client writes the request and reads the answer; the sockets under it (`deadline`) hold the deadline of the whole
exchange and can be cut from another thread.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import zlib
from collections import deque
from urllib.parse import parse_qsl, urlsplit

from otel_errsample.transport import Answer, Outcome, response
from otel_errsample.transport.certificates import CertificateError, Certificates
from otel_errsample.transport.deadline import Aborted, TimedSocket, Watch, connect
from otel_errsample.transport.identity import user_agent
from otel_errsample.transport.settings import OtlpSettings

# For 512 spans (185 kB) level 1 took 0.75 ms and left 31.3 kB, level 6 took 1.90 ms and left 28.5 kB.
_GZIP_LEVEL = 1
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


class _Connection(http.client.HTTPConnection):
    """A connection whose socket is under the watch of the send that uses it."""

    sock: TimedSocket | None
    # An application that debugs its own requests sets this on the base class; ours would print their credentials.
    debuglevel = 0

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        if tls is not None:
            self.default_port = http.client.HTTPS_PORT  # leaves the port out of the Host header
        super().__init__(host, port)
        self._tls = tls

    def put_under(self, watch: Watch) -> None:
        """Let `watch` rule the next exchange; connects if there is no connection."""
        if self.sock is None:
            self.sock = connect(self.host, self.port, self._tls, watch)
        else:
            watch.guard(self.sock)


class HttpTransport:
    """A `Transport` over HTTP.

    A connection belongs to the send that uses it and is put back only after a complete answer. Nothing here is locked:
    set and deque operations are atomic, and an inherited lock could not be released in a forked child.
    """

    def __init__(self, settings: OtlpSettings) -> None:
        url = urlsplit(settings.endpoint)
        self.endpoint = url._replace(query="", fragment="").geturl()  # for log lines; keys may stand in a query
        self._secure = url.scheme == "https"
        self._host = url.hostname or ""
        self._port = url.port or (http.client.HTTPS_PORT if self._secure else http.client.HTTP_PORT)
        self._target = url._replace(scheme="", netloc="").geturl() or "/"
        self._gzip = settings.compression == "gzip"
        self._headers = {
            "user-agent": user_agent(),
            **dict(settings.headers),
            "content-type": "application/x-protobuf",
            "accept-encoding": "identity",
        }
        if self._gzip:
            self._headers["content-encoding"] = "gzip"
        in_query = (value for _, value in parse_qsl(url.query))
        self._redact = response.Redactor([*(value for _, value in settings.headers), url.query, *in_query])
        self._certificates = Certificates(settings)
        self._tls: ssl.SSLContext | None = None
        self._idle: deque[_Connection] = deque()
        self._running: set[Watch] = set()

    def send(self, payload: bytes, timeout: float) -> Answer:
        watch = Watch(timeout)
        self._running.add(watch)
        try:
            return self._exchange(payload, watch)
        except Exception as error:  # nothing may reach the worker but an answer
            return self._failure(error, watch, payload)
        finally:
            self._running.discard(watch)

    def abort(self) -> None:
        for watch in tuple(self._running):
            watch.abort()

    def close(self, patience: float = 0.1) -> None:
        self.abort()
        while self._idle:
            self._idle.pop().close()

    def forget(self) -> None:
        sockets = [connection.sock for connection in self._idle] + [watch.sock for watch in self._running]
        self._idle = deque()
        self._running = set()
        for sock in sockets:
            if sock is not None:
                sock.abandon()

    def _exchange(self, payload: bytes, watch: Watch) -> Answer:
        body = _gzip(payload) if self._gzip else payload
        connection = self._take()
        complete = False
        try:
            connection.put_under(watch)
            try:
                connection.request("POST", self._target, body=body, headers=self._headers)
            except (BrokenPipeError, ConnectionResetError):
                pass  # a server that refuses early has stopped reading, but perhaps it has answered
            reply = connection.getresponse()
            answer, complete = self._read(reply, payload)
            return answer
        finally:
            if complete and not watch.aborted and connection.sock is not None:
                self._idle.append(connection)
            else:
                connection.close()

    def _take(self) -> _Connection:
        """Return the idle connection if it can still be used, else a new one, not yet connected."""
        stale = self._certificates.changed()
        while self._idle:
            connection = self._idle.pop()
            if not stale and connection.sock is not None and connection.sock.quiet():
                return connection
            connection.close()
        if self._secure and (stale or self._tls is None):
            self._tls = self._certificates.context()
        return _Connection(self._host, self._port, self._tls)

    def _read(self, reply: http.client.HTTPResponse, payload: bytes) -> tuple[Answer, bool]:
        """Return the answer, and whether all of the response was read, so that the connection can be used again."""
        try:
            body = _body(reply)
        except response.ResponseTooLarge:
            # Never retried, says the OTLP specification, whatever the status.
            return Answer(Outcome.FAILED, cause="response_too_large"), False
        except (OSError, http.client.HTTPException, Aborted):
            # Without its body a success is no answer: spans may have been rejected. Of a failure the status is enough.
            if 200 <= reply.status < 300:
                raise
            return self._judge(reply, b"", payload), False
        return self._judge(reply, body, payload), reply.isclosed()

    def _judge(self, reply: http.client.HTTPResponse, body: bytes, payload: bytes) -> Answer:
        content_type = reply.headers.get("content-type", "").lower()
        if reply.status == http.client.OK and "json" not in content_type:
            return response.accepted(body, payload, self._redact)
        if 200 <= reply.status < 300:
            return Answer(Outcome.ACCEPTED)
        headers = {name.lower(): value for name, value in reply.getheaders()}
        detail = self._redact(response.http_error_text(content_type, body), payload)
        return response.http_failure(reply.status, headers, detail)

    def _failure(self, error: Exception, watch: Watch, payload: bytes) -> Answer:
        if watch.aborted:
            return Answer(Outcome.RETRY, maybe_delivered=watch.begun, cause="aborted")
        detail = self._redact(str(error), payload)
        if isinstance(error, CertificateError):
            # The files may be just being mounted or replaced; the spans wait within their budget.
            return Answer(Outcome.RETRY, cause="certificate", detail=detail)
        if isinstance(error, (OSError, http.client.IncompleteRead)):
            return Answer(Outcome.RETRY, maybe_delivered=watch.begun, cause=_cause(error), detail=detail)
        if isinstance(error, http.client.HTTPException):
            return Answer(Outcome.FAILED, cause="no_http_answer", detail=type(error).__name__)
        detail = self._redact(f"{type(error).__name__}: {error}", payload)
        return Answer(Outcome.FAILED, cause="internal", detail=detail)


def _cause(error: Exception) -> str:
    """Return a label for a connection that did not come about or was lost."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, (ConnectionError, http.client.IncompleteRead)):
        return "reset"
    return "dns" if isinstance(error, socket.gaierror) else "network"


def _body(reply: http.client.HTTPResponse) -> bytes:
    """Read a response's body; raises ResponseTooLarge, OSError or HTTPException."""
    if reply.length is not None and reply.length > response.MAX_RESPONSE_BYTES:
        raise response.ResponseTooLarge
    body = reply.read(response.MAX_RESPONSE_BYTES + 1)
    if len(body) > response.MAX_RESPONSE_BYTES:
        raise response.ResponseTooLarge
    if reply.length:  # http.client does not complain when a sized read meets the end early
        raise http.client.IncompleteRead(b"", reply.length)
    if reply.headers.get("content-encoding", "identity").lower() in ("gzip", "deflate"):
        body = response.inflate(body)
    return body


def _gzip(payload: bytes) -> bytes:
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
    return compressor.compress(payload) + compressor.flush()
