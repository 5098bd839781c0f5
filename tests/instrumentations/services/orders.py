"""The service behind: every hundredth order cannot be inserted."""

from __future__ import annotations

import sys

from flask import Flask
from opentelemetry.trace import Tracer

from tests.instrumentations.services.running import run


def build(tracer: Tracer) -> Flask:
    app = Flask(__name__)

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        with tracer.start_as_current_span("reserve"):
            with tracer.start_as_current_span("SELECT stock"):
                pass
            with tracer.start_as_current_span("INSERT", attributes={"app.order": number}):
                if number % 100 == 0:
                    raise ValueError("no such item")
        return "done"

    return app


run(sys.argv[1], build)
