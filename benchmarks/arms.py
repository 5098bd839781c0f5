"""How an arm is driven: the same loop over the same spans for every side."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Final, Protocol

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import NoOpTracer, Span, Tracer, set_span_in_context

from benchmarks import spans
from benchmarks.sides import Arm, Tally
from otel_errsample._hot import encode, probe

PREPARED_VARIABLE: Final = "BENCHMARKS_PREPARED"
"""Prepared spans, used in turn: by default more than a processor's or a fingerprint cache holds."""
PREPARED: Final = int(os.environ.get(PREPARED_VARIABLE) or 4096)

TYPICAL: Final = partial(spans.typical, PREPARED)
UNSAMPLED: Final = partial(spans.typical, PREPARED, sampled=False)
FAILED: Final = partial(spans.failed, PREPARED)
FAILED_UNSAMPLED: Final = partial(spans.failed, PREPARED, sampled=False)
LEAKING: Final = partial(spans.failed, PREPARED, leaking=True)

WORK_VARIABLE: Final = "BENCHMARKS_WORK"
"""Rounds of `work` that take 0.5 ms on an idle core; measured once, so that every arm serves the same request."""

Prepared = Callable[[], Sequence[ReadableSpan]]
MakeArm = Callable[[], Arm]


class Side(Protocol):
    """A span processor that can be asked how its spans ended."""

    @property
    def processor(self) -> SpanProcessor: ...

    ended: int
    """How many spans the arm has ended."""

    def tally(self) -> Tally | None: ...

    def accounted(self) -> int: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


MakeSide = Callable[[], Side]


def ends(make: MakeSide, prepared: Prepared) -> MakeArm:
    """on_end alone, the worker asleep."""

    def arm() -> Arm:
        side, ready = make(), prepared()
        on_end = side.processor.on_end
        # It goes on where the last repeat ended: a cache of texts must not meet the same few messages again.
        upcoming = cycle(ready)

        def run(rounds: int) -> None:
            for span in islice(upcoming, rounds):
                on_end(span)
            side.ended += rounds

        return Arm(run, side.flush, side.tally, side.close)

    return arm


def ends_live(make: MakeSide) -> MakeArm:
    """on_end inside the except block of the exception that the span's event tells of; raised in every arm alike."""

    def arm() -> Arm:
        side = make()
        on_end = side.processor.on_end
        upcoming = cycle(enumerate(FAILED()))

        def run(rounds: int) -> None:
            for index, span in islice(upcoming, rounds):
                _end_while_handling(on_end, span, index)
            side.ended += rounds

        return Arm(run, side.flush, side.tally, side.close)

    return arm


def starts(make: MakeSide) -> MakeArm:
    """A span starts and is forgotten: what its start leaves on it has to go again, which costs too."""

    def arm() -> Arm:
        side = make()
        tracer = spans.provider(side.processor).get_tracer(__name__)

        def run(rounds: int) -> None:
            for _ in range(rounds):
                tracer.start_span("GET /api/v2/orders/{id}")

        return Arm(run, close=side.close)

    return arm


def records(make: MakeSide, *, recording: bool = True) -> MakeArm:
    """A span starts, records an exception of 15 frames and is forgotten; `recording=False`: only that it starts."""

    def arm() -> Arm:
        side = make()
        tracer = spans.provider(side.processor).get_tracer(__name__)
        error = _raised()

        def run(rounds: int) -> None:
            for _ in range(rounds):
                span = tracer.start_span("GET /api/v2/orders/{id}")
                if recording:
                    span.record_exception(error)

        return Arm(run, close=side.close)

    return arm


def lives(make: MakeSide, sampler: Sampler, *, all_arrive: bool = True) -> MakeArm:
    """A healthy span from its start to its end, under `sampler`; what that one drops has no ending to be counted."""

    def arm() -> Arm:
        side = make()
        tracer = spans.provider(side.processor, sampler).get_tracer(__name__)

        def run(rounds: int) -> None:
            for index in range(rounds):
                spans.finish(spans.start(tracer, index))
            side.ended += rounds

        return Arm(run, side.flush, side.tally if all_arrive else lambda: None, side.close)

    return arm


def live_together(make: MakeSide, sampler: Sampler) -> MakeArm:
    """Healthy spans from their starts to their ends, ten to a trace: one and its children."""

    def arm() -> Arm:
        side = make()
        tracer = spans.provider(side.processor, sampler).get_tracer(__name__)

        def run(rounds: int) -> None:
            for trace in range(rounds // 10):
                root = spans.start(tracer, trace)
                inside = set_span_in_context(root)
                for index in range(9):
                    spans.finish(spans.start(tracer, index, inside))
                spans.finish(root)
            side.ended += 10 * (rounds // 10)

        return Arm(run, side.flush, side.tally, side.close)

    return arm


def fails(make: MakeSide, *, flushed: bool = False) -> MakeArm:
    """A span whose request raises through 15 frames, from its start to its end, or to its acknowledgement."""

    def arm() -> Arm:
        side = make()
        tracer = spans.provider(side.processor).get_tracer(__name__)

        def run(rounds: int) -> None:
            for index in range(rounds):
                _failing_request(tracer, index)
            side.ended += rounds
            if flushed:
                side.flush()

        return Arm(run, side.flush, side.tally, side.close)

    return arm


def _end_while_handling(on_end: Callable[[ReadableSpan], None], span: ReadableSpan, index: int) -> None:
    try:
        spans.descend(spans.FRAMES, index)
    except spans.ReservationError:
        on_end(span)


def _raised() -> spans.ReservationError:
    try:
        spans.descend(spans.FRAMES, 0)
    except spans.ReservationError as error:
        return error
    raise AssertionError


def _failing_request(tracer: Tracer, index: int) -> None:
    try:
        with tracer.start_as_current_span("GET /api/v2/orders/{id}", attributes=spans.request(index)):
            spans.descend(spans.FRAMES, index)
    except spans.ReservationError:
        pass


def exports(make: MakeSide, prepared: Prepared) -> MakeArm:
    """on_end of every span, then a flush that returns when all of them are acknowledged."""

    def arm() -> Arm:
        made = ends(make, prepared)()

        def run(rounds: int) -> None:
            made.run(rounds)
            made.reset()

        return Arm(run, made.reset, made.tally, made.close)

    return arm


def drains(make: Callable[[threading.Event], Side], prepared: Prepared, rounds: int) -> MakeArm:
    """Only the sending of `rounds` spans that ended before the clock starts, held back by a gate until then."""

    def arm() -> Arm:
        gate = threading.Event()
        side = make(gate)
        filled = ends(lambda: side, prepared)()

        def empty() -> None:
            gate.set()
            side.flush()

        def fill() -> None:
            empty()
            gate.clear()
            filled.run(rounds)

        def tally() -> Tally | None:
            empty()
            return side.tally()

        return Arm(lambda _: empty(), fill, tally, side.close)

    return arm


def encodes_ours(prepared: Prepared) -> MakeArm:
    def arm() -> Arm:
        ready = prepared()
        probe()  # as a span processor does when it is made

        def run(rounds: int) -> None:
            for span in islice(cycle(ready), rounds):
                encode(span)

        return Arm(run)

    return arm


def encodes_stock(prepared: Prepared) -> MakeArm:
    def arm() -> Arm:
        ready = prepared()

        def run(rounds: int) -> None:
            source: Iterable[ReadableSpan] = islice(cycle(ready), rounds)
            while batch := list(islice(source, 512)):
                encode_spans(batch).SerializeToString()

        return Arm(run)

    return arm


def hoards(make: MakeSide, *, failing: bool = False) -> MakeArm:
    """Spans are made, end and wait; what is left in memory afterwards is the figure."""

    def arm() -> Arm:
        side = make()
        tracer = spans.provider(side.processor).get_tracer(__name__)

        def run(rounds: int) -> None:
            for index in range(rounds):
                span = spans.start(tracer, index)
                if failing:
                    spans.fail(span, index)
                spans.finish(span)
            side.ended += rounds

        return Arm(run, side.flush, side.tally, side.close, side.accounted)

    return arm


def hoards_a_trace(make: MakeSide, sampler: Sampler) -> MakeArm:
    """Spans of one trace end and wait for it; at the reset it is kept, so that they are sent."""

    def arm() -> Arm:
        side = make()
        tracer = spans.provider(side.processor, sampler).get_tracer(__name__)
        roots: list[Span] = []

        def run(rounds: int) -> None:
            if not roots:
                roots.append(spans.start(tracer, 0))
            inside = set_span_in_context(roots[0])
            for index in range(rounds):
                spans.finish(spans.start(tracer, index, inside))
            side.ended += rounds

        def reset() -> None:
            while roots:
                root = roots.pop()
                spans.fail(root, 0)
                spans.finish(root)
                side.ended += 1
            side.flush()

        return Arm(run, reset, side.tally, side.close, side.accounted)

    return arm


def serves(make: MakeSide | None) -> MakeArm:
    """A request: 0.5 ms of work, inside a span unless there is no telemetry."""

    def arm() -> Arm:
        units = int(os.environ.get(WORK_VARIABLE) or work_units())
        if make is None:
            return Arm(partial(serve, NoOpTracer(), units))
        side = make()
        tracer = spans.provider(side.processor).get_tracer(__name__)

        def run(rounds: int) -> None:
            serve(tracer, units, rounds)
            side.ended += rounds

        return Arm(run, side.flush, side.tally, side.close)

    return arm


def serve(tracer: Tracer, units: int, rounds: int) -> None:
    for index in range(rounds):
        span = spans.start(tracer, index)
        work(units)
        spans.finish(span)


def work(units: int) -> int:
    """Pure Python that never releases the GIL of its own accord."""
    total = 0
    for unit in range(units):
        total += unit & 7
    return total


def work_units() -> int:
    """How many units of `work` take 0.5 ms when nothing else runs: by the fastest of 50 trials."""
    best = min(_seconds(2000) for _ in range(50))
    return round(2000 * 0.0005 / best)


def _seconds(units: int) -> float:
    begun = time.perf_counter()
    work(units)
    return time.perf_counter() - begun
