"""Processors that come and go leave nothing behind, and do not hold each other up."""

from __future__ import annotations

import gc
import os
import threading
from collections import Counter
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor, fork, living
from otel_errsample.export import Worker
from otel_errsample.testing.receiver import Receiver
from otel_errsample.transport import open_transport
from tests.exchange import protocols, settings_for
from tests.waiting import eventually

LONG = os.environ.get("ERRSAMPLE_LONG") == "1"
CYCLES = 1_000 if LONG else 20


def fail(provider: TracerProvider) -> None:
    span = provider.get_tracer("test").start_span("s")
    span.set_status(StatusCode.ERROR)
    span.end()


def left_behind() -> Counter[str]:
    gc.collect()
    gc.collect()
    # By type alone: what other tests left behind may refuse to say of what class it is, or to be compared.
    kinds = (ErrorSpanProcessor, Worker)
    counts = Counter(kind.__name__ for one in gc.get_objects() for kind in kinds if type(one) is kind)
    counts["threads"] = threading.active_count()
    counts["files"] = len(list(Path("/proc/self/fd").iterdir()))
    counts["members"] = len(living.members())
    return counts


@pytest.mark.timeout(900 if LONG else 120)
@pytest.mark.scenario("C4")
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts /proc/self/fd")
@protocols
def test_what_was_made_and_shut_down_leaves_nothing(protocol: str) -> None:
    def cycle(receiver: Receiver) -> None:
        processor = ErrorSpanProcessor("keep", transport=receiver.settings())
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        fail(provider)
        assert processor.shutdown(10_000)

    with Receiver(protocol) as receiver:
        for _ in range(3):
            cycle(receiver)
        registered = fork._registered
        before = left_behind()
        for _ in range(CYCLES):
            cycle(receiver)
        # The receiver closes its ends of the connections by itself.
        assert eventually(lambda: left_behind() <= before), (before, left_behind())
        assert registered, "one set of at-fork hooks for the process, which was there before"
        assert CYCLES + 3 == len(receiver.spans())


@pytest.mark.scenario("D11")
@protocols
def test_of_two_destinations_the_one_that_lives_gets_everything(protocol: str) -> None:
    with Receiver(protocol) as receiver:
        alive = ErrorSpanProcessor("keep", transport=receiver.settings())
        dead = ErrorSpanProcessor("keep", transport=open_transport(settings_for(protocol, 1)))
        provider = TracerProvider(shutdown_on_exit=False)
        for processor in (dead, alive):
            provider.add_span_processor(processor)
        for _ in range(1_000):
            fail(provider)
        assert not dead.force_flush(100)
        assert alive.shutdown(10_000)
        assert 1_000 == len(receiver.spans()) == alive.stats().endings["delivered"]
        assert not dead.shutdown(100)
        assert 1_000 == dead.stats().endings["undelivered"]
