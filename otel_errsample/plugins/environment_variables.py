"""The variables as names of a module, by which opentelemetry-instrument makes flags of them: `--errsample_rules`."""

from __future__ import annotations

from otel_errsample.config import PREFIX, SETTINGS

globals().update({row.variable: row.variable for row in SETTINGS if row.variable.startswith(PREFIX)})
