"""The instrumentor `errsample`, by which the SDK hands over options from `instrumentation/development` in a file."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from otel_errsample.plugins.switch import NAME, switched

logger = logging.getLogger("otel_errsample")


class ErrsampleInstrumentor(BaseInstrumentor):
    """Takes the place of the batch processors, with the options of the file. Does nothing where nobody named it."""

    def instrumentation_dependencies(self) -> Collection[str]:
        return ()

    def instrument(self, **options: Any) -> None:
        """As the file says; called with `skip_dep_check` by opentelemetry-instrument, which calls all there are."""
        if not options.pop("skip_dep_check", False):
            super().instrument(skip_dep_check=True, **options)

    def _instrument(self, **options: Any) -> None:
        try:
            _take_over(options)
        except Exception as error:
            logger.error("otel-errsample is not switched on, since it failed: %s", " ".join(str(error).split()))

    def _uninstrument(self, **_: Any) -> None:
        """Nothing to undo: the span processor goes with its provider."""


def _take_over(options: dict[str, Any]) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import get_tracer_provider

    from otel_errsample.plugins.options import arguments
    from otel_errsample.plugins.takeover import take_over

    provider = get_tracer_provider()
    place = f"instrumentation/development.python.{NAME}"
    if switched() is not False and isinstance(provider, TracerProvider):
        take_over(provider, place, arguments(options, place))
