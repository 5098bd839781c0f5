"""Requests over one kept connection, before and after gevent or eventlet patches. Arguments: which of them, and when."""

from __future__ import annotations

import sys

from tests.servers.apps.patching import patch

if sys.argv[2] == "early":
    patch(sys.argv[1])

from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorSpanProcessor
from tests.servers.apps import telemetry

processor = ErrorSpanProcessor("keep")
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(processor)
flushed = []
for number in range(4):
    if number == 2 and sys.argv[2] == "late":
        patch(sys.argv[1])
    provider.get_tracer("patched").start_span(f"request {number}").end()
    flushed.append(processor.force_flush())
telemetry.tell(f"flushed: {flushed}")
processor.shutdown()
