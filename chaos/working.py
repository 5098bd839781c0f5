"""An application at a steady rate for the outages: `python -m chaos.working ARM PROTOCOL RATE ERRORS SECONDS`.

Of a hundred spans ERRORS are errors, nine out of ten of one fingerprint and the tenth of a new one; the others are
healthy, and all of them are to be kept. It says when it begins, works, shuts down, and prints what it saw as one line of
JSON: the spans by kind, what `on_end` costs in each second (median, CPU), and its memory.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time

import psutil
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import StatusCode

from chaos.application import processor_of
from otel_errsample import ErrorSpanProcessor

_TICK = 0.02


class Stopwatch(SpanProcessor):
    """What another processor's `on_end` takes of its thread's CPU time, in ns, since the last `median`."""

    def __init__(self, inner: SpanProcessor) -> None:
        self._inner = inner
        self._times: list[int] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self._inner.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        begun = time.thread_time_ns()
        self._inner.on_end(span)
        self._times.append(time.thread_time_ns() - begun)

    def median(self) -> int:
        times, self._times = self._times, []
        return int(statistics.median(times)) if times else 0


def end_one(provider: TracerProvider, number: int, errors: int) -> str:
    """End the span of that number; its kind."""
    tracer = provider.get_tracer("chaos")
    kind = "healthy" if number % 100 >= errors else "repeated" if number % 10 else "new"
    span = tracer.start_span(f"{kind} {number}", attributes={"http.route": "/orders/{id}", "note": "x" * 300})
    if kind != "healthy":
        # The name of the class is in the fingerprint.
        error = type(f"Error{_letters(number)}" if kind == "new" else "ConnectionError", (Exception,), {})
        try:
            raise error("the database does not answer")
        except Exception as raised:
            span.record_exception(raised)
            span.set_status(StatusCode.ERROR, str(raised))
    span.end()
    return kind


def _letters(number: int) -> str:
    """Digits are left out of fingerprints."""
    return str(number).translate(str.maketrans("0123456789", "abcdefghij"))


def main() -> int:
    arm, protocol, rate, errors, seconds = *sys.argv[1:3], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    provider = TracerProvider(resource=Resource.create({"service.name": "chaos"}))
    processor = processor_of(arm, protocol)
    stopwatch = Stopwatch(processor)
    provider.add_span_processor(stopwatch)
    ended = {"healthy": 0, "repeated": 0, "new": 0}
    costs: list[int] = []
    memory: list[int] = []
    number = 0
    print("begin", flush=True)
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        while number < passed * rate:
            number += 1
            ended[end_one(provider, number, errors)] += 1
        if passed > len(memory) + 1:
            costs.append(stopwatch.median())
            memory.append(psutil.Process().memory_info().rss)
        time.sleep(_TICK)
    begun = time.monotonic()
    processor.shutdown()
    said = {"ended": ended, "cost": costs, "memory": memory, "shutdown": round(time.monotonic() - begun, 1)}
    if isinstance(processor, ErrorSpanProcessor):
        stats = processor.stats()
        said |= {"endings": {name: count for name, count in stats.endings.items() if count}, "balanced": stats.balanced}
    print(json.dumps(said), flush=True)
    os._exit(0)  # the stock exporter's threads may live on


if __name__ == "__main__":
    sys.exit(main())
