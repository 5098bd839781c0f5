"""What a backend adds up is what the application had: for every kind of head sampler, by every scope, operation by
operation.

A million spans each: 1 % of the traces is head sampled and 2 % of the spans fail. The sampler is asked about every
trace, and a span processor for each scope about every span that the SDK would record; a backend knows only what is
exported.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, ParentBasedTraceIdRatio, Sampler, SamplingResult
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor
from otel_errsample._hot import parse_ot
from tests.model.spans import make_span

HEAD: Final = 0.01
TRACES: Final = 250_000
FAILING: Final = 0.04  # of two in four spans

# Every trace: name, and the place of the parent. Children end first.
TREE: Final = (("GET /", None), ("load", 0), ("query", 1), ("render", 0))
MAY_FAIL: Final = (2, 3)

FAILED: Final = Status(StatusCode.ERROR)
FINE: Final = Status()


def composable() -> Sampler:
    made = pytest.importorskip("opentelemetry.sdk.trace._sampling_experimental")
    return made.composite_sampler(made.composable_parent_threshold(made.composable_traceid_ratio_based(HEAD)))  # type: ignore[no-any-return]


HEADS: Final[dict[str, Callable[[], ErrorAwareSampler]]] = {
    "ours": lambda: ErrorAwareSampler(HEAD),
    "classic": lambda: ErrorAwareSampler(ParentBasedTraceIdRatio(HEAD)),
    "composable": lambda: ErrorAwareSampler(composable()),
    "a quarter recorded": lambda: ErrorAwareSampler(HEAD, record=0.25),
    "a quarter recorded, classic": lambda: ErrorAwareSampler(ParentBasedTraceIdRatio(HEAD), record=0.25),
}


class Backend(SpanExporter):
    """Adds up what exported spans say, and those that say nothing as one."""

    def __init__(self) -> None:
        self.spans: Counter[tuple[str, str]] = Counter()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            context = span.get_span_context()
            self.spans[span.name, context.trace_state.get("ot", "").partition(";")[0] if context else ""] += 1
        return SpanExportResult.SUCCESS

    def estimates(self) -> dict[str, float]:
        sums: Counter[str] = Counter()
        for (name, said), times in self.spans.items():
            th = parse_ot(said)[0]
            sums[name] += times / (1 - (th or 0) / (1 << 56))  # type: ignore[assignment]
        return dict(sums)

    def thresholds(self, name: str) -> set[str]:
        return {said for named, said in self.spans if named == name}


class Traces:
    """The application's spans: one after the other they get the ids of a trace and what failed in it."""

    def __init__(self, sampler: ErrorAwareSampler, processors: Mapping[str, ErrorSpanProcessor]) -> None:
        self._sampler = sampler
        self._ends = [processor.on_end for processor in processors.values()]
        # What the others learn from a span that starts, they have learnt from the first one.
        self._starts: list[Any] = [processor.on_start for scope, processor in processors.items() if scope == "trace"]
        self._spans: list[Any] = [make_span(name) for name, _ in TREE]
        first: Any = make_span()
        for span in (first, *self._spans):
            span._sampler = sampler
        first._context = SpanContext(7, 7, False, TraceFlags(0))
        for processor in processors.values():
            processor.on_start(first)
            processor.on_end(first)

    def end(self, trace_id: int, failing: Sequence[int]) -> None:
        root = self._sampler.should_sample(None, trace_id, TREE[0][0])
        told = bool(failing) or root.decision is Decision.RECORD_AND_SAMPLE
        contexts = self._contexts(trace_id, root, told)
        if root.decision is Decision.DROP:
            return
        # What may be exported is read later.
        spans = [copy.copy(span) for span in self._spans] if told else self._spans
        for place, span in enumerate(spans):
            above = TREE[place][1]
            span._context = contexts[place]
            span._parent = None if above is None else contexts[above]
            span._status = FAILED if place in failing else FINE
            for start in self._starts:
                start(span)
        for span in reversed(spans):
            for end in self._ends:
                end(span)

    def _contexts(self, trace_id: int, root: SamplingResult, ask: bool) -> list[SpanContext]:
        """Of the spans of a trace; `ask` the sampler about children too, whose answer is the same for all traces."""
        flags = TraceFlags(root.decision is Decision.RECORD_AND_SAMPLE)
        contexts: list[SpanContext] = []
        for place, (name, above) in enumerate(TREE):
            result = root
            if above is not None and ask:
                result = self._sampler.should_sample(
                    set_span_in_context(NonRecordingSpan(contexts[above])), trace_id, name
                )
                assert result.decision is root.decision, "a trace has one decision"
            contexts.append(SpanContext(trace_id, place + 1, False, flags, result.trace_state))
        return contexts


def trace_ids() -> Any:
    """Even over the low 56 and the low 64 bits, so that a share of them is that share and chance adds nothing."""
    low = 1
    while True:
        low = (low + 0x9E3779B97F4A7C15) % (1 << 64)
        yield 1 << 100 | low


@pytest.mark.timeout(300)
@pytest.mark.parametrize("head", HEADS)
def test_exported_spans_tell_how_many_there_were_of_every_operation(head: str) -> None:
    draw = random.Random(2026)
    sampler = HEADS[head]()
    # Every span of every trace waits for the last one, which takes its time, and does so for one head as for another.
    scopes = ("span", "path", "trace") if head == "ours" else ("span", "path")
    backends = {scope: Backend() for scope in scopes}
    processors = {
        scope: ErrorSpanProcessor("keep if error", backend, scope=scope, max_buffer_bytes=1 << 30)
        for scope, backend in backends.items()
    }
    traces, failed = Traces(sampler, processors), 0
    for trace_id, _ in zip(trace_ids(), range(TRACES), strict=False):
        failing = [place for place in MAY_FAIL if draw.random() < FAILING]
        failed += len(failing)
        traces.end(trace_id, failing)
    assert failed / (TRACES * len(TREE)) == pytest.approx(0.02, rel=0.03)
    for processor in processors.values():
        assert processor.shutdown(60_000)
        assert processor.stats().balanced
        assert not processor.stats().internal_errors
    truth = {name: pytest.approx(TRACES, rel=0.01) for name, _ in TREE}
    assert dict.fromkeys(scopes, truth) == {scope: backend.estimates() for scope, backend in backends.items()}
    # Healthy spans by the head sampler's word alone; what failed, and with it the path, as far as it was recorded.
    recorded = "th:c" if "quarter" in head else "th:0"
    for scope, backend in backends.items():
        assert recorded in backend.thresholds("query")
        assert (scope != "span") == (recorded in backend.thresholds("load"))
        assert 1 == len(backend.thresholds("load") - {recorded}), "one rate for what the head sampler took"
