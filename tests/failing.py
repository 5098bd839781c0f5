"""Spans that fail, as the SDK makes them, and what the extension tells of each while it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, Tracer
from opentelemetry.trace.status import Status, StatusCode

from otel_errsample import _hot

_hot.probe()


class Watcher(SpanProcessor):
    """Classifies every span where it ends, as the processor does; `told` holds (name, facts) in order of ending."""

    def __init__(self) -> None:
        self.tracker = _hot.Tracker()
        self.classifier = _hot.Classifier()
        self.told: list[tuple[str, Any]] = []
        self.spans: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.tracker.remember(span)

    def on_end(self, span: ReadableSpan) -> None:
        facts = self.classifier.classify_span(span, self.tracker.take(span.context))
        self.told.append((span.name, facts))
        self.spans.append(span)

    @property
    def facts(self) -> Any:
        """The facts of the only span that ended."""
        assert 1 == len(self.told)
        return self.told[0][1]


def watch() -> tuple[Watcher, Tracer]:
    watcher = Watcher()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(watcher)
    return watcher, provider.get_tracer("tests")


def make_span(
    *,
    name: str = "work",
    kind: str = "INTERNAL",
    status: str = "UNSET",
    description: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    events: Sequence[Mapping[str, Any]] = (),
    span_id: int = 5,
) -> ReadableSpan:
    """An ended span as a processor gets it; `events` are the attributes of its exception events."""
    return ReadableSpan(
        name,
        context=SpanContext(3, span_id, False, TraceFlags(1)),
        attributes=dict(attributes or {}),
        events=[Event("exception", dict(event), 1) for event in events],
        kind=SpanKind[kind],
        status=Status(StatusCode[status], description),
        start_time=1,
        end_time=2,
    )


def event(name: str, message: str = "", **more: Any) -> dict[str, Any]:
    """The attributes of an exception event."""
    return {"exception.type": name, "exception.message": message, "exception.escaped": "False", **more}


def raised(make: Callable[[], BaseException]) -> BaseException:
    """The exception after it was really raised, so that it has a traceback."""
    try:
        raise make()
    except BaseException as error:  # whatever it is
        return error


def told_while(exception: BaseException, span: ReadableSpan, classifier: Any, stale: bool = False) -> Any:
    """What is told of a span that ends while this exception is handled."""
    try:
        raise exception
    except BaseException as error:  # whatever it is
        return classifier.classify_span(span, id(error) if stale else 0)


def caused(error: BaseException, cause: BaseException | None, explicit: bool) -> BaseException:
    """The exception with another as its cause, or as its context where that is not explicit."""
    if cause is not None and explicit:
        error.__cause__ = cause
    elif cause is not None:
        error.__context__ = cause
    return error


def library(name: str, base: type = Exception, **body: Any) -> type[Exception]:
    """A class that calls itself by the full name of a library's."""
    module, _, qualname = name.rpartition(".")
    return type(qualname, (base,), {"__module__": module, **body})
