"""The same traffic through a span processor in front of the Collector's tail_sampling, and through ours alone."""

from __future__ import annotations

from typing import Final

SIDES: Final = ("noop", "stock", "ours")
"""Spans are recorded and exported by nobody; by BatchSpanProcessor for tail_sampling; by ErrorSpanProcessor."""
