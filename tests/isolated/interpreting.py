"""Use the package in a subinterpreter, after the main one or alone, and end it. Argument: who comes first."""

from __future__ import annotations

import _testcapi  # type: ignore[import-not-found]  # of the interpreter itself, and without types
import sys

USE = """
from opentelemetry.sdk.trace import TracerProvider

try:
    from otel_errsample import ErrorSpanProcessor
    from otel_errsample.testing import CollectingTransport
except ImportError as error:
    print("refused:", error, flush=True)
else:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport, flush_errors_ms=60_000)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    for _ in range(3):
        provider.get_tracer("interpreting").start_span("work").end()
    print("worker", processor.stats().worker, flush=True)
    close = transport.close
    transport.close = lambda *patience: (print("sent", len(transport.spans()), flush=True), close(*patience))
"""

BEFORE = USE if sys.argv[1] == "main" else ""
AFTER = """
provider.get_tracer("interpreting").start_span("after").end()
print("main", processor.shutdown(), processor.stats().balanced, flush=True)
"""

names: dict[str, object] = {}
exec(BEFORE, names)
print("ended with", _testcapi.run_in_subinterp(USE), flush=True)
exec(AFTER if BEFORE else "", names)
