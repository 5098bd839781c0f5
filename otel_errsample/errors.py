"""The exceptions this package raises; all of them at configuration time, none from a hook."""

from __future__ import annotations


class ErrsampleError(Exception):
    """Base of every exception this package raises."""


class ConfigError(ErrsampleError, ValueError):
    """An argument given in code has a value that cannot be used."""
