"""Say in JSON by how many bytes memory grew: while large spans wait, or while a receiver answers without bounds.

Arguments: "spans" with their number and their size, or "requests" with their number.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor

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


numbers = [int(argument) for argument in sys.argv[2:]]
print(json.dumps(spans(*numbers) if sys.argv[1] == "spans" else requests(*numbers)))
processor.shutdown(100)
