"""End a hundred spans in processes of multiprocessing or of a pool. Arguments: which, and how they start."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor

provider = TracerProvider()
provider.add_span_processor(ErrorSpanProcessor("keep", flush_errors_ms=60_000))


def end_spans(count: int) -> None:
    for _ in range(count):
        span = provider.get_tracer("pooling").start_span("s")
        span.set_status(StatusCode.ERROR)
        span.end()


if __name__ == "__main__":
    what, how = sys.argv[1:]
    context: Any = multiprocessing.get_context(how)
    if what == "processes":
        children = [context.Process(target=end_spans, args=(25,)) for _ in range(4)]
        for child in children:
            child.start()
        for child in children:
            child.join()
    else:
        with ProcessPoolExecutor(4, mp_context=context) as pool:
            list(pool.map(end_spans, [10] * 10))
