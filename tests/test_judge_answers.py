"""Exceptions that are a framework's way to answer, and servers that answer something else."""

from __future__ import annotations

import asyncio
import builtins
from typing import Any

import pytest

from otel_errsample import _hot
from tests.failing import library

CLASSIFIER = _hot.Classifier()
BaseExceptionGroup: Any = getattr(builtins, "BaseExceptionGroup", None)  # came with 3.11
needs_groups = pytest.mark.skipif(BaseExceptionGroup is None, reason="came with Python 3.11")


HTTP_EXCEPTION = library("starlette.exceptions.HTTPException")


def answering(status: int) -> BaseException:
    error = HTTP_EXCEPTION("no")
    error.status_code = status  # type: ignore[attr-defined]
    return error


@needs_groups
def test_a_code_is_as_bad_as_an_error_among_the_members_of_a_group() -> None:
    facts = CLASSIFIER.facts(BaseExceptionGroup("several", [asyncio.CancelledError(), answering(503)]))
    assert ("unavailable", "http:503", True) == (facts.kind, facts.code, facts.error)
