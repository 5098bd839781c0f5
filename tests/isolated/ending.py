"""Leave the interpreter in one of several ways with spans still queued. Argument: the way."""

from __future__ import annotations

import atexit
import os
import signal
import sys

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor

WAY = sys.argv[1]
provider = TracerProvider()
processor = ErrorSpanProcessor("keep", flush_errors_ms=60_000, flush_on_sigterm=WAY == "sigterm")
provider.add_span_processor(processor)
tracer = provider.get_tracer("ending")


def end_spans(count: int) -> None:
    for _ in range(count):
        span = tracer.start_span("queued")
        span.set_status(StatusCode.ERROR)
        span.end()


if WAY == "atexit":
    # Registered after the provider's own hook, so it runs before it: no span was kept and no thread started until now.
    atexit.register(end_spans, 100)
else:
    end_spans(100)
if WAY == "exit":
    sys.exit(3)
if WAY == "uncaught":
    raise RuntimeError("nobody catches this")
if WAY == "interrupt":
    os.kill(os.getpid(), signal.SIGINT)
if WAY == "sigterm":
    os.kill(os.getpid(), signal.SIGTERM)
