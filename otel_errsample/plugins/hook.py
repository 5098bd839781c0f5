"""Run by opentelemetry-instrument in every program, after the SDK was configured and before libraries are instrumented."""

from __future__ import annotations

import logging
import os
from difflib import get_close_matches

from otel_errsample.plugins.switch import CONFIGURATOR, CONFIGURATORS, NAME, switched

logger = logging.getLogger("otel_errsample")


def pre_instrument() -> None:
    """Put our span processor into the tracer provider, if `OTEL_ERRSAMPLE_ENABLED` is true; never raises."""
    try:
        missing = _missing_configurator()
        wanted = switched()
        if wanted or (wanted is None and get_close_matches(missing, [NAME], n=1)):
            _switch_on(missing)
    except Exception as error:
        from otel_errsample.plugins.masking import told  # for the few who need it

        logger.error("otel-errsample is not switched on, since it failed: %s", told(error))


def _switch_on(missing: str) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import get_tracer_provider

    provider = get_tracer_provider()
    if isinstance(provider, TracerProvider):
        from otel_errsample.config import ENABLED
        from otel_errsample.plugins.takeover import take_over

        take_over(provider, ENABLED, {})
    elif missing:
        from otel_errsample.plugins.configurator import ErrsampleConfigurator

        logger.warning("%s names none that is installed; %s configures the SDK", CONFIGURATOR, NAME)
        ErrsampleConfigurator().set_up()
    else:
        logger.warning("there is no tracer provider of the SDK (%s), so nothing is kept", type(provider).__name__)


def _missing_configurator() -> str:
    """The configurator that was chosen and does not exist: nobody has configured anything then."""
    chosen = os.environ.get(CONFIGURATOR, "")
    if not chosen or chosen == NAME:
        return ""
    from opentelemetry.util._importlib_metadata import entry_points

    return "" if any(point.name == chosen for point in entry_points(group=CONFIGURATORS)) else chosen
