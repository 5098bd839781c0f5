"""Kind, fault, severity, recovery and code of what instrumentations write, and the agreement with the definition."""

from __future__ import annotations

import asyncio
import builtins
import urllib.error
from concurrent import futures
from dataclasses import asdict
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_errsample import _hot, classify
from otel_errsample.taxonomy import UserRow
from tests.failing import caused, event, library, make_span, told_while
from tests.model import classify as model
from tests.model.stated import name_of

CLASSIFIER = _hot.Classifier()

HTTP_SERVER_ERROR = {"http.response.status_code": 500}

# One row per case of what instrumentations are known to write: span, live exception, then error, kind and code.
INSTRUMENTED: dict[str, tuple[dict[str, Any], BaseException | None, tuple[Any, ...] | None]] = {
    "web framework, uncaught": (
        {"kind": "SERVER", "status": "ERROR", "description": "ValueError: boom", "attributes": HTTP_SERVER_ERROR,
         "events": [event("ValueError", "boom")]},
        ValueError("boom"), (True, "bug", "http:500", "self"),
    ),
    "web framework, old code attribute": (
        {"kind": "SERVER", "status": "ERROR", "attributes": {"http.status_code": 503}},
        None, (True, "unavailable", "http:503", "self"),
    ),
    "web framework, answer 404": (
        {"kind": "SERVER", "attributes": {"http.response.status_code": 404}}, None, None,
    ),
    "web framework, exception handled into 404": (
        {"kind": "SERVER", "attributes": {"http.response.status_code": 404}}, ValueError("boom"), None,
    ),
    "web framework, exception answered 503 without an event": (
        {"kind": "SERVER", "status": "ERROR", "attributes": {"http.response.status_code": 503}},
        ConnectionResetError("gone"), (True, "connection", "http:503", "self"),
    ),
    "ASGI, the answer of a failure is sent": (
        {"kind": "INTERNAL", "status": "ERROR",
         "attributes": {"asgi.event.type": "http.response.start", "http.status_code": 500}},
        None, None,
    ),
    "ASGI, sending the answer fails": (
        {"kind": "INTERNAL", "status": "ERROR", "attributes": {"asgi.event.type": "http.response.body"},
         "events": [event("BrokenPipeError", "[Errno 32] Broken pipe")]},
        BrokenPipeError(32, "Broken pipe"), (True, "connection", "errno:EPIPE", "self"),
    ),
    "the caller hung up": (
        {"kind": "SERVER", "status": "ERROR", "events": [event("BrokenPipeError", "[Errno 32] Broken pipe")]},
        BrokenPipeError(32, "Broken pipe"), (False, "cancelled", "errno:EPIPE", "caller"),
    ),
    "a child process hung up, and 500 was answered": (
        {"kind": "SERVER", "status": "ERROR", "attributes": HTTP_SERVER_ERROR,
         "events": [event("BrokenPipeError", "[Errno 32] Broken pipe")]},
        BrokenPipeError(32, "Broken pipe"), (True, "connection", "errno:EPIPE", "self"),
    ),
    "stream fails half way": ({"kind": "SERVER", "attributes": {"http.response.status_code": 200}}, None, None),
    "django, Http404": (
        {"kind": "SERVER", "status": "ERROR", "description": "Http404: x", "attributes": {"http.status_code": 404},
         "events": [event("django.http.response.Http404", "x")]},
        None, (False, "client", "http:404", "caller"),
    ),
    "http client, 404": (
        {"kind": "CLIENT", "status": "ERROR", "attributes": {"http.response.status_code": 404}},
        None, (True, "client", "http:404", "self"),
    ),
    "http client, 503 with status unset": (
        {"kind": "CLIENT", "attributes": {"http.status_code": 503}}, None, (True, "unavailable", "http:503", "dependency"),
    ),
    "http client, 500": (
        {"kind": "CLIENT", "status": "ERROR", "attributes": {"http.response.status_code": 500}},
        None, (True, "bug", "http:500", "dependency"),
    ),
    "http client, refused": (
        {"kind": "CLIENT", "status": "ERROR", "attributes": {"error.type": "ConnectionError"},
         "events": [event("requests.exceptions.ConnectionError", "refused")]},
        None, (True, "connection", None, "dependency"),
    ),
    "http client, only error.type": (
        {"kind": "CLIENT", "status": "ERROR", "attributes": {"error.type": "ReadTimeout"}},
        None, (True, "timeout", None, "dependency"),
    ),
    "http client cancelled": (
        {"kind": "CLIENT", "status": "ERROR", "description": "CancelledError",
         "events": [event("asyncio.exceptions.CancelledError")]},
        asyncio.CancelledError(), (False, "cancelled", None, "caller"),
    ),
    "grpc server, uncaught": (
        {"kind": "SERVER", "attributes": {"rpc.grpc.status_code": 0}, "events": [event("ValueError", "boom")] * 2},
        ValueError("boom"), (True, "bug", "grpc:UNKNOWN", "self"),
    ),
    "grpc server, uncaught, seen from another thread": (
        {"kind": "SERVER", "attributes": {"rpc.grpc.status_code": 0}, "events": [event("KeyError", "'a'")] * 2},
        None, (True, "bug", "grpc:UNKNOWN", "self"),
    ),
    "grpc server, handled and recorded": (
        {"kind": "SERVER", "attributes": {"rpc.grpc.status_code": 0}, "events": [event("ValueError", "boom")]},
        None, None,
    ),
    "grpc server, abort UNAVAILABLE": (
        {"kind": "SERVER", "status": "ERROR", "description": "StatusCode.UNAVAILABLE:down",
         "attributes": {"rpc.grpc.status_code": 14}, "events": [event("Exception")]},
        Exception(), (True, "unavailable", "grpc:UNAVAILABLE", "self"),
    ),
    "grpc.aio server, abort": (
        {"kind": "SERVER", "status": "ERROR", "attributes": {"rpc.grpc.status_code": 13},
         "events": [event("grpc._cython.cygrpc.AbortError")] * 2},
        None, (True, "bug", "grpc:INTERNAL", "self"),
    ),
    "grpc server, abort NOT_FOUND": (
        {"kind": "SERVER", "attributes": {"rpc.grpc.status_code": 5}, "events": [event("Exception")]},
        Exception(), (False, "client", "grpc:NOT_FOUND", "caller"),
    ),
    "grpc server, set_code RESOURCE_EXHAUSTED": ({"kind": "SERVER", "attributes": {"rpc.grpc.status_code": 8}}, None, None),
    "grpc client, by number": (
        {"kind": "CLIENT", "status": "ERROR", "attributes": {"rpc.grpc.status_code": 14},
         "events": [event("grpc._channel._InactiveRpcError", "<...>")]},
        None, (True, "unavailable", "grpc:UNAVAILABLE", "dependency"),
    ),
    "grpc client, by name, status unset": (
        {"kind": "CLIENT", "attributes": {"rpc.response.status_code": "NOT_FOUND"}},
        None, (True, "client", "grpc:NOT_FOUND", "self"),
    ),
    "grpc client, the peer does not know either": (
        {"kind": "CLIENT", "status": "ERROR", "attributes": {"rpc.grpc.status_code": 2}},
        None, (True, "unknown", "grpc:UNKNOWN", "dependency"),
    ),
    "rpc server, newest attribute": (
        {"kind": "SERVER", "attributes": {"rpc.status_code": "DATA_LOSS"}}, None, (True, "data", "grpc:DATA_LOSS", "self"),
    ),
    "celery task": (
        {"kind": "CONSUMER", "status": "ERROR", "description": "boom", "attributes": {"celery.state": "FAILURE"},
         "events": [event("KeyError", "'a'")]},
        None, (True, "bug", None, "self"),
    ),
    "celery retry, recorded": (
        {"kind": "CONSUMER", "status": "ERROR", "events": [event("celery.exceptions.Retry", "later")]},
        None, (False, "cancelled", None, "caller"),
    ),
    "database statement, driver class live, no event": (
        {"kind": "CLIENT", "status": "ERROR", "description": "disk I/O error"},
        OSError(28, "No space left on device"), (True, "resource", "errno:ENOSPC", "self"),
    ),
    "database answer by sqlstate": (
        {"kind": "CLIENT", "status": "ERROR", "attributes": {"db.response.status_code": "40P01"}},
        None, (True, "conflict", "sqlstate:40P01", "dependency"),
    ),
    "database event": (
        {"kind": "CLIENT", "status": "ERROR", "description": "UniqueViolation: duplicate key",
         "events": [event("psycopg.IntegrityError", "duplicate key")]},
        None, (True, "business", None, "caller"),
    ),
    "botocore, dynamic class": (
        {"kind": "CLIENT", "status": "ERROR", "attributes": {"http.status_code": 404},
         "events": [event("botocore.errorfactory.NoSuchBucket",
                          "An error occurred (NoSuchBucket) when calling the GetObject operation: no")]},
        None, (True, "client", "aws:NoSuchBucket", "self"),
    ),
    "status description alone": (
        {"kind": "INTERNAL", "status": "ERROR", "description": "ZeroDivisionError: division by zero"},
        None, (True, "bug", None, "self"),
    ),
    "status alone": ({"kind": "INTERNAL", "status": "ERROR"}, None, (True, "unknown", None, "self")),
    "declared OK in spite of an exception": (
        {"kind": "INTERNAL", "status": "OK", "events": [event("ValueError", "boom")]},
        ValueError("boom"), (False, "bug", None, "self"),
    ),
    "caller hung up": (
        {"kind": "SERVER", "status": "ERROR", "events": [event("BrokenPipeError", "[Errno 32] Broken pipe")]},
        None, (False, "cancelled", "errno:EPIPE", "caller"),
    ),
    "a client library's wrapper around a builtin, on a server span": (
        {"kind": "SERVER", "status": "ERROR"},
        urllib.error.URLError(ConnectionRefusedError(111, "refused")),
        (True, "connection", "errno:ECONNREFUSED", "dependency"),
    ),
    "healthy": ({"kind": "SERVER", "status": "UNSET", "attributes": {"http.response.status_code": 200}}, None, None),
}  # fmt: skip


@pytest.mark.parametrize(("written", "live", "told"), INSTRUMENTED.values(), ids=INSTRUMENTED.keys())
def test_what_instrumentations_write_is_understood(
    written: dict[str, Any], live: BaseException | None, told: tuple[Any, ...] | None
) -> None:
    span = make_span(**written)
    facts = CLASSIFIER.classify_span(span) if live is None else told_while(live, span, CLASSIFIER)
    assert told == (None if facts is None else (facts.error, facts.kind, facts.code, facts.fault))


@pytest.mark.parametrize(
    ("description", "error"),
    [
        ("Retry: three times in vain", True),
        ("Reject: the order has no lines", True),
        ("CANCELLED: the order was", True),
        ("499 pieces are missing", True),
        ("499", True),
        ("StatusCode.CANCELLED:gone", False),
        ("CancelledError: ", False),
        ("celery.exceptions.Retry", True),
    ],
)
def test_a_word_in_a_description_hides_no_error(description: str, error: bool) -> None:
    facts = CLASSIFIER.classify_span(make_span(kind="INTERNAL", status="ERROR", description=description))
    assert facts is not None
    assert (error, "unknown" if error else "cancelled") == (facts.error, facts.kind)


@pytest.mark.parametrize("name", ["CancelledError", "Empty", "PermissionDenied", "error", "Outer.Full"])
def test_a_class_that_no_row_knows_is_not_taken_for_one_of_the_same_name(name: str) -> None:
    last = name.rpartition(".")[2]
    written: dict[str, Any] = {
        "status": "ERROR", "description": f"{last}: gone", "attributes": {"error.type": name},
        "events": [event(f"shop.orders.{name}", "gone")],
    }  # fmt: skip
    live = told_while(library(f"shop.orders.{name}")("gone"), make_span(**written), CLASSIFIER)
    for facts in (live, CLASSIFIER.classify_span(make_span(**written))):
        assert facts is not None
        assert (True, "unknown", "error") == (facts.error, facts.kind, facts.severity)


def test_a_name_without_a_module_is_still_a_hint() -> None:
    facts = CLASSIFIER.classify_span(
        make_span(status="ERROR", events=[event("ConnectTimeout")], description="ConnectTimeout: x")
    )
    assert facts is not None
    assert "timeout" == facts.kind


class Duck(Exception):
    """A class no row describes, carrying codes under the usual names."""

    def __init__(self, status_code: object = None, sqlstate: object = None) -> None:
        super().__init__("duck")
        self.status_code = status_code
        self.sqlstate = sqlstate


class Refused(Exception):
    """A framework's way to answer, by the name that its row has."""

    def __init__(self, status_code: int) -> None:
        super().__init__("refused")
        self.status_code = status_code


Refused.__module__, Refused.__qualname__ = "starlette.exceptions", "HTTPException"


class Plain(Exception):
    pass


class Payment(RuntimeError):
    pass


@classify(kind="business", domain="payments")
class Declined(Payment):
    pass


@classify(severity="fatal", recovery="degrade")
class Corrupt(Declined):
    pass


@classify(domain="stock")
class OutOfStock(KeyError):
    pass


class Flaky(ValueError):
    retryable = True


def with_axes(cls: type[Exception], axes: dict[str, Any]) -> Exception:
    error = cls("boom")
    error.__dict__.update(axes)
    return error


SIMPLE = st.sampled_from(
    [
        ValueError, KeyError, Plain, Payment, RuntimeError, TimeoutError, ConnectionResetError, BrokenPipeError,
        SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit, MemoryError, EOFError, Exception,
        Declined, Corrupt, OutOfStock, Flaky, requests.ConnectionError, requests.Timeout, futures.CancelledError,
    ]
).map(lambda cls: cls("boom"))  # fmt: skip
STATING = st.builds(
    with_axes,
    st.sampled_from([ValueError, Declined, Corrupt, Flaky, TimeoutError]),
    st.fixed_dictionaries(
        {},
        optional={
            "errsample_kind": st.sampled_from(["timeout", "cancelled", "bug", "bugs", 7]),
            "errsample_severity": st.sampled_from(["info", "fatal", None]),
            "errsample_recovery": st.sampled_from(["restart", "none"]),
            "errsample_domain": st.sampled_from(["ledger"]),
            "retryable": st.booleans(),
        },
    ),
)
CARRYING = st.one_of(
    st.sampled_from([0, 2, 5, 11, 13, 28, 98, 111, 110, 9999]).map(lambda number: OSError(number, "boom")),
    st.builds(Duck, st.sampled_from([None, 404, 503, 200, "x"]), st.sampled_from([None, "40001", "23505", "zz", 7])),
    st.sampled_from([401, 404, 409, 503]).map(Refused),
    st.sampled_from([0, None, 1, "text"]).map(SystemExit),
)
LONE = st.one_of(SIMPLE, CARRYING, STATING)
CHAINED = st.builds(caused, LONE, st.none() | LONE, st.booleans())
ExceptionGroup: Any = getattr(builtins, "ExceptionGroup", None)  # came with 3.11
if ExceptionGroup is not None:
    GROUPED = st.lists(CHAINED.filter(lambda e: isinstance(e, Exception)), min_size=1, max_size=4).map(
        lambda leaves: ExceptionGroup("several", leaves)
    )
    EXCEPTIONS = st.one_of(CHAINED, GROUPED)
else:
    EXCEPTIONS = CHAINED
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "http.response.status_code": st.sampled_from(
            [200, 302, 400, 404, 418, 429, 499, 500, 503, 599, "503", "x", -1]
        ),
        "http.status_code": st.sampled_from([200, 404, 500]),
        "rpc.grpc.status_code": st.integers(-1, 17),
        "rpc.response.status_code": st.sampled_from(["OK", "UNAVAILABLE", "NOT_FOUND", "junk"]),
        "rpc.status_code": st.sampled_from(["OK", "UNKNOWN", "ABORTED"]),
        "db.response.status_code": st.sampled_from(["08006", "40001", "junk", "00000"]),
        "asgi.event.type": st.just("http.response.start"),
        "error.type": st.sampled_from(["500", "UNAVAILABLE", "ValueError", "TimeoutError", "nothing", ""]),
    },
)
EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from(["ValueError", "KeyError", "asyncio.exceptions.CancelledError", "psycopg.DataError", "a.B"]),
        st.sampled_from(["", "boom"]),
        **{"exception.escaped": st.sampled_from(["True", "False", True, False])},
    ),
    max_size=3,
)


@st.composite
def spans(draw: st.DrawFn) -> model.Seen:
    seen = model.Seen(
        status=draw(st.sampled_from(["UNSET", "OK", "ERROR"])),
        kind=draw(st.sampled_from(["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"])),
        attributes=draw(ATTRIBUTES),
        events=draw(EVENTS),
        live=draw(st.none() | EXCEPTIONS),
        stale=draw(st.booleans()),
    )
    if seen.status == "ERROR":
        seen.description = draw(st.sampled_from([None, "ValueError: x", "StatusCode.ABORTED:x", "x", "KeyError: "]))
    if seen.live is not None and draw(st.booleans()):
        args = [arg for arg in seen.live.args if isinstance(arg, str)]
        seen.events = [*seen.events, event(name_of(type(seen.live)), args[0] if len(args) == 1 else "")]
    return seen


AXES = ("error", "kind", "fault", "severity", "recovery", "code", "source", "exception", "cause", "domain")
ROW_SETS = [
    (),
    (UserRow(exception="ValueError", kind="client", domain="input"),),
    (UserRow(code="http:5??", kind="unavailable", severity="fatal"), UserRow(exception="OSError", kind="config")),
    (
        UserRow(exception="tests.*", code="sqlstate:23*", kind="conflict", recovery="degrade"),
        UserRow(exception="LookupError", code="http:*", kind="cancelled"),
        UserRow(exception="Exception", code="grpc:*", kind="throttle", fault="dependency"),
        UserRow(exception="BaseException", kind="data", severity="info"),
    ),
    (UserRow(code="errno:E*", kind="auth"), UserRow(exception="nothing", kind="fatal", domain="gone")),
]
STATED = [_hot.Classifier(user_rows=rows) for rows in ROW_SETS]


@settings(max_examples=1500, deadline=None)
@given(spans(), st.integers(0, len(ROW_SETS) - 1))
def test_the_extension_agrees_with_the_definition(seen: model.Seen, which: int) -> None:
    classifier, rows = STATED[which], ROW_SETS[which]
    span = make_span(
        kind=seen.kind, status=seen.status, description=seen.description, attributes=seen.attributes, events=seen.events
    )
    expected = model.classify(seen, rows)
    if seen.live is None:
        told = classifier.classify_span(span)
    else:
        context = seen.live.__context__
        told = told_while(seen.live, span, classifier, seen.stale)
        seen.live.__context__ = context
    assert (None if expected is None else asdict(expected)) == (
        None if told is None else {axis: getattr(told, axis) for axis in AXES}
    )
