"""The application that the faults happen to. Arguments: stock or ours, what happens, after how many failed spans.

With 0 spans it is the next start of the same service: it lives for a moment, and ends.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

from otel_errsample import ErrorSpanProcessor

NEXT_START_LIVES = 1.5


def processor_of(arm: str) -> SpanProcessor:
    return BatchSpanProcessor(OTLPSpanExporter()) if arm == "stock" else ErrorSpanProcessor()


def fail(provider: TracerProvider, spans: int, bad: int = -1) -> None:
    tracer = provider.get_tracer("chaos")
    for number in range(spans):
        span = tracer.start_span(f"failing {number}")
        message = "cannot parse \udce9t\udce9.csv" if number == bad else f"cannot parse {number}.csv"
        span.set_attribute("file", message)
        span.set_status(Status(StatusCode.ERROR, message))
        span.end()


def main() -> int:
    arm, what, spans = sys.argv[1], sys.argv[2], int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if what == "full_disk":
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    provider = TracerProvider(resource=Resource.create({"service.name": "chaos"}))
    provider.add_span_processor(processor_of(arm))
    if not spans:
        time.sleep(NEXT_START_LIVES)
        return 0
    if what == "fork":
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            return 0
    fail(provider, spans, spans // 2 if what == "bad_value" else -1)
    if what.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, what))
    elif what == "full_disk":
        time.sleep(1.0)  # time for what waits in memory
        os.kill(os.getpid(), signal.SIGKILL)
    elif what in ("os_exit", "fork"):
        os._exit(0)
    elif what == "execv":
        os.execv(sys.executable, [sys.executable, "-c", ""])
    return 0


if __name__ == "__main__":
    sys.exit(main())
