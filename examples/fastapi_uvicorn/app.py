"""A shop that waits for a payment provider, but not for long."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor
from otel_errsample.integrations.asgi import FlushOnShutdown

provider = TracerProvider(sampler=ErrorAwareSampler(0))  # of healthy traces none, of errors all
provider.add_span_processor(ErrorSpanProcessor())
trace.set_tracer_provider(provider)

app = FastAPI()
app.add_middleware(FlushOnShutdown)  # uvicorn dies by the SIGTERM that ends it
FastAPIInstrumentor.instrument_app(app)
tracer = trace.get_tracer(__name__)


@app.get("/pay/{method}")
async def pay(method: str) -> dict[str, str]:
    with tracer.start_as_current_span("ask the payment provider"):
        answer = asyncio.get_running_loop().create_future()
        if method == "card":
            answer.set_result("paid")
        return {"state": await asyncio.wait_for(answer, timeout=0.05)}
