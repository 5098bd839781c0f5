"""The instrumentor `errsample`, by which the SDK hands over options from `instrumentation/development` in a file."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from otel_errsample.plugins.masking import told
from otel_errsample.plugins.switch import NAME, switched

logger = logging.getLogger("otel_errsample")


class ErrsampleInstrumentor(BaseInstrumentor):
    """Takes the place of the batch processors, with the options of the file. Does nothing where nobody named it."""

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()

    def instrument(self, **options: Any) -> None:
        """As the file says; called with `skip_dep_check` by opentelemetry-instrument, which calls all there are."""
        try:
            wanted = not options.pop("skip_dep_check", False) and _is_asked(options)
        except Exception as error:
            logger.error("otel-errsample is not switched on, since it failed: %s", told(error))
            return
        if wanted:
            super().instrument(skip_dep_check=True, **options)

    def _instrument(self, **options: Any) -> None:
        try:
            _take_over(options)
        except Exception as error:
            logger.error("otel-errsample is not switched on, since it failed: %s", told(error))

    def _uninstrument(self, **_: Any) -> None:
        """Nothing to undo: the span processor goes with its provider."""


def _is_asked(options: Mapping[str, Any]) -> bool:
    """Whether a variable, an option of ours or the file wants it: programs instrument whatever is installed."""
    from otel_errsample.config import FILE_SETTINGS

    if (enabled := switched()) is not None:
        return enabled
    if options.keys() & {"rules", "config", "head_sampled", *FILE_SETTINGS}:
        return True
    path = os.environ.get("OTEL_CONFIG_FILE")
    if not path:
        return False
    from opentelemetry.configuration import load_config_file

    named = getattr(load_config_file(path).instrumentation_development, "python", None) or {}
    return NAME in named


def _take_over(options: dict[str, Any]) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import get_tracer_provider

    from otel_errsample.plugins.options import arguments
    from otel_errsample.plugins.takeover import take_over

    provider = get_tracer_provider()
    place = f"instrumentation/development.python.{NAME}"
    if isinstance(provider, TracerProvider):
        take_over(provider, place, arguments(options, place))
