"""The extension and the model agree on what is exported with an error, and on what waits, whatever starts and ends."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing.transport import CollectingTransport
from tests.model.traces import HEAD, Ended, Exported, ModelTraces
from tests.services import RESOURCE, begin, threshold, why

RULES = """
error: keep trace if name == "error"
alone: keep span if name == "alone"
share: keep 50% if name == "share"
limit: keep 1 per hour if name == "limit"
drop:  drop if name == "drop"
"""
KINDS = ("plain", "plain", "plain", "error", "share", "limit", "drop", "alone", "never")
HEAD_STATE = TraceState.from_header(["ot=th:c"])
# By their numbers: in the head sample or not, in the half that `share` keeps or not.
TRACES = {1: (False, False), 2: (False, True), 3: (True, False), 4: (True, True)}

SEQUENCES = 200
STEPS = 60


def trace_id(trace: int) -> int:
    return trace | (0xFF << 48 if TRACES[trace][1] else 0)


def ended_span(it: Ended) -> ReadableSpan:
    sampled = TRACES[it.trace][0]
    return ReadableSpan(
        it.kind,
        context=SpanContext(
            trace_id(it.trace), it.span, False, TraceFlags(int(sampled)), HEAD_STATE if sampled else None
        ),
        parent=SpanContext(trace_id(it.trace), it.parent, False) if it.parent else None,
        attributes={"errsample.keep": False} if it.kind == "never" else None,
        resource=RESOURCE,
        start_time=1,
        end_time=2,
    )


def test_extension_and_model_agree() -> None:
    met: Counter[Exported] = Counter()
    for seed in range(SEQUENCES):
        draw = random.Random(seed)
        steps = [
            (draw.randint(1, 4), draw.randint(0, 6), draw.choice(KINDS), draw.randint(0, 9))
            for _ in range(draw.randint(1, STEPS))
        ]
        met.update(agreed(steps, seed))
    pulled = Exported(0, True, False), Exported(0, True, True)
    assert min(met[what] for what in (*pulled, Exported(0, False, True), Exported(HEAD, False, False))) > 10, met


def agreed(steps: list[tuple[int, int, str, int]], seed: int) -> list[Exported]:
    """What both exported; a failure shows the seed."""
    transport = CollectingTransport()
    processor = ErrorSpanProcessor(RULES, transport=transport, scope="path", clock=lambda: 0)
    model = ModelTraces(
        {1 * n for n, (sampled, _) in TRACES.items() if sampled}, {n for n, (_, half) in TRACES.items() if half}
    )
    parents: dict[tuple[int, int], int] = {}
    number = 0
    for trace, which, kind, chance in steps:
        open_spans = model.locals[trace].open if trace in model.locals else []
        known = sorted(span for of, span in parents if of == trace)
        if chance < 5 or not known:
            number += 1
            parent = known[which % len(known)] if known and chance else 0  # now and then one that has ended
            parents[trace, number] = parent
            begin(processor, trace_id(trace), number, parent)
            model.start(trace, number, parent)
            continue
        # Mostly one that is open; else one that ended before, or never started.
        span = (
            open_spans[which % len(open_spans)] if open_spans and chance < 9 else known[which % len(known)] + which // 6
        )
        it = Ended(trace, span, parents.get((trace, span), 0), kind)
        model.end(it)
        processor.on_end(ended_span(it))
        stats = processor.stats()
        assert stats.balanced
        assert (len(model.locals), model.waiting) == (processor.traces, stats.waiting), seed
    model.shut_down()
    assert processor.shutdown(10_000)
    stats = processor.stats()
    assert stats.balanced
    assert not stats.internal_errors
    assert model.endings == {name: count for name, count in stats.endings.items() if count and name != "delivered"}, (
        seed
    )
    exported: dict[tuple[int, int], list[Exported]] = {}
    for span_ in transport.spans():
        said: dict[str, Any] = {item.key: item.value.bool_value for item in span_.attributes}
        what = Exported(threshold(span_), why(span_)[1] == "trace", said.get("errsample.partial", False))
        key = (int.from_bytes(span_.trace_id, "big") & 0xFF, int.from_bytes(span_.span_id, "big"))
        exported.setdefault(key, []).append(what)
    as_sets = {key: sorted(map(repr, found)) for key, found in exported.items()}
    assert {key: sorted(map(repr, found)) for key, found in model.exported.items()} == as_sets, seed
    return [what for found in model.exported.values() for what in found]
