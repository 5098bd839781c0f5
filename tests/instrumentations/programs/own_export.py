"""An application whose clients are all instrumented exports its spans over OTLP: the export itself makes no span."""

import json
import os
import sys
import urllib.request

import grpc
import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient, GrpcInstrumentorClient
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib import URLLibInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import unavailable


def call(receiver: Receiver) -> None:
    """The application's own requests, to show that its clients are instrumented."""
    urllib.request.urlopen(receiver.url, b"", timeout=10).close()
    requests.post(receiver.url, b"", timeout=10)


def call_grpc(receiver: Receiver) -> None:
    with grpc.insecure_channel(receiver.endpoint) as channel:
        channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")(b"", timeout=10)


def main(way: str) -> None:
    # The receiver refuses once, so that a repeated request would be seen too; the stock exporter would wait.
    script = [] if way == "stock exporter" else [unavailable(retry_after=0)]
    with Receiver("grpc" if way == "grpc" else "http", script) as receiver:
        os.environ.update(receiver.environ)
        processor = ErrorSpanProcessor("keep", OTLPSpanExporter() if way == "stock exporter" else None)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        trace.set_tracer_provider(provider)
        with provider.get_tracer("application").start_as_current_span("application"):
            pass
        # A span that the first flush makes would go with the second.
        delivered = processor.force_flush() and processor.force_flush()
        requests_made, ended = len(receiver.requests), processor.stats().ended
        (call_grpc if way == "grpc" else call)(receiver)
        called = processor.stats().ended - ended
        provider.shutdown()
    result = {"delivered": delivered, "requests": requests_made, "ended": ended, "called": called}
    print(json.dumps(result))


for instrumentor in (
    GrpcInstrumentorClient(),
    GrpcAioInstrumentorClient(),
    HTTPXClientInstrumentor(),
    RequestsInstrumentor(),
    URLLibInstrumentor(),
    URLLib3Instrumentor(),
):
    instrumentor.instrument()
main(sys.argv[1])
