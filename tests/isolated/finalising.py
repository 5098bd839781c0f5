"""End spans while the interpreter goes down. Argument: from where."""

from __future__ import annotations

import atexit
import sys
import threading
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor

WAY = sys.argv[1]
provider = TracerProvider()
provider.add_span_processor(ErrorSpanProcessor("keep", scope="trace", flush_errors_ms=1))
tracer = provider.get_tracer("finalising")


def end_a_span() -> None:
    span = tracer.start_span("late")
    span.set_status(StatusCode.ERROR)
    span.end()


class Finalised:
    """In a cycle, so that it goes when the interpreter looks for the last garbage."""

    def __init__(self) -> None:
        self.own = self
        self.end = end_a_span

    def __del__(self) -> None:
        self.end()


def produce() -> None:
    while True:
        end_a_span()


def end_spans() -> None:
    for _ in range(200):
        end_a_span()


end_a_span()
if WAY == "atexit":
    atexit._clear()  # only ours is left, and the provider's comes after it
    atexit.register(provider.shutdown)
    atexit.register(end_a_span)
elif WAY == "atexit after shutdown":
    atexit.unregister(provider.shutdown)
    atexit.register(end_a_span)
    provider.shutdown()
elif WAY == "finalisers":
    kept: Any = [Finalised() for _ in range(20)]
    sys.modules["kept"] = kept
elif WAY == "daemon threads":
    for _ in range(3):
        threading.Thread(target=produce, daemon=True).start()
elif WAY == "a thread that ends last":
    threading.Thread(target=end_spans).start()
