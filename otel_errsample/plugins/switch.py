"""Whether it is switched on, and who else could be meant."""

from __future__ import annotations

import logging
import os
from typing import Final

from otel_errsample.config import ENABLED

NAME: Final = "errsample"
"""By which every entry point is found."""

CONFIGURATOR: Final = "OTEL_PYTHON_CONFIGURATOR"
CONFIGURATORS: Final = "opentelemetry_configurator"

logger = logging.getLogger("otel_errsample")


def switched() -> bool | None:
    """What `OTEL_ERRSAMPLE_ENABLED` says; None where it is unset, or cannot be used, which is said."""
    text = os.environ.get(ENABLED, "").strip().lower()
    if text in ("true", "false"):
        return text == "true"
    if text:
        logger.warning("%s: is expected to be true or false; it counts as unset", ENABLED)
    return None


def is_named() -> bool:
    """Whether `OTEL_PYTHON_CONFIGURATOR` names ours; where it is unset the launcher takes the first it finds."""
    return os.environ.get(CONFIGURATOR) == NAME
