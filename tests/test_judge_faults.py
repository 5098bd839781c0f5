"""Whose fault it is: what we raise over a call that we made, what ran out, what we answer."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import requests

from otel_errsample import _hot
from tests.failing import caused, library, make_span, told_while

CLASSIFIER = _hot.Classifier()

HTTP_SERVER_ERROR = {"http.response.status_code": 500}


def refused_by_a_peer(status: int) -> BaseException:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(str(status), response=response)


@pytest.mark.parametrize(
    ("exception", "fault"),
    [
        (refused_by_a_peer(401), "self"),
        (refused_by_a_peer(500), "dependency"),
        (refused_by_a_peer(501), "self"),
        (caused(RuntimeError("no"), refused_by_a_peer(500), explicit=True), "dependency"),
        (library("kafka.errors.KafkaError")(), "self"),  # the 500 is ours
        (library("billiard.exceptions.SoftTimeLimitExceeded")(), "self"),
        (ConnectionRefusedError(111, "refused"), "dependency"),
        (OSError(113, "no route to host"), "dependency"),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), "dependency"),
        (socket.gaierror(socket.EAI_NONAME, "no such name"), "self"),
        (ConnectionResetError(104, "reset"), "self"),  # which may be the caller's connection
        (TimeoutError("slow"), "self"),
    ],
    ids=[
        "401 of a peer",
        "500",
        "501",
        "500 wrapped",
        "no answer",
        "task too slow",
        "refused",
        "no route",
        "no answer about a name",
        "no such name",
        "reset",
        "too late",
    ],
)
@pytest.mark.parametrize("kind", ["SERVER", "CONSUMER", "INTERNAL"])
def test_a_call_that_we_made_is_not_the_callers_fault(kind: str, exception: BaseException, fault: str) -> None:
    span = make_span(kind=kind, status="ERROR", attributes=HTTP_SERVER_ERROR if kind == "SERVER" else {})
    assert fault == told_while(exception, span, CLASSIFIER).fault


@pytest.mark.parametrize(
    ("exception", "attributes", "fault"),
    [
        (MemoryError(), {}, "self"),
        (OSError(24, "Too many open files"), {}, "self"),
        (library("httpx.PoolTimeout")(), {}, "self"),
        (library("sqlalchemy.exc.TimeoutError")(), {}, "self"),
        (library("redis.exceptions.MaxConnectionsError")(), {}, "self"),
        (library("redis.exceptions.OutOfMemoryError")(), {}, "dependency"),
        (library("psycopg.errors.DiskFull", sqlstate="53100")(), {}, "dependency"),
        (library("asyncpg.exceptions._base.PostgresError", sqlstate="53300")(), {}, "dependency"),
        (library("pymysql.err.OperationalError", library("pymysql.err.Error"))(1040, "x"), {}, "dependency"),
        (None, {"http.response.status_code": 507}, "dependency"),
        (None, {"db.response.status_code": "53200"}, "dependency"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_ran_out_is_the_peers_only_where_it_answered_so(
    exception: BaseException | None, attributes: dict[str, Any], fault: str
) -> None:
    span = make_span(kind="CLIENT", status="ERROR", attributes=attributes)
    facts = CLASSIFIER.classify_span(span) if exception is None else told_while(exception, span, CLASSIFIER)
    assert facts is not None
    assert ("resource", fault) == (facts.kind, facts.fault)


def test_a_401_that_we_answer_is_the_callers_fault() -> None:
    span = make_span(kind="SERVER", status="ERROR", attributes={"http.response.status_code": 401})
    facts = CLASSIFIER.classify_span(span)
    assert facts is not None
    assert ("auth", "caller") == (facts.kind, facts.fault)
