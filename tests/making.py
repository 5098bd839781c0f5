"""Tracers on processors of tests, and what ends on them; the fixtures are in conftest.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Tracer

from otel_errsample import ErrorSpanProcessor

Make = Callable[..., tuple[Tracer, ErrorSpanProcessor]]


def fail(tracer: Tracer, name: str = "failing", **attributes: Any) -> None:
    with pytest.raises(KeyError), tracer.start_as_current_span(name, attributes=attributes):
        raise KeyError("lost")


def attributes_of(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}
