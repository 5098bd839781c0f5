"""What an answer means, whatever a server puts into it."""

from __future__ import annotations

import gzip
import time
import zlib
from email.utils import formatdate

import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_errsample.transport import Answer, Outcome, response
from otel_errsample.transport.response import Redactor

_REDACT = Redactor(())


def partial_success(rejected: int, message: str = "") -> bytes:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = rejected
    answer.partial_success.error_message = message
    return answer.SerializeToString()


def status_with_retry_info(seconds: int = 0, nanos: int = 0) -> bytes:
    status = Status()
    status.details.add().Pack(BadRequest())
    info = RetryInfo()
    info.retry_delay.seconds, info.retry_delay.nanos = seconds, nanos
    status.details.add().Pack(info)
    return bytes(status.SerializeToString())


@pytest.mark.parametrize(
    ("body", "rejected", "cause"),
    [
        pytest.param(b"", 0, "", id="empty"),
        pytest.param(partial_success(0), 0, "", id="unset"),
        pytest.param(partial_success(3, "too old"), 3, "partial_success", id="three rejected"),
        pytest.param(partial_success(0, "please upgrade"), 0, "partial_success", id="warning"),
        pytest.param(partial_success(-5), 0, "", id="negative"),
        pytest.param(b"\xfa\x3e\x02hi" + partial_success(2), 2, "partial_success", id="unknown field"),
        pytest.param(b"<html>", 0, "unreadable_response", id="garbage"),
    ],
)
def test_a_success_is_accepted_and_rejected_spans_are_counted(body: bytes, rejected: int, cause: str) -> None:
    answer = response.accepted(body, b"", _REDACT)
    assert (Outcome.ACCEPTED, rejected, cause) == (answer.outcome, answer.rejected, answer.cause)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("CANCELLED", Outcome.RETRY),
        ("UNKNOWN", Outcome.FAILED),
        ("INVALID_ARGUMENT", Outcome.REFUSED),
        ("DEADLINE_EXCEEDED", Outcome.RETRY),
        ("NOT_FOUND", Outcome.FAILED),
        ("ALREADY_EXISTS", Outcome.FAILED),
        ("PERMISSION_DENIED", Outcome.FAILED),
        ("UNAUTHENTICATED", Outcome.FAILED),
        ("RESOURCE_EXHAUSTED", Outcome.REFUSED),
        ("FAILED_PRECONDITION", Outcome.FAILED),
        ("ABORTED", Outcome.RETRY),
        ("OUT_OF_RANGE", Outcome.REFUSED),
        ("UNIMPLEMENTED", Outcome.FAILED),
        ("INTERNAL", Outcome.FAILED),
        ("UNAVAILABLE", Outcome.RETRY),
        ("DATA_LOSS", Outcome.RETRY),
    ],
)
def test_each_grpc_code_has_one_outcome(code: str, outcome: Outcome) -> None:
    answer = response.grpc_failure(code, "", None, "")
    assert (outcome, code, None) == (answer.outcome, answer.cause, answer.retry_after)


@pytest.mark.scenario("D4")
@pytest.mark.parametrize(
    ("status", "wait"),
    [
        pytest.param(status_with_retry_info(3), 3.0, id="seconds"),
        pytest.param(status_with_retry_info(1, 500_000_000), 1.5, id="nanoseconds"),
        pytest.param(status_with_retry_info(0), 0.0, id="at once"),
        pytest.param(status_with_retry_info(-7), 0.0, id="negative"),
        pytest.param(status_with_retry_info(10**11), 300.0, id="for ever"),
    ],
)
def test_retry_info_makes_exhaustion_retryable_and_is_bounded(status: bytes, wait: float) -> None:
    answer = response.grpc_failure("RESOURCE_EXHAUSTED", "full", status, "")
    assert Answer(Outcome.RETRY, retry_after=wait, cause="RESOURCE_EXHAUSTED") == answer


@pytest.mark.parametrize(
    "status", [b"\xff\xff", b"", Status(message="m").SerializeToString(), status_with_retry_info(3) + bytes(70_000)]
)
def test_status_details_that_are_broken_empty_or_huge_are_ignored(status: bytes) -> None:
    assert response.grpc_failure("UNAVAILABLE", "", status, "").retry_after is None


def test_retry_info_behind_too_many_details_is_not_looked_for() -> None:
    status = Status()
    for _ in range(16):
        status.details.add().Pack(BadRequest())
    status.MergeFromString(status_with_retry_info(3))
    assert response.grpc_failure("UNAVAILABLE", "", status.SerializeToString(), "").retry_after is None


@pytest.mark.parametrize(
    ("code", "details", "maybe"),
    [
        pytest.param("UNAVAILABLE", "memory limit reached", False, id="the server said so"),
        pytest.param(
            "UNAVAILABLE", "failed to connect to all addresses; last error: reset", False, id="never connected"
        ),
        pytest.param("UNAVAILABLE", "Stream removed (Socket closed)", True, id="lost, grpcio 1.85"),
        pytest.param("UNAVAILABLE", "Socket closed", True, id="lost, grpcio 1.63"),
        pytest.param("UNAVAILABLE", "recvmsg:Connection reset by peer", True, id="reset"),
        pytest.param("UNAVAILABLE", "Cancelling all calls", True, id="server stopped"),
        pytest.param("DEADLINE_EXCEEDED", "Deadline Exceeded", True, id="deadline"),
        pytest.param("CANCELLED", "", True, id="cancelled"),
        pytest.param("ABORTED", "", False, id="aborted by the server"),
        pytest.param("UNAUTHENTICATED", "closed", False, id="not retryable"),
    ],
)
def test_a_lost_answer_is_told_from_a_refusal(code: str, details: str, maybe: bool) -> None:
    assert maybe is response.grpc_failure(code, details, None, "").maybe_delivered


def test_a_servers_limit_is_bisected_and_our_own_is_not() -> None:
    theirs = response.grpc_failure("RESOURCE_EXHAUSTED", "received message larger than max (5 vs. 4)", None, "")
    ours = response.grpc_failure("RESOURCE_EXHAUSTED", "CLIENT: Received message larger than max (5 vs. 4)", None, "")
    assert (Outcome.REFUSED, "RESOURCE_EXHAUSTED") == (theirs.outcome, theirs.cause)
    assert (Outcome.FAILED, "response_too_large") == (ours.outcome, ours.cause)


@pytest.mark.scenario("D2")
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (302, Outcome.FAILED),
        (307, Outcome.FAILED),
        (400, Outcome.REFUSED),
        (401, Outcome.FAILED),
        (403, Outcome.FAILED),
        (404, Outcome.FAILED),
        (405, Outcome.FAILED),
        (408, Outcome.FAILED),
        (413, Outcome.REFUSED),
        (429, Outcome.RETRY),
        (500, Outcome.FAILED),
        (501, Outcome.FAILED),
        (502, Outcome.RETRY),
        (503, Outcome.RETRY),
        (504, Outcome.RETRY),
        (999, Outcome.FAILED),
    ],
)
def test_each_http_status_has_one_outcome(status: int, outcome: Outcome) -> None:
    assert Answer(outcome, cause=str(status)) == response.http_failure(status, {}, "")


@pytest.mark.scenario("D3")
@pytest.mark.parametrize(
    ("value", "wait"),
    [
        pytest.param("1", 1.0, id="one second"),
        pytest.param(" 30 ", 30.0, id="thirty"),
        pytest.param("0", 0.0, id="none"),
        pytest.param("1000000000", 300.0, id="30 years"),
        pytest.param("9" * 5000, 300.0, id="5000 digits"),
        pytest.param(formatdate(1_000_060, usegmt=True), 60.0, id="date"),
        pytest.param(formatdate(999_000, usegmt=True), 0.0, id="date in the past"),
        pytest.param(formatdate(9_000_000, usegmt=True), 300.0, id="date in three months"),
        pytest.param("soon", None, id="garbage"),
        pytest.param("", None, id="empty"),
        pytest.param("-1", None, id="negative"),
        pytest.param("1.5", None, id="fraction"),
        pytest.param("inf", None, id="infinite"),
        pytest.param("\u0661", None, id="a digit, but not ASCII"),
        pytest.param("Mon, 99 Foo 99999 99:99:99 GMT", None, id="impossible date"),
    ],
)
def test_retry_after_is_read_bounded_and_measured_by_the_servers_clock(value: str, wait: float | None) -> None:
    headers = {"retry-after": value, "date": formatdate(1_000_000, usegmt=True)}
    assert wait == response.http_failure(503, headers, "").retry_after


def test_a_date_without_the_servers_clock_is_measured_by_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    headers = {"retry-after": formatdate(1_000_060, usegmt=True), "date": "yesterday"}
    assert 60.0 == response.http_failure(503, headers, "").retry_after


def test_the_message_of_an_http_error_is_taken_from_a_status_or_from_text() -> None:
    assert "bad span" == response.http_error_text(
        "application/x-protobuf", Status(message="bad span").SerializeToString()
    )
    assert "" == response.http_error_text("application/x-protobuf", b"\xff\xff")
    assert "no such path" == response.http_error_text("text/plain", b"no such path")


@pytest.mark.parametrize(
    "packed", [gzip.compress(b"answer"), zlib.compress(b"answer"), b"answer"], ids=["gzip", "zlib", "as is"]
)
def test_a_compressed_response_is_decompressed(packed: bytes) -> None:
    assert b"answer" == response.inflate(packed)


def test_data_that_ends_early_is_left_as_it_is() -> None:
    half = gzip.compress(b"answer")[:-3]
    assert half == response.inflate(half)


@pytest.mark.scenario("C6")
def test_a_bomb_is_not_decompressed_beyond_the_limit() -> None:
    with pytest.raises(response.ResponseTooLarge):
        response.inflate(gzip.compress(bytes(response.MAX_RESPONSE_BYTES + 1)))
    assert response.MAX_RESPONSE_BYTES == len(response.inflate(gzip.compress(bytes(response.MAX_RESPONSE_BYTES))))


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        pytest.param("bad token Bearer s3cr3t-token", "bad token ***", id="header value"),
        pytest.param("bad token S3CR3T-TOKEN!", "bad token ***!", id="token alone, another case"),
        pytest.param("tenant 7 over quota 700", "tenant *** over quota 700", id="short value as a word"),
        pytest.param("see https://user:pw@host/x", "see https://host/x", id="user information"),
        pytest.param("a\r\nforged: line\x1b[31m", "a forged: line [31m", id="control characters"),
        pytest.param(
            "cannot parse 'alice@example.org', sorry", "cannot parse '[redacted]', sorry", id="a secret of it"
        ),
        pytest.param("cannot parse 'alice of Example', sorry", "cannot parse '***', sorry", id="part of the request"),
        pytest.param("bad: al dente, al pesto.", "bad: ***.", id="several short words of the request"),
    ],
)
def test_a_servers_words_are_cleaned(text: str, cleaned: str) -> None:
    redact = Redactor(("Bearer s3cr3t-token", "7"))
    assert cleaned == redact(text, b"\x0a\x10alice of Example\x0a\x12al dente, al pesto")


def test_text_that_cannot_be_encoded_is_cleaned_too() -> None:
    assert "a b" == Redactor(())("a\ud800b", b"payload")


@pytest.mark.scenario("I6")
def test_a_secret_is_told_by_its_name_before_the_name_is_taken_for_an_echo() -> None:
    redact = Redactor(("Basic c29tZW9uZTpzM2NyM3QtcHc=", "Basic nothing"))
    assert "no room for *** of ***" == redact("no room for password=q7ogyjey4XVX of s3cr3t-pw", b"password=[redacted]")


@pytest.mark.parametrize(
    ("header", "password"),
    [
        ("Basic  c29tZW9uZTpzM2NyM3QtcHc=", "s3cr3t-pw"),
        ("basic c29tZW9uZTpzM2NyM3QtcHc", "s3cr3t-pw"),
        ("Basic c29tZW9uZTpw5HNzd/ZydA==", "p\xe4ssw\xf6rt"),
    ],
    ids=["two blanks", "without padding", "Latin-1"],
)
def test_a_password_is_known_however_it_was_encoded(header: str, password: str) -> None:
    assert "*** was not expected" == Redactor((header,))(f"{password} was not expected")


@given(st.text(max_size=300), st.text(max_size=300))
def test_cleaned_text_is_short_printable_and_without_the_secret(before: str, after: str) -> None:
    cleaned = Redactor(("Bearer s3cr3t-token",))(f"{before}s3cr3t-token{after}")
    assert len(cleaned) <= 200
    assert cleaned.isprintable()
    assert "s3cr3t-token" not in cleaned


@pytest.mark.scenario("D5")
@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer(data: bytes) -> None:
    assert Outcome.ACCEPTED is response.accepted(data, b"", _REDACT).outcome
    assert Outcome.RETRY is response.grpc_failure("UNAVAILABLE", "", data, "").outcome
    response.http_error_text("application/x-protobuf", data)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_retry_after_is_a_bounded_wait_or_none(value: str, date: str) -> None:
    wait = response.http_failure(429, {"retry-after": value, "date": date}, "").retry_after
    assert wait is None or 0.0 <= wait <= 300.0
