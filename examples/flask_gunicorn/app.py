"""A shop whose price list has a hole."""

from __future__ import annotations

from flask import Flask
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor

provider = TracerProvider(sampler=ErrorAwareSampler(0))  # of healthy traces none, of errors all
provider.add_span_processor(ErrorSpanProcessor())
trace.set_tracer_provider(provider)

PRICES = {"tea": 4.2, "coffee": 9.9}

app = Flask(__name__)
FlaskInstrumentor().instrument_app(app)
tracer = trace.get_tracer(__name__)


@app.route("/price/<article>")
def price(article: str) -> dict[str, float]:
    with tracer.start_as_current_span("look up the price"):
        return {"price": PRICES[article]}
