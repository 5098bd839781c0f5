"""The service in front: it calls the one behind, and answers all the same where that fails."""

from __future__ import annotations

import sys

import requests
from flask import Flask
from opentelemetry.trace import Tracer

from tests.instrumentations.services.running import run


def build(tracer: Tracer) -> Flask:
    app = Flask(__name__)
    session = requests.Session()

    @app.get("/checkout/<int:number>")
    def checkout(number: int) -> str:
        with tracer.start_as_current_span("authorise"):
            pass
        with tracer.start_as_current_span("place order"):
            answer = session.get(f"{sys.argv[2]}/orders/{number}", timeout=60)
        return "thank you" if answer.ok else "we will come back to you"

    return app


run(sys.argv[1], build)
