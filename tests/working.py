"""A worker on a buffer of its own, whose requests are answered by the test."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_errsample._hot import Buffer, Ledger, Limits, group_of
from otel_errsample.export import Worker
from otel_errsample.reporter import Reporter
from otel_errsample.schedule import Schedule
from otel_errsample.transport import Answer, Outcome

HEAD, FIRST = 1, 3  # lanes
ACCEPTED = Answer(Outcome.ACCEPTED)
GROUP = group_of(Resource({}), InstrumentationScope("t"))


class ScriptedSink:
    """Answers what the test says; keeps which spans (their objects) were offered."""

    endpoint = "scripted"
    destination: object = "scripted"
    patience = 0.1

    def __init__(self, answer: Callable[[list[Any]], Answer]) -> None:
        self.answer = answer
        self.offered: list[list[Any]] = []
        self.delivered: list[Any] = []
        self.aborted = threading.Event()
        self.closed = 0
        self.released = 0
        self.suppressed: list[object] = []

    def deliver(self, batch: Any, start: int, stop: int, timeout: float) -> Answer:
        spans = batch.spans(start, stop)
        self.offered.append(spans)
        self.suppressed.append(get_value(_SUPPRESS_INSTRUMENTATION_KEY))
        answer = self.answer(spans)
        if answer.outcome is Outcome.ACCEPTED:
            self.delivered += spans
        return answer

    def abort(self) -> None:
        self.aborted.set()

    def release(self) -> None:
        self.released += 1

    def close(self) -> None:
        self.closed += 1

    def forget(self) -> None:
        pass


class Bench:
    """A worker on a buffer of span objects (plain strings here) and a scripted sink."""

    def __init__(
        self,
        answer: Callable[[list[Any]], Answer],
        flush_errors: float = 0.0,
        delay: float = 3600.0,
        chores: Any = None,
    ) -> None:
        self.ledger = Ledger()
        self.buffer = Buffer(self.ledger, Limits(), 1 << 20, 0, 512, 1 << 19)
        self.sink = ScriptedSink(answer)
        self.admitted = 0
        self.alive: list[bool] = []
        self.worker = Worker(
            self.buffer,
            self.ledger,
            self.sink,
            Schedule(flush_errors, delay),
            most_spans=512,
            most_bytes=1 << 19,
            timeout=10.0,
            on_alive=self.alive.append,
            chance=random.Random(7),
            reporter=Reporter(logging.getLogger("otel_errsample"), "scripted"),
            chores=chores,
        )

    def admit(self, *spans: object, lane: int = HEAD) -> None:
        for span in spans:
            assert self.buffer.offer(b"x" * 100, lane, GROUP, span) is None
            self.admitted += 1

    def assert_balanced(self) -> None:
        ended = sum(self.ledger.endings.values())
        assert self.admitted == ended + self.buffer.spans_waiting + self.buffer.in_flight
