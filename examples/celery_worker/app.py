"""Orders that a worker ships, one of them to nowhere; a directory stands in for the broker."""

from __future__ import annotations

import os

from celery import Celery
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, classify

provider = TracerProvider(sampler=ErrorAwareSampler(0))  # of healthy traces none, of errors all
provider.add_span_processor(ErrorSpanProcessor())
trace.set_tracer_provider(provider)
CeleryInstrumentor().instrument()

folders = dict.fromkeys(("data_folder_in", "data_folder_out", "control_folder"), os.environ["BROKER"])
app = Celery("orders", broker="filesystem://")
app.conf.update(broker_transport_options=folders, task_ignore_result=True)


@classify(kind="business", domain="shipping")
class UnknownAddressError(Exception):
    """Nobody lives there."""


@app.task(name="ship")
def ship(address: str) -> None:
    if address == "nowhere":
        raise UnknownAddressError(f"cannot ship to {address}")
