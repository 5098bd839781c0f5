"""Keep the spans that explain failures: an OpenTelemetry span processor in bounded memory, with counts that balance."""

from __future__ import annotations

try:
    from otel_errsample._hot import ErrorFacts, Verdict
except ModuleNotFoundError as missing:  # a checkout that was never built, or a wheel for another Python
    if missing.name != "otel_errsample._hot":
        raise
    raise ImportError(
        "the extension otel_errsample._hot is not built for this Python; hint: `pip install .` builds it, "
        "and needs a C compiler"
    ) from missing

from otel_errsample.declare import classify
from otel_errsample.errors import ConfigError, ErrsampleError, RuleError
from otel_errsample.processor import ErrorSpanProcessor
from otel_errsample.rules import Rules
from otel_errsample.sampler import ErrorAwareSampler

__all__ = [
    "ConfigError",
    "ErrorAwareSampler",
    "ErrorFacts",
    "ErrorSpanProcessor",
    "ErrsampleError",
    "RuleError",
    "Rules",
    "Verdict",
    "classify",
]

__version__ = "0.1.0"
