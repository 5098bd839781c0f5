"""The application that the faults happen to. Arguments: stock or ours, protocol, what happens, after how many errors.

It says when it begins. With 0 spans it is the next start of the same service: it lives for a moment, and ends.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

from chaos.clock import HOUR, VARIABLE, set_clock
from otel_errsample import ErrorSpanProcessor

NEXT_START_LIVES = 1.5
CHILDREN = 3


def processor_of(arm: str, protocol: str) -> SpanProcessor:
    if arm == "ours":
        return ErrorSpanProcessor()
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc

        return BatchSpanProcessor(OverGrpc())
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp

    return BatchSpanProcessor(OverHttp())


def fail(provider: TracerProvider, spans: int, bad: int = -1, first: int = 0) -> None:
    tracer = provider.get_tracer("chaos")
    for number in range(first, first + spans):
        span = tracer.start_span(f"failing {number}")
        message = "cannot parse \udce9t\udce9.csv" if number == bad else f"cannot parse {number}.csv"
        span.set_attribute("file", message)
        span.set_status(Status(StatusCode.ERROR, message))
        span.end()


def fork_three_times(provider: TracerProvider, spans: int) -> None:
    """While the first spans are sent; `spans` are ended by all of them together."""
    each = spans // (CHILDREN + 1)
    fail(provider, spans - CHILDREN * each, first=CHILDREN * each)
    for child in range(CHILDREN):
        time.sleep(0.3)
        pid = os.fork()
        if not pid:
            fail(provider, each, first=child * each)
            provider.force_flush(5000)
            os._exit(0)
    for _ in range(CHILDREN):
        os.wait()


def end_while_the_clock_steps(provider: TracerProvider, what: str) -> None:
    """In the middle of what the receiver does to the first requests."""
    clock, step = Path(os.environ[VARIABLE]), HOUR if what == "clock_forward" else -HOUR
    threading.Timer(1.0, set_clock, (clock, step)).start()
    provider.shutdown()


def main() -> int:
    arm, protocol, what, spans = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if what == "full_disk":
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    provider = TracerProvider(resource=Resource.create({"service.name": "chaos"}))
    provider.add_span_processor(processor_of(arm, protocol))
    print("begin", flush=True)
    if not spans:
        time.sleep(NEXT_START_LIVES)
        return 0
    if what == "fork":
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            return 0
    if what == "forks":
        fork_three_times(provider, spans)
        return 0
    fail(provider, spans, spans // 2 if what == "bad_value" else -1)
    if what.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, what))
    elif what == "full_disk":
        time.sleep(1.0)  # time for what waits in memory
        os.kill(os.getpid(), signal.SIGKILL)
    elif what.startswith("clock"):
        end_while_the_clock_steps(provider, what)
    elif what in ("os_exit", "fork"):
        os._exit(0)
    elif what == "execv":
        os.execv(sys.executable, [sys.executable, "-c", ""])
    return 0


if __name__ == "__main__":
    sys.exit(main())
