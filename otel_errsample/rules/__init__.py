"""The rule language: which spans are kept."""

from otel_errsample.rules.ruleset import Rules

__all__ = ["Rules"]
