"""What a receiver can be told to answer, the same for both protocols."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span

FAULTS = ("", "black_hole", "drip", "drip_body", "reset", "bomb", "endless")

# How gRPC codes are spelt in HTTP, as far as OTLP uses them.
_HTTP_STATUS = {
    "OK": 200,
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A receiver's behaviour towards one request; the default accepts it.

    status: a gRPC code's name, understood over HTTP too where OTLP has a counterpart, or an HTTP status number.
    message: the error message, or that of a partial success.
    rejected: the number of spans reported as rejected in a partial success.
    retry_after: seconds, sent as RetryInfo or Retry-After; a text is sent as it is (HTTP only).
    delay: seconds before the answer.
    fault: "black_hole" never answers, "drip" sends the answer byte by byte without end, "drip_body" only its body
        (HTTP), "reset" breaks the connection instead of answering, "bomb" answers a small gzip body that becomes 64 MiB,
        "endless" a body above any limit.
    stored: whether the spans count as received; by default they do when the status is OK and there is no fault.
    refuse: a predicate; a request with a span for which it is true is answered INVALID_ARGUMENT or 400.
    body: what an HTTP 200 has as its body instead of an OTLP response.
    headers: further HTTP response headers.
    """

    status: str | int = "OK"
    message: str = ""
    rejected: int = 0
    retry_after: float | str | None = None
    delay: float = 0.0
    fault: str = ""
    stored: bool | None = None
    refuse: Callable[[Span], bool] | None = None
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"fault is expected to be one of {', '.join(map(repr, FAULTS))}, got {self.fault!r}")
        if isinstance(self.status, str) and not (self.status.isupper() and self.status.replace("_", "").isalpha()):
            raise ValueError(f"status is expected to be an HTTP status or a gRPC code's name, got {self.status!r}")

    @property
    def http_status(self) -> int:
        return self.status if isinstance(self.status, int) else _HTTP_STATUS.get(self.status, 500)

    @property
    def stores(self) -> bool:
        return self.stored if self.stored is not None else self.http_status == 200 and not self.fault

    def response(self) -> bytes:
        """Return the OTLP response message of a success, partial if anything is said about it."""
        response = ExportTraceServiceResponse()
        if self.rejected or self.message:
            response.partial_success.rejected_spans = self.rejected
            response.partial_success.error_message = self.message
        return response.SerializeToString()


def unavailable(retry_after: float | None = None) -> Reply:
    """Answer UNAVAILABLE or 503, with the wait asked for if any."""
    return Reply("UNAVAILABLE", message="try again", retry_after=retry_after)


def refuse_spans(predicate: Callable[[Span], bool]) -> Reply:
    """Refuse a request with INVALID_ARGUMENT or 400 if one of its spans satisfies the predicate, else accept it."""
    return Reply(refuse=predicate)
