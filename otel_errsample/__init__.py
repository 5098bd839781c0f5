"""Keep the spans that explain failures: an OpenTelemetry span processor in bounded memory, with counts that balance."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from otel_errsample._hot import ErrorFacts, Verdict
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

# Loaded when first asked for. Where this package is installed, every program that opentelemetry-instrument starts loads
# its entry points, switched on or not: that must cost next to nothing, and must not fail for want of the extension.
_HOMES: Final = {
    "ConfigError": "errors",
    "ErrorAwareSampler": "sampler",
    "ErrorFacts": "_hot",
    "ErrorSpanProcessor": "processor",
    "ErrsampleError": "errors",
    "RuleError": "errors",
    "Rules": "rules",
    "Verdict": "_hot",
    "classify": "declare",
}

if not TYPE_CHECKING:  # a type checker would take every name for a known one

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        except ModuleNotFoundError as missing:  # a checkout that was never built, or a wheel for another Python
            if missing.name != "otel_errsample._hot":
                raise
            raise ImportError(
                "the extension otel_errsample._hot is not built for this Python; hint: `pip install .` builds it, "
                "and needs a C compiler"
            ) from missing
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
