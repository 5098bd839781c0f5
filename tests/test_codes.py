"""Codes on spans and on exceptions, as the libraries leave them there."""

from __future__ import annotations

import enum
import socket
import sqlite3
import ssl
import sys
import types
from typing import Any

import grpc
import pytest
import requests
import urllib3

from otel_errsample import _hot
from tests.failing import caused, library, make_span

CLASSIFIER = _hot.Classifier()


def holding(exception: BaseException, **values: Any) -> BaseException:
    exception.__dict__.update(values)
    return exception


MYSQL_ERROR = library("pymysql.err.Error")


class Holder:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Answer(enum.IntEnum):
    GONE = 410


class FailedCall(grpc.RpcError):  # type: ignore[misc,unused-ignore]
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.DEADLINE_EXCEEDED


class BrokenCall(grpc.RpcError):  # type: ignore[misc,unused-ignore]
    def code(self) -> grpc.StatusCode:
        raise RuntimeError


def failed_http(status: int) -> Exception:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("failed", response=response)


def exhausted(**metadata: Any) -> BaseException:
    state = Holder(code=grpc.StatusCode.RESOURCE_EXHAUSTED, **metadata)
    return holding(library("grpc._channel._InactiveRpcError", grpc.RpcError)(), _state=state)


CLIENT_ERROR = library("botocore.exceptions.ClientError")
CALL_ERROR = library("google.api_core.exceptions.GoogleAPICallError")
KAFKA_ERROR = library("kafka.errors.KafkaError")
RESPONSE_ERROR = library("aiohttp.client_exceptions.ClientResponseError")
NO_JSON = library("aiohttp.client_exceptions.ContentTypeError", RESPONSE_ERROR)
MONGO_ERROR = library("pymongo.errors.PyMongoError")
WRAPPED_BY_DRIVER = library("psycopg.errors.SerializationFailure", library("psycopg.Error"), sqlstate="40001")


def aws(code: str, status: int) -> BaseException:
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return holding(CLIENT_ERROR("x"), response=response)


class Confluent:
    def code(self) -> int:
        return 7

    def retriable(self) -> bool:
        return True


CARRIED: dict[str, tuple[BaseException, str, str | None, str]] = {
    "grpc, private state": (
        holding(library("grpc._channel._InactiveRpcError", grpc.RpcError)(),
                _state=Holder(code=grpc.StatusCode.UNAVAILABLE)),
        "unavailable", "grpc:UNAVAILABLE", "backoff",
    ),
    "grpc.aio": (
        holding(library("grpc.aio._call.AioRpcError", grpc.RpcError)(), _code=grpc.StatusCode.NOT_FOUND),
        "client", "grpc:NOT_FOUND", "none",
    ),
    "grpc, own subclass": (FailedCall(), "timeout", "grpc:DEADLINE_EXCEEDED", "backoff"),
    "grpc, code() raises": (BrokenCall(), "unknown", None, "none"),
    "grpc, exhausted": (exhausted(), "throttle", "grpc:RESOURCE_EXHAUSTED", "free_resource"),
    "grpc, exhausted with RetryInfo": (
        exhausted(trailing_metadata=(("grpc-status-details-bin", b"..type.googleapis.com/google.rpc.RetryInfo"),)),
        "throttle", "grpc:RESOURCE_EXHAUSTED", "backoff",
    ),
    "google, grpc code": (
        library("google.api_core.exceptions.Aborted", CALL_ERROR, grpc_status_code=grpc.StatusCode.ABORTED, code=409)(),
        "conflict", "grpc:ABORTED", "retry_tx",
    ),
    "google, http code": (
        library("google.api_core.exceptions.Gone", CALL_ERROR, grpc_status_code=None, code=Answer.GONE)(),
        "client", "http:410", "fix_request",
    ),
    "requests 503": (failed_http(503), "unavailable", "http:503", "backoff"),
    "requests, a header that is none": (requests.exceptions.InvalidHeader("x"), "bug", None, "fix_code"),
    "requests, no such scheme": (requests.exceptions.InvalidSchema("x"), "bug", None, "fix_code"),
    "requests, a body read twice": (requests.exceptions.StreamConsumedError("x"), "bug", None, "fix_code"),
    "requests, a body that is gone": (requests.exceptions.UnrewindableBodyError("x"), "bug", None, "fix_code"),
    "requests, a body that cannot be decoded": (requests.exceptions.ContentDecodingError("x"), "data", None, "none"),
    "requests 404": (failed_http(404), "client", "http:404", "none"),
    "httpx": (
        holding(library("httpx.HTTPStatusError")(), response=Holder(status_code=429)), "throttle", "http:429", "backoff",
    ),
    "aiohttp": (
        holding(RESPONSE_ERROR(), status=401), "auth", "http:401", "refresh_auth",
    ),
    "aiohttp, no JSON in a failure": (holding(NO_JSON(), status=503), "unavailable", "http:503", "backoff"),
    "aiohttp, no JSON": (holding(NO_JSON(), status=200), "data", None, "none"),
    "aiohttp, no HTTP": (
        caused(
            holding(RESPONSE_ERROR(), status=400),
            holding(library("aiohttp.http_exceptions.BadStatusLine")("x"), code=400),
            True,
        ),
        "connection", None, "retry",
    ),
    "aiohttp, of another cause": (
        caused(holding(RESPONSE_ERROR(), status=400), ValueError("x"), True), "client", "http:400", "fix_request",
    ),
    "werkzeug, on the class": (
        library("werkzeug.exceptions.Gone", library("werkzeug.exceptions.HTTPException"), code=410)(),
        "client", "http:410", "fix_request",
    ),
    "falcon, text": (
        holding(library("falcon.http_error.HTTPError")(), status="503 Service Unavailable"),
        "unavailable", "http:503", "backoff",
    ),
    "psycopg": (library("psycopg.errors.Other", library("psycopg.Error"), sqlstate="57P02")(),
                "unavailable", "sqlstate:57P02", "backoff"),
    "psycopg, connect without sqlstate": (
        holding(library("psycopg.OperationalError")(), sqlstate=None), "connection", None, "backoff",
    ),
    "psycopg, operational with sqlstate": (
        library("psycopg.errors.Starting", library("psycopg.OperationalError", library("psycopg.Error")), sqlstate="57P03")(),
        "unavailable", "sqlstate:57P03", "backoff",
    ),
    "psycopg2": (holding(library("psycopg2.Error")(), pgcode="53100"), "resource", "sqlstate:53100", "free_resource"),
    "asyncpg": (library("asyncpg.exceptions._base.PostgresError", sqlstate="23505")(), "business", "sqlstate:23505", "none"),
    "sqlite, extended code": (
        holding(sqlite3.OperationalError("any text"), sqlite_errorcode=517), "conflict", "sqlite:BUSY", "backoff",
    ),
    "sqlite, statement": (
        holding(sqlite3.OperationalError("any text"), sqlite_errorcode=1), "bug", "sqlite:ERROR", "fix_code",
    ),
    "sqlite, text alone": (
        sqlite3.OperationalError("unable to open database file"), "config", "sqlite:CANTOPEN", "fix_config",
    ),
    "sqlite, neither": (sqlite3.OperationalError("x"), "conflict", None, "backoff"),
    "sqlite, class and code": (
        holding(sqlite3.IntegrityError("x"), sqlite_errorcode=2067), "business", "sqlite:CONSTRAINT", "none",
    ),
    "sqlite, class without a row": (
        holding(sqlite3.DatabaseError("x"), sqlite_errorcode=11), "data", "sqlite:CORRUPT", "none",
    ),
    "aws throttled with 400": (aws("ThrottlingException", 400), "throttle", "aws:ThrottlingException", "backoff"),
    "aws expired": (aws("ExpiredToken", 403), "auth", "aws:ExpiredToken", "refresh_auth"),
    "aws, signed too long ago": (aws("RequestExpired", 400), "auth", "aws:RequestExpired", "refresh_auth"),
    "aws, no such key": (
        aws("UnrecognizedClientException", 400), "auth", "aws:UnrecognizedClientException", "fix_config",
    ),
    "aws, another transaction": (
        aws("TransactionConflictException", 400), "conflict", "aws:TransactionConflictException", "retry_tx",
    ),
    "aws, keys throttled": (aws("KMSThrottlingException", 400), "throttle", "aws:KMSThrottlingException", "backoff"),
    "aws, code unknown": (aws("Whatever", 503), "unavailable", "aws:Whatever", "backoff"),
    "boto3, an upload that was refused": (
        caused(library("boto3.exceptions.S3UploadFailedError")("x"), aws("SlowDown", 503), False),
        "throttle", "aws:SlowDown", "backoff",
    ),
    "errno": (OSError(28, "full"), "resource", "errno:ENOSPC", "free_resource"),
    "errno, of every address of a host": (
        OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0), [Errno 111] Connect call failed"),
        "connection", "errno:ECONNREFUSED", "backoff",
    ),
    "errno, of nothing": (OSError("Multiple exceptions: x"), "unknown", None, "none"),
    "errno without advice": (OSError(9, "bad"), "unknown", "errno:EBADF", "none"),
    "refused": (ConnectionRefusedError(111, "no"), "connection", "errno:ECONNREFUSED", "backoff"),
    "name service, try again": (socket.gaierror(socket.EAI_AGAIN, "x"), "connection", "errno:EAI_AGAIN", "backoff"),
    "name service, no such name": (socket.gaierror(socket.EAI_NONAME, "x"), "config", "errno:EAI_NONAME", "fix_config"),
    "name service, h_errno is no errno": (socket.herror(1, "Unknown host"), "connection", None, "backoff"),
    "name service, nor is a number that it does not know": (socket.gaierror(99, "x"), "connection", None, "backoff"),
    "OpenSSL's number is no errno": (
        ssl.SSLCertVerificationError(1, "certificate verify failed"), "config", None, "fix_config",
    ),
    "OpenSSL, certificate": (
        holding(ssl.SSLCertVerificationError(1, "x"), reason="CERTIFICATE_VERIFY_FAILED"),
        "config", "ssl:CERTIFICATE_VERIFY_FAILED", "fix_config",
    ),
    "OpenSSL, another reason": (
        holding(ssl.SSLError(1, "x"), reason="WRONG_VERSION_NUMBER"), "connection", "ssl:WRONG_VERSION_NUMBER", "fix_config",
    ),
    "urllib3, retries spent on answers": (
        urllib3.exceptions.ResponseError("too many 429 error responses"), "throttle", "http:429", "backoff",
    ),
    "urllib3, retries spent on something": (
        urllib3.exceptions.ResponseError("too many error responses"), "unavailable", None, "backoff",
    ),
    "requests, retries spent on answers": (
        caused(
            requests.exceptions.RetryError("x"),
            holding(library("urllib3.exceptions.MaxRetryError")(), reason=urllib3.exceptions.ResponseError("too many 503")),
            False,
        ),
        "unavailable", "http:503", "backoff",
    ),
    "mysql, deadlock": (
        library("pymysql.err.OperationalError", MYSQL_ERROR)(1213, "Deadlock found"), "conflict", "mysql:1213", "retry_tx",
    ),
    "mysql, gone away, as mysqlclient has it": (
        library("MySQLdb.OperationalError", library("MySQLdb.Error"))(2006, "gone"), "connection", "mysql:2006", "retry",
    ),
    "mysql, as its own driver has it": (
        library("mysql.connector.errors.InternalError", library("mysql.connector.errors.Error"))(1213, "1213 (40001): x"),
        "conflict", "mysql:1213", "retry_tx",
    ),
    "mysql, class and code": (
        library("pymysql.err.IntegrityError", MYSQL_ERROR)(1062, "Duplicate entry"), "business", "mysql:1062", "none",
    ),
    "mysql, number without advice": (
        library("pymysql.err.OperationalError", MYSQL_ERROR)(1999, "x"), "connection", "mysql:1999", "backoff",
    ),
    "mysql, no number": (library("pymysql.err.InternalError", MYSQL_ERROR)("closed"), "unknown", None, "none"),
    "sqlalchemy, deadlock of mysql": (
        holding(
            library("sqlalchemy.exc.OperationalError", library("sqlalchemy.exc.DBAPIError"))(),
            orig=holding(library("pymysql.err.OperationalError", MYSQL_ERROR)(1213, "Deadlock"), sqlstate="40001"),
        ),
        "conflict", "mysql:1213", "retry_tx",
    ),
    "sqlalchemy, code of sqlite": (
        holding(
            library("sqlalchemy.exc.IntegrityError", library("sqlalchemy.exc.DBAPIError"))(),
            orig=holding(sqlite3.IntegrityError("x"), sqlite_errorcode=2067),
        ),
        "business", "sqlite:CONSTRAINT", "none",
    ),
    "django, code of sqlite": (
        caused(library("django.db.utils.IntegrityError", library("django.db.utils.Error"))(), holding(sqlite3.IntegrityError("x"), sqlite_errorcode=2067), explicit=True),
        "business", "sqlite:CONSTRAINT", "none",
    ),
    "httpx2, as httpx": (library("httpx2.ConnectError", library("httpx2.NetworkError"))(), "connection", None, "backoff"),
    "an API's own name for the status": (holding(library("stripe.RateLimitError")(), http_status=429), "throttle", "http:429", "backoff"),
    "no privilege": (library("asyncpg.exceptions.X", library("asyncpg.exceptions._base.PostgresError"), sqlstate="42501")(), "auth", "sqlstate:42501", "fix_config"),
    "no such database": (library("asyncpg.exceptions.X", library("asyncpg.exceptions._base.PostgresError"), sqlstate="3D000")(), "config", "sqlstate:3D000", "fix_config"),
    "kafka, retriable": (
        library("kafka.errors.LeaderError", KAFKA_ERROR, errno=5, retriable=True)(), "unavailable", "kafka:5", "backoff",
    ),
    "kafka, final": (library("kafka.errors.Other", KAFKA_ERROR, errno=2, retriable=False)(), "unknown", "kafka:2", "none"),
    "confluent": (library("cimpl.KafkaException")(Confluent()), "unavailable", "kafka:7", "backoff"),
    "mongo label": (
        holding(library("pymongo.errors.OperationFailure", MONGO_ERROR)(), _error_labels={"TransientTransactionError"}),
        "conflict", None, "retry_tx",
    ),
    "sqlalchemy, wrapped driver error": (
        holding(library("sqlalchemy.exc.OperationalError", library("sqlalchemy.exc.DBAPIError"))(), orig=WRAPPED_BY_DRIVER()),
        "conflict", "sqlstate:40001", "retry_tx",
    ),
    "sqlalchemy, driver error gone": (
        library("sqlalchemy.exc.OperationalError", library("sqlalchemy.exc.DBAPIError"))(), "unavailable", None, "backoff",
    ),
    "sqlalchemy, connection invalidated": (
        holding(library("sqlalchemy.exc.DBAPIError")(), connection_invalidated=True, orig=WRAPPED_BY_DRIVER()),
        "connection", None, "backoff",
    ),
    "urllib, reason": (
        holding(library("urllib.error.URLError", OSError)(), reason=ConnectionResetError(104, "gone")),
        "connection", "errno:ECONNRESET", "retry",
    ),
    "urllib, reason is text": (holding(library("urllib.error.URLError", OSError)(), reason="no host"), "unknown", None, "backoff"),
    "tenacity": (
        holding(library("tenacity.RetryError")(), last_attempt=Holder(_exception=TimeoutError())), "timeout", None, "backoff",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("exception", "kind", "code", "recovery"), CARRIED.values(), ids=CARRIED.keys())
def test_the_code_an_exception_carries_decides(
    exception: BaseException, kind: str, code: str | None, recovery: str
) -> None:
    facts = CLASSIFIER.facts(exception)
    assert (kind, code, recovery) == (facts.kind, facts.code, facts.recovery)


def test_a_call_that_has_not_ended_is_not_waited_for() -> None:
    def code(self: object) -> None:
        raise AssertionError("would wait")

    rendezvous = library("grpc._channel._MultiThreadedRendezvous", grpc.RpcError, code=code)
    facts = CLASSIFIER.facts(holding(rendezvous(), _state=Holder(code=None)))
    assert ("unknown", None) == (facts.kind, facts.code)


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"http.response.status_code": 503}, "http:503"),
        ({"http.status_code": 503}, "http:503"),
        ({"http.response.status_code": 500, "http.status_code": 503}, "http:500"),
        ({"http.response.status_code": "503"}, "http:503"),
        ({"http.response.status_code": True}, None),
        ({"http.response.status_code": 10**30}, None),
        ({"http.response.status_code": 600}, None),
        ({"http.response.status_code": "50"}, None),
        ({"http.response.status_code": 503.0}, None),
        ({"rpc.grpc.status_code": 13}, "grpc:INTERNAL"),
        ({"rpc.grpc.status_code": 17}, None),
        ({"rpc.grpc.status_code": -1}, None),
        ({"rpc.response.status_code": "DATA_LOSS"}, "grpc:DATA_LOSS"),
        ({"rpc.status_code": "UNIMPLEMENTED"}, "grpc:UNIMPLEMENTED"),
        ({"rpc.status_code": "-32601"}, None),
        ({}, None),
    ],
    ids=repr,
)
def test_a_code_alone_makes_a_server_span_an_error(attributes: dict[str, Any], code: str | None) -> None:
    facts = CLASSIFIER.classify_span(make_span(kind="SERVER", attributes=attributes))
    assert (None if code is None else (True, code, "code")) == (
        None if facts is None else (facts.error, facts.code, facts.source)
    )


@pytest.mark.parametrize("number", range(17))
def test_rpc_codes_count_by_the_side_of_the_call(number: int) -> None:
    attributes = {"rpc.grpc.status_code": number}
    server = CLASSIFIER.classify_span(make_span(kind="SERVER", attributes=attributes))
    client = CLASSIFIER.classify_span(make_span(kind="CLIENT", attributes=attributes))
    assert (number in (2, 4, 12, 13, 14, 15)) is (server is not None)
    assert (number != 0) is (client is not None)


@pytest.mark.parametrize(
    ("name", "message", "code"),
    [
        ("OSError", "[Errno 28] No space left on device", "errno:ENOSPC"),
        ("OSError", "[Errno x] odd", None),
        ("socket.gaierror", f"[Errno {int(socket.EAI_NONAME)}] Name or service not known", "errno:EAI_NONAME"),
        ("socket.gaierror", "[Errno --2] Name or service not known", None),
        ("ssl.SSLError", "[Errno 1] not from the system", None),
        ("socket.herror", "[Errno 1] Unknown host", None),
        ("ssl.SSLCertVerificationError", "[SSL: CERTIFICATE_VERIFY_FAILED] x (_ssl.c:1006)", "ssl:CERTIFICATE_VERIFY_FAILED"),
        ("ssl.SSLError", "[SSL: never closed", None),
        ("OSError", "[Errno 28", None),
        ("OSError", "Multiple exceptions: [Errno 111] Connect call failed", "errno:ECONNREFUSED"),
        ("OSError", "[Errno x] 1]", None),
        ("botocore.exceptions.ClientError", "An error occurred (SlowDown) when calling the PutObject operation", "aws:SlowDown"),
        ("botocore.exceptions.ClientError", "An error occurred (", None),
        ("sqlite3.OperationalError", "no such table: missing", "sqlite:ERROR"),
        ("sqlite3.OperationalError", "another text", None),
        ("ValueError", "[Errno 28] not from the system", None),
        ("requests.exceptions.HTTPError", "503 Server Error: Service Unavailable for url: http://a/", "http:503"),
        ("httpx.HTTPStatusError", "Server error '502 Bad Gateway' for url 'http://a/'", "http:502"),
        ("httpx.HTTPStatusError", "Client error '404 Not Found' for url 'http://a/'", "http:404"),
        ("aiohttp.client_exceptions.ClientResponseError", "503, message='x', url='http://a/'", "http:503"),
        ("urllib.error.HTTPError", "HTTP Error 404: Not Found", "http:404"),
        ("werkzeug.exceptions.HTTPException", "404 Not Found: x", "http:404"),
        ("requests.exceptions.HTTPError", "5031 pieces", None),
        ("requests.exceptions.HTTPError", "200 OK", None),
        ("requests.exceptions.HTTPError", "", None),
        ("Exception", "404 pieces are missing", None),
        ("ValueError", "503 Server Error: x", None),
    ],
)  # fmt: skip
def test_a_code_in_the_message_counts_where_only_strings_are_left(name: str, message: str, code: str | None) -> None:
    assert code == CLASSIFIER.facts(event={"exception.type": name, "exception.message": message}).code


@pytest.mark.parametrize(
    ("message", "code"),
    [("(1213, 'Deadlock found')", "mysql:1213"), ("(1213", None), ("(x, 1)", None), ("(12, 'x')", None)],
)
def test_a_message_of_a_mysql_driver_tells_the_number(
    monkeypatch: pytest.MonkeyPatch, message: str, code: str | None
) -> None:
    driver = types.ModuleType("MySQLdb")
    driver.OperationalError = library("MySQLdb.OperationalError", library("MySQLdb.Error"))  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "MySQLdb", driver)
    facts = _hot.Classifier().facts(event={"exception.type": "MySQLdb.OperationalError", "exception.message": message})
    assert ("conflict" if code else "connection", code) == (facts.kind, facts.code)
