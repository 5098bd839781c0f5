"""Spans whose end is written down where every process of a test can, and what a forked child does with some."""

from __future__ import annotations

import os
import signal

from opentelemetry.trace import StatusCode, Tracer

from otel_errsample import ErrorSpanProcessor

SPANS_OF_A_CHILD = 3
# Seconds: whoever takes them hangs, and is ended by an alarm that tells where. Not by faulthandler's watchdog, a thread,
# which a forked child would wait for in vain.
PATIENCE = 10


def end_a_span(tracer: Tracer, name: str, ended: int) -> None:
    """End a failed span and add its name and ids to the file `ended`, which is open for appending."""
    span = tracer.start_span(name)
    span.set_status(StatusCode.ERROR)
    span.end()
    context = span.get_span_context()
    os.write(ended, f"{name} {context.trace_id:032x} {context.span_id:016x}\n".encode())


def live_and_die(processor: ErrorSpanProcessor, tracer: Tracer, ended: int) -> None:
    """What a child does: end spans, shut down, and exit with 0 where all of them, and no other, were delivered."""
    status = 9
    try:
        signal.alarm(PATIENCE)
        for _ in range(SPANS_OF_A_CHILD):
            end_a_span(tracer, "child", ended)
        delivered = processor.shutdown(10_000)
        stats = processor.stats()
        status = 8 if not stats.balanced or stats.ended != SPANS_OF_A_CHILD else 0 if delivered else 7
    finally:
        os._exit(status)
