"""Spans of every kind that takes a way of its own through the extension, and processors that send each that way."""

from __future__ import annotations

import builtins
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags, Tracer, set_span_in_context

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing import CollectingTransport
from otel_errsample.transport import Answer, Outcome


@dataclass(frozen=True)
class Hooks:
    """What a kind of span calls where the SDK, or the application, would."""

    start: Callable[[Any], None]
    end: Callable[[Any], None]
    record: Callable[[Any, BaseException], None] = lambda span, error: span.record_exception(error)


class Discarding(SpanExporter):
    """A user's exporter: it gets the spans as objects."""

    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("str")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = None  # type: ignore[assignment]  # of the base it is a function

    def __getattribute__(self, name: str) -> Any:
        if name == "status_code":
            raise RuntimeError(name)
        return super().__getattribute__(name)


class Odd:
    def __str__(self) -> str:
        raise RuntimeError("str")

    def __iter__(self) -> Any:
        raise RuntimeError("iter")


@dataclass(frozen=True)
class Kind:
    """`run` makes and ends its spans, by a tracer without our processor."""

    name: str
    run: Callable[[Tracer, Hooks], None]
    rules: str = "keep if error"
    head: float = 0.0
    answers: bool = True  # whether there is a receiver
    runs_python: bool = False  # inside on_end
    spools: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


def processor_for(kind: Kind) -> ErrorSpanProcessor:
    if "exporter" in kind.arguments:
        return ErrorSpanProcessor(kind.rules, **kind.arguments)
    transport = CollectingTransport()
    transport.payloads = transport.accepted = transport.timeouts = Forgetful()
    if not kind.answers:
        transport.then = Answer(Outcome.RETRY, cause="refused")
    spool: Mapping[str, Any] = {"spool_dir": tempfile.mkdtemp()} if kind.spools else {}
    return ErrorSpanProcessor(kind.rules, transport=transport, **kind.arguments, **spool)


class Forgetful(list[Any]):
    def append(self, item: Any) -> None:
        pass


def healthy(tracer: Tracer, hooks: Hooks) -> None:
    span = tracer.start_span("healthy", attributes={"http.route": "/cart", "sizes": [1, 2], "share": 0.5})
    hooks.start(span)
    span.add_event("note", {"text": "é" * 20})
    span.end()
    hooks.end(span)


def failed(tracer: Tracer, hooks: Hooks) -> None:
    link = Link(SpanContext(5, 6, True, TraceFlags(1)), {"why": "retry"})
    span = tracer.start_span("failed", links=[link], attributes={"http.response.status_code": 503, "peer": "db-1"})
    hooks.start(span)
    span.set_status(StatusCode.ERROR, "no answer from db-1")
    span.end()
    hooks.end(span)


def deep(depth: int, error: Callable[[], BaseException]) -> None:
    if depth:
        return deep(depth - 1, error)
    try:
        raise KeyError("inner")
    except KeyError as inner:
        raise error() from inner


def leave(error: Callable[[], BaseException]) -> Callable[[Tracer, Hooks], None]:
    """An exception that is recorded on two spans, and is in flight while they end."""

    def run(tracer: Tracer, hooks: Hooks) -> None:
        outer = tracer.start_span("outer")
        hooks.start(outer)
        inner = tracer.start_span("inner", set_span_in_context(outer))
        hooks.start(inner)
        try:
            deep(3, error)
        except BaseException as raised:
            for span in (inner, outer):
                try:
                    hooks.record(span, raised)
                except RuntimeError:
                    pass  # of the hostile one, where the SDK has to record it
                span.set_status(StatusCode.ERROR, "it failed")
                span.end()
                hooks.end(span)

    return run


def to(depth: int) -> None:
    fro(depth)


def fro(depth: int) -> None:
    """Together they make a stack of which no line is a repetition."""
    if depth == 0:
        raise ValueError("order 17 was refused")
    to(depth - 1)


def too_long(tracer: Tracer, hooks: Hooks) -> None:
    """Its texts are cut, and its stack is one that errors have in common."""
    span = tracer.start_span("long", attributes={"text": "x" * 40_000})
    hooks.start(span)
    try:
        to(10)
    except ValueError as raised:
        hooks.record(span, raised)
    span.set_status(StatusCode.ERROR, "it failed")
    span.end()
    hooks.end(span)


def odd_values(tracer: Tracer, hooks: Hooks) -> None:
    values: dict[Any, Any] = {
        "odd": Odd(),
        "deep": {"a": [{"b": (1, None, b"\xff")}]},
        "long": 1 << 80,
        "\udc80": "\udcff",
    }
    span: Any = tracer.start_span("odd \udc80")
    hooks.start(span)
    span._attributes._dict.update(values)
    span.set_status(StatusCode.ERROR, "\udcff")
    span.end()
    hooks.end(span)


def secret(tracer: Tracer, hooks: Hooks) -> None:
    span = tracer.start_span(
        "secret", attributes={"db.password": "q7hunter2X", "text": "é token=q7hunter2X \U0001f600"}
    )
    hooks.start(span)
    span.set_status(StatusCode.ERROR, "card token=q7hunter2X refused, ask anna@example.com")
    hooks.record(span, ValueError("password=q7hunter2X"))
    span.end()
    hooks.end(span)


def one_trace(tracer: Tracer, hooks: Hooks) -> None:
    root = tracer.start_span("root")
    hooks.start(root)
    below = set_span_in_context(root)
    for name in ("healthy", "failed", "later"):
        span = tracer.start_span(name, below, attributes={"n": 1})
        hooks.start(span)
        if name == "failed":
            span.set_status(StatusCode.ERROR, "no")
        span.end()
        hooks.end(span)
    root.end()
    hooks.end(root)


def plain_trace(tracer: Tracer, hooks: Hooks) -> None:
    root = tracer.start_span("root")
    hooks.start(root)
    for number in range(6):
        span = tracer.start_span("child", set_span_in_context(root), attributes={"text": "x" * 4000 * number})
        hooks.start(span)
        span.end()
        hooks.end(span)
    root.end()
    hooks.end(root)


def group() -> BaseException:
    kind: Any = getattr(builtins, "ExceptionGroup", None)  # came with 3.11
    return (
        ValueError("é")
        if kind is None
        else kind("several", [ValueError("a"), OSError(2, "b"), kind("c", [KeyError("d")])])
    )


NUMBERS = count()


def unheard_of() -> BaseException:
    """Of a class that no cache knows."""
    error: BaseException = type(f"Error{next(NUMBERS)}", (OSError,), {"__module__": "shop"})("x")
    return error


def added(span: Any, facts: Any) -> dict[str, Any]:
    return {"shop": facts.fingerprint, "list": ["a", "b"]}


CONDITIONS = """
keep if error and (name like "f*d" or attributes["peer"] in ("a", "db-1")) and not duration > 100
"""

KINDS = (
    Kind("healthy", healthy),
    Kind("head_sampled", healthy, head=1.0),
    Kind("failed", failed),
    Kind("exception", leave(lambda: ValueError("order 17 was refused"))),
    Kind("exceptions", leave(group)),
    Kind("class", leave(unheard_of)),
    Kind(
        "not_fast",
        leave(lambda: ValueError("no")),
        arguments={"fast_exceptions": False, "options": {"propagated_stacks": True}},
    ),
    Kind("long", too_long, arguments={"max_buffer_bytes": 1 << 16}),
    Kind("hostile", leave(lambda: Hostile("x"))),
    Kind("odd_values", odd_values),
    Kind("secret", secret),
    Kind("strict", secret, arguments={"scrub": "strict"}),
    Kind(
        "patterns", secret, runs_python=True, arguments={"options": {"scrub_patterns": ["refused|^card", "ex[a-m]+"]}}
    ),
    Kind("suppressed", failed, rules="keep 1 per hour by fingerprint, name if error"),
    Kind("thinned", failed, rules="keep first 1 per hour by name then 50% if message contains 'db'"),
    Kind("conditions", failed, rules=CONDITIONS),
    Kind("evicted", failed, answers=False, arguments={"max_buffer_bytes": 1 << 16}),
    Kind("trace", one_trace, arguments={"scope": "trace"}),
    Kind(
        "plain_trace", plain_trace, answers=False, head=0.5, arguments={"scope": "trace", "max_buffer_bytes": 1 << 16}
    ),
    Kind("dry_run", one_trace, head=1.0, arguments={"scope": "trace", "dry_run": True}),
    Kind("exporter", leave(lambda: ValueError("no")), runs_python=True, arguments={"exporter": Discarding()}),
    Kind("exporter_trace", one_trace, runs_python=True, arguments={"exporter": Discarding(), "scope": "trace"}),
    Kind("enriched", failed, runs_python=True, arguments={"enrich": added, "on_verdict": repr}),
    Kind("spooled", failed, spools=True),
    Kind("disabled", failed, head=1.0, arguments={"options": {"enabled": False}}),
)
