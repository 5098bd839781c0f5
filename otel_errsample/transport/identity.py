"""How this client names itself to servers."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from opentelemetry.sdk.version import __version__ as sdk_version


def user_agent() -> str:
    """Return the User-Agent: the one the OTLP exporter specification asks for, with this package as the second product."""
    try:
        own = version("otel-errsample")
    except PackageNotFoundError:  # run from a source tree that was never installed
        own = "0"
    return f"OTel-OTLP-Exporter-Python/{sdk_version} otel-errsample/{own}"
