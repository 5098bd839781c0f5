"""Say in JSON by how many bytes memory grew: while large spans wait, or while a receiver answers without bounds.

Arguments: "spans" with their number and their size, "requests" with their number, or "steady" with that of spans which
are delivered at once.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from otel_errsample import ErrorSpanProcessor
from otel_errsample.transport import Answer, Outcome

processor = ErrorSpanProcessor("keep", flush_errors_ms=60_000)
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(processor)
tracer = provider.get_tracer("weighing")


def end_a_span(size: int) -> None:
    span = tracer.start_span("large", attributes={"filler": "x" * size})
    span.set_status(StatusCode.ERROR)
    span.end()


def held() -> int:
    """Bytes of memory that are resident now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def spans(count: int, size: int) -> dict[str, int]:
    end_a_span(size)  # what a span of that size costs while it is made
    before = held()
    for _ in range(count):
        end_a_span(size)
    grown = held() - before
    stats = processor.stats()
    return {
        "grown": grown,
        "capacity": stats.capacity_bytes,
        "ended": stats.ended,
        "waiting": stats.buffered,
        "dropped": stats.endings["evicted"] + stats.endings["buffer_full"],
        "balanced": stats.balanced,
    }


def requests(count: int) -> dict[str, int]:
    end_a_span(100)
    processor.force_flush(10_000)  # the modules and the connection
    before = peak()
    for _ in range(count):
        end_a_span(100)
        processor.force_flush(10_000)
    return {"grown": peak() - before, "failed": processor.stats().endings["export_failed"]}


class Taking:
    """A transport that takes everything and keeps nothing."""

    endpoint = "nowhere"

    def send(self, payload: bytes, timeout: float) -> Answer:
        return Answer(Outcome.ACCEPTED)

    def abort(self) -> None:
        pass

    def close(self, patience: float = 0.0) -> None:
        pass

    forget = abort


def steady(count: int) -> dict[str, int]:
    """One in a hundred fails, each in one of a thousand ways; trace by trace, as ids go."""
    taking = ErrorSpanProcessor("few: keep 9 per second by name if error\nkeep 50%", transport=Taking(), scope="trace")
    resource = Resource({"service.name": "s"})
    fine, failed = Status(), Status(StatusCode.ERROR, "why")

    def end(first: int, last: int) -> None:
        for number in range(first, last):
            context = SpanContext(number + 1, number + 1, False, TraceFlags(1))
            status = fine if number % 100 else failed
            name = f"work {number // 100 % 1000}"
            taking.on_end(
                ReadableSpan(name, context=context, resource=resource, status=status, start_time=1, end_time=2)
            )
        taking.force_flush(60_000)

    end(0, count // 5)
    before = held()
    end(count // 5, count)
    grown = held() - before
    taking.shutdown(10_000)
    stats = taking.stats()
    return {"grown": grown, "ended": stats.ended, "balanced": stats.balanced, "errors": stats.errors}


WEIGH: Final[dict[str, Callable[..., dict[str, int]]]] = {"spans": spans, "requests": requests, "steady": steady}

print(json.dumps(WEIGH[sys.argv[1]](*map(int, sys.argv[2:]))))
processor.shutdown(100)
