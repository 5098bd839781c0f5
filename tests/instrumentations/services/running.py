"""A service in a process of its own: Flask on loopback, telemetry as the environment says, until standard input ends."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable

from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from werkzeug.serving import make_server

from otel_errsample import ErrorSpanProcessor
from otel_errsample.plugins.sampler import traces_sampler


def run(head: str, build: Callable[[trace.Tracer], Flask]) -> None:
    """Print the port; when standard input ends, export what is left and print the books."""
    provider = TracerProvider(sampler=traces_sampler(head), shutdown_on_exit=False)
    processor = ErrorSpanProcessor()
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    RequestsInstrumentor().instrument()
    app = build(provider.get_tracer("application"))
    FlaskInstrumentor().instrument_app(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()
    serving.join()
    delivered = processor.shutdown(30_000)
    stats = processor.stats()
    print(
        json.dumps({"delivered": delivered, "balanced": stats.balanced, "ended": stats.ended, "errors": stats.errors})
    )
