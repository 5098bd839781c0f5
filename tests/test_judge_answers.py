"""Exceptions that are a framework's way to answer, and servers that answer something else."""

from __future__ import annotations

import asyncio
import builtins
from concurrent import futures
from typing import Any

import pytest

from otel_errsample import _hot, classify
from tests.failing import event, library, make_span, told_while

CLASSIFIER = _hot.Classifier()
BaseExceptionGroup: Any = getattr(builtins, "BaseExceptionGroup", None)  # came with 3.11
needs_groups = pytest.mark.skipif(BaseExceptionGroup is None, reason="came with Python 3.11")

NOT_FOUND = library("django.http.response.Http404")
INVALID = library("django.core.exceptions.ValidationError")
DENIED = library("django.core.exceptions.PermissionDenied")
DISCONNECT = library("starlette.requests.ClientDisconnect")


def answering(status: int) -> BaseException:
    return library("starlette.exceptions.HTTPException", status_code=status)("no")


def told(error: BaseException, status: int, span_status: str = "ERROR") -> Any:
    """What is told of a server's span that answered with `status` while the exception was on its way."""
    span = make_span(kind="SERVER", status=span_status, attributes={"http.response.status_code": status})
    return told_while(error, span, CLASSIFIER)


@classify(kind="cancelled")
class Superseded(Exception):
    pass


OF_THE_SERVER = (True, "bug", "self", "error", "http:500")


@needs_groups
def test_a_code_is_as_bad_as_an_error_among_the_members_of_a_group() -> None:
    facts = CLASSIFIER.facts(BaseExceptionGroup("several", [asyncio.CancelledError(), answering(503)]))
    assert ("unavailable", "http:503", True) == (facts.kind, facts.code, facts.error)


@pytest.mark.parametrize(
    "error",
    [*map(answering, (401, 404, 409, 503)), futures.CancelledError(), asyncio.CancelledError()],
    ids=["401", "404", "409", "503", "cancelled", "cancelled by asyncio"],
)
def test_a_server_that_answers_500_failed_whatever_was_to_be_answered(error: BaseException) -> None:
    facts = told(error, 500)
    assert OF_THE_SERVER == (facts.error, facts.kind, facts.fault, facts.severity, facts.code)


@needs_groups
def test_so_it_did_where_the_answer_was_in_a_group() -> None:
    facts = told(BaseExceptionGroup("several", [answering(401)]), 500)
    assert OF_THE_SERVER == (facts.error, facts.kind, facts.fault, facts.severity, facts.code)


def test_so_it_did_where_only_the_name_is_left() -> None:
    span = make_span(
        kind="SERVER", attributes={"http.status_code": 503}, events=[event("concurrent.futures._base.CancelledError")]
    )
    facts = CLASSIFIER.classify_span(span)
    assert facts is not None
    assert (True, "unavailable", "self", "http:503") == (facts.error, facts.kind, facts.fault, facts.code)


@pytest.mark.parametrize("error", [NOT_FOUND("x"), SystemExit(0)], ids=["Http404", "SystemExit(0)"])
def test_a_way_to_answer_or_to_leave_is_none_where_500_was_answered(error: BaseException) -> None:
    assert told(error, 500).error
    assert not told(error, 404).error


def test_an_answer_that_was_given_is_no_error() -> None:
    assert not told(answering(404), 404).error


@pytest.mark.parametrize(
    ("error", "span_status"),
    [(DISCONNECT("x"), "ERROR"), (Superseded("x"), "ERROR"), (answering(404), "OK")],
    ids=["the caller left before the 500", "declared to be none", "declared OK"],
)
def test_a_500_that_counts_for_nobody_is_no_error(error: BaseException, span_status: str) -> None:
    assert not told(error, 500, span_status).error


@pytest.mark.parametrize(
    ("error", "kind"),
    [(INVALID("x"), "client"), (NOT_FOUND("x"), "client"), (DENIED("x"), "auth")],
    ids=["ValidationError", "Http404", "PermissionDenied"],
)
def test_a_500_is_no_fault_of_the_callers(error: BaseException, kind: str) -> None:
    facts = told(error, 500)
    assert (kind, "self", "error") == (facts.kind, facts.fault, facts.severity)
    facts = told(error, 400)
    assert (kind, "caller", "info") == (facts.kind, facts.fault, facts.severity)


@classify(kind="client")
class Asked(Exception):
    pass


def test_a_stated_kind_means_the_caller_whatever_was_answered() -> None:
    facts = told(Asked("x"), 500)
    assert ("client", "caller", "warn") == (facts.kind, facts.fault, facts.severity)
