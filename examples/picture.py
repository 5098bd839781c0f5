"""A trace as a receiver has it, as text: what is the same in every run, so without ids, times and stack traces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_errsample.testing.store import Received

_SHOWN = ("errsample.", "http.response.status_code", "http.status_code", "http.route", "celery.state", "error.type")
_SPAN_ID = "errsample.origin.span_id"


def picture(received: Sequence[Received]) -> str:
    """Every trace as a tree, in the order in which they began."""
    spans = sorted((one.span for one in received), key=lambda span: span.start_time_unix_nano)
    names = {span.span_id: span.name for span in spans}
    lines = []
    for span in spans:
        if span.parent_span_id not in names:
            lines += [*_tree(span, spans, names), ""]
    return "\n".join(lines).rstrip()


def _tree(span: Span, spans: Sequence[Span], names: dict[bytes, str]) -> Iterator[str]:
    yield f"{Span.SpanKind.Name(span.kind).removeprefix('SPAN_KIND_')} {span.name}"
    children = [child for child in spans if child.parent_span_id == span.span_id]
    margin = "│   " if children else "    "
    for line in _facts(span, names):
        yield margin + line
    for child in children:
        first, *rest = _tree(child, spans, names)
        last = child is children[-1]
        yield ("└── " if last else "├── ") + first
        for line in rest:
            yield ("    " if last else "│   ") + line


def _facts(span: Span, names: dict[bytes, str]) -> Iterator[str]:
    if span.status.code:
        code = Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_")
        yield f"status {code} {span.status.message}".rstrip()
    if span.trace_state:
        yield f"tracestate {span.trace_state}"
    for item in sorted(span.attributes, key=lambda item: item.key):
        if item.key.startswith(_SHOWN):
            yield _line(item, names)
    for event in span.events:
        yield f"event {event.name}"
        for item in sorted(event.attributes, key=lambda item: item.key):
            if item.key != "exception.stacktrace":
                yield "    " + _line(item, names)


def _line(item: KeyValue, names: dict[bytes, str]) -> str:
    if item.key == _SPAN_ID:
        return f"{item.key}: that of {names[bytes.fromhex(item.value.string_value)]!r}"
    return f"{item.key}: {_text(item.value)}".rstrip()


def _text(value: AnyValue) -> str:
    if value.HasField("array_value"):
        return ", ".join(_text(one) for one in value.array_value.values)
    return str(getattr(value, value.WhichOneof("value") or "string_value"))
