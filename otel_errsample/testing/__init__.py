"""Helpers for tests of applications that use this package: a clock, a transport, and real OTLP receivers.

The receivers are imported from their own module, `otel_errsample.testing.receiver`, which loads a server.
"""

from __future__ import annotations

from otel_errsample.testing.clock import ManualClock
from otel_errsample.testing.transport import CollectingTransport

__all__ = ["CollectingTransport", "ManualClock"]
