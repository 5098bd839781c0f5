"""A program that knows nothing of the package: two spans fail, one does not. Prints what is in force, as JSON."""

from __future__ import annotations

import json

from opentelemetry import _logs, metrics, trace

tracer = trace.get_tracer("app")
with tracer.start_as_current_span("fine"):
    pass
try:
    with tracer.start_as_current_span("order"), tracer.start_as_current_span("pay"):
        raise KeyError("card")
except KeyError:
    pass

provider = trace.get_tracer_provider()
several = getattr(provider, "_active_span_processor", None)
print(
    json.dumps(
        {
            "provider": type(provider).__name__,
            "processors": [type(processor).__name__ for processor in getattr(several, "_span_processors", ())],
            "others": {
                "metrics": type(metrics.get_meter_provider()).__name__,
                "logs": type(_logs.get_logger_provider()).__name__,
            },
            "sampler": provider.sampler.get_description() if hasattr(provider, "sampler") else "",
        }
    )
)
