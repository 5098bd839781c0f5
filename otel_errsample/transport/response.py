"""Read a server's answer: OTLP partial success, gRPC status with RetryInfo, HTTP status with Retry-After.

Everything here comes from the network, so everything is bounded: sizes, counts, waits, and what goes into a log line.
"""

from __future__ import annotations

import base64
import re
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_errsample._hot import scrub_text
from otel_errsample.transport import Answer, Outcome

# After decompression: the limit the OTLP specification recommends to clients.
MAX_RESPONSE_BYTES = 4 * 1024 * 1024
# No server holds exports back for longer with one answer; the Collector's exporters give a batch up after 300 s.
MAX_RETRY_AFTER = 300.0
_MAX_DETAIL = 200
# Looked at before cleaning: enough that what is cut off at 200 characters was cleaned as a whole.
_MAX_RAW_DETAIL = 4096
_MAX_STATUS_BYTES = 64 * 1024
_MAX_STATUS_DETAILS = 16
# Shorter pieces of a message are in any payload by chance.
_SHORTEST_ECHO = 8
_WORD_START = re.compile(r"\b\w")

# The OTLP specification's table of retryable codes, except OUT_OF_RANGE: servers written in Rust answer it to a message
# above their limit, which no repetition makes smaller. RESOURCE_EXHAUSTED is retryable only with RetryInfo.
_GRPC_RETRY = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "UNAVAILABLE", "DATA_LOSS"})
_GRPC_REFUSED = frozenset({"INVALID_ARGUMENT", "OUT_OF_RANGE", "RESOURCE_EXHAUSTED"})
_HTTP_RETRY = frozenset({429, 502, 503, 504})
_HTTP_REFUSED = frozenset({400, 413})

# ExportTraceServiceResponse without partial_success, or with an empty one: nearly every answer, and 13 us to parse.
_ALL_ACCEPTED = (b"", b"\n\x00")

# UNAVAILABLE is both a server's answer and what grpcio says of a lost connection; only its text tells them apart.
_NEVER_CONNECTED = re.compile(r"failed to connect|errors? resolving|DNS resolution failed|empty address list").search
_LOST_ON_THE_WAY = re.compile(
    r"stream removed|closed|reset|broken pipe|goaway|transport|terminat|time[d-]? ?out|cancelling all calls|keepalive",
    re.IGNORECASE,
).search
# grpcio reports its own limits with the code a server uses for its limits.
_OWN_LIMIT = re.compile("CLIENT: Received message larger|received metadata size exceeds").search

_USERINFO = re.compile(r"//[^/\s@]*@")


class ResponseTooLarge(Exception):
    """A response is longer than MAX_RESPONSE_BYTES, as sent or after decompression."""


class Redactor:
    """Makes a server's words fit for a log: without the secrets of this client, without what it was sent, short."""

    def __init__(self, secrets: Iterable[str]) -> None:
        words = {part for secret in secrets for part in _parts(secret) if part.strip()}
        # A short value, such as a tenant's number, is replaced as a whole word only.
        patterns = [re.escape(word) if len(word) > 3 else rf"\b{re.escape(word)}\b" for word in words]
        self._secrets = re.compile("|".join(sorted(patterns, key=len, reverse=True)) or r"(?!)", re.IGNORECASE)

    def __call__(self, text: str, payload: bytes = b"") -> str:
        text = "".join(char if char.isprintable() else " " for char in text[:_MAX_RAW_DETAIL])
        text = _USERINFO.sub("//", self._secrets.sub("***", text))
        # First, while the names stand before them: a name that was sent is an echo, and its secret was not sent.
        text, _ = scrub_text(text)
        return _without_echoes(" ".join(text.split())[:_MAX_DETAIL], payload)[:_MAX_DETAIL]


def _parts(secret: str) -> Iterator[str]:
    """What of a header's value is a secret by itself: a token behind its scheme, a password within its encoding."""
    scheme, _, token = secret.rpartition(" ")
    yield secret
    yield token
    if scheme.strip().lower() == "basic":
        try:
            told = base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
        except ValueError:
            return  # not what it says
        for encoding in ("utf-8", "latin-1"):
            yield told.decode(encoding, "replace").partition(":")[2]


def _without_echoes(text: str, payload: bytes) -> str:
    """Replace what a server quotes from the request; looks only where a word starts, 40 places or so in a message."""
    kept, position = "", 0
    for found in _WORD_START.finditer(text):
        start = found.start()
        end = start + _SHORTEST_ECHO
        if start < position or end > len(text) or text[start:end].encode() not in payload:
            continue
        while end < len(text) and text[start : end + 1].encode() in payload:
            end += 1
        kept, position = f"{kept}{text[position:start]}***", end
    return kept + text[position:]


def accepted(body: bytes, payload: bytes, redact: Redactor) -> Answer:
    """Read the body of a success; one that is no OTLP message is a success all the same, with a cause to count."""
    if body in _ALL_ACCEPTED:
        return Answer(Outcome.ACCEPTED)
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:
        return Answer(Outcome.ACCEPTED, cause="unreadable_response")
    rejected = max(partial.rejected_spans, 0)
    if not (rejected or partial.error_message):
        return Answer(Outcome.ACCEPTED)
    detail = redact(partial.error_message, payload)
    return Answer(Outcome.ACCEPTED, rejected=rejected, cause="partial_success", detail=detail)


def grpc_failure(code: str, details: str, status: bytes | None, detail: str) -> Answer:
    """Judge a gRPC status by its code's name, its text and its `grpc-status-details-bin`; `detail` is the cleaned text.

    A request counts as perhaps delivered when the connection was lost after it was established, and on a deadline.
    """
    if code == "RESOURCE_EXHAUSTED" and _OWN_LIMIT(details):
        return Answer(Outcome.FAILED, cause="response_too_large", detail=detail)
    wait = _retry_info(status) if status else None
    if code in _GRPC_RETRY or (code == "RESOURCE_EXHAUSTED" and wait is not None):
        unanswered = code in ("CANCELLED", "DEADLINE_EXCEEDED") or _LOST_ON_THE_WAY(details) is not None
        maybe = wait is None and unanswered and not never_connected(details)
        return Answer(Outcome.RETRY, retry_after=wait, maybe_delivered=maybe, cause=code, detail=detail)
    outcome = Outcome.REFUSED if code in _GRPC_REFUSED else Outcome.FAILED
    return Answer(outcome, cause=code, detail=detail)


def never_connected(details: str) -> bool:
    """Say whether grpcio's text about UNAVAILABLE means that no connection came about."""
    return _NEVER_CONNECTED(details) is not None


def http_failure(status: int, headers: Mapping[str, str], detail: str) -> Answer:
    """Judge an HTTP status other than 2xx; header names are in lower case."""
    if status in _HTTP_RETRY:
        wait = _retry_after(headers.get("retry-after", ""), headers.get("date", ""))
        return Answer(Outcome.RETRY, retry_after=wait, cause=str(status), detail=detail)
    outcome = Outcome.REFUSED if status in _HTTP_REFUSED else Outcome.FAILED
    return Answer(outcome, cause=str(status), detail=detail)


def http_error_text(content_type: str, body: bytes) -> str:
    """Return the message of an error response: of a `google.rpc.Status`, as OTLP/HTTP has it, or plain text."""
    if "protobuf" not in content_type:
        return body[:_MAX_RAW_DETAIL].decode(errors="replace")
    try:
        return str(Status.FromString(body[:_MAX_STATUS_BYTES]).message)
    except DecodeError:
        return ""


def inflate(data: bytes) -> bytes:
    """Decompress gzip or zlib data; raises ResponseTooLarge. Other data is returned as it is, to be found unreadable."""
    inflater = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # 32: detect gzip or zlib
    try:
        plain = inflater.decompress(data, MAX_RESPONSE_BYTES + 1)
    except zlib.error:
        return data
    if len(plain) > MAX_RESPONSE_BYTES:
        raise ResponseTooLarge
    return plain if inflater.eof else data


def _retry_info(status: bytes) -> float | None:
    """Return the delay of the RetryInfo in a serialised `google.rpc.Status`, None without one."""
    if len(status) > _MAX_STATUS_BYTES:
        return None
    try:
        for detail in Status.FromString(status).details[:_MAX_STATUS_DETAILS]:
            info = RetryInfo()
            if detail.Unpack(info):
                return _bounded(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    except DecodeError:
        pass
    return None


def _retry_after(value: str, date: str) -> float | None:
    """Read a Retry-After header (RFC 9110 section 10.2.3): seconds, or a date, which counts from the response's own Date.

    The server's two clocks are one; against this host's a wrong or stepped clock would make hours of it.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return _bounded(float(value[:10]))  # more digits are more than the bound anyway
    try:
        then = parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    try:
        now = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        now = time.time()
    return _bounded(then - now)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
