"""What the application under the soak does: requests that succeed and fail, storms, floods, values nobody expects."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, Status, StatusCode, Tracer, use_span

from chaos.soak.books import Book, Identity, Kind

IDENTITY: Final = "soak.id"
"""The attribute that repeats a span's id, so that a span with the content of another one is found out."""


class Ids(RandomIdGenerator):
    """Gives a span the id that its maker has set for its thread."""

    def __init__(self) -> None:
        self._next = threading.local()

    def give(self, one: Identity) -> None:
        self._next.id = one.as_span_id()

    def generate_span_id(self) -> int:
        return int(self._next.id)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("str")

    __repr__ = __str__


def _chain(length: int) -> BaseException:
    error: BaseException = ValueError("the first")
    for number in range(length):
        following = RuntimeError(f"link {number}")
        following.__cause__ = error
        error = following
    return error


# Each gives a span something that has cost a span processor its batch, or its process, before.
HOSTILE: Final[tuple[Callable[[Span], object], ...]] = (
    lambda span: span.set_attribute("file", "\udce9t\udce9.csv"),
    lambda span: span.update_name("\ud800"),
    lambda span: span.set_status(Status(StatusCode.ERROR, "cannot parse \udcff")),
    lambda span: span.set_attribute("size", 1 << 70),
    lambda span: span.set_attribute("ratio", float("nan")),
    lambda span: span.set_attribute("body", "x" * 300_000),
    lambda span: span.set_attribute("many", ["y" * 100] * 2000),
    lambda span: span.record_exception(Unprintable()),
    lambda span: span.record_exception(_chain(300)),
    lambda span: span.record_exception(ValueError("z" * 1_000_000)),
    lambda span: span.add_event("late", {"when": "\udc80"}, timestamp=-5),
    lambda span: span.add_event("soon", timestamp=1 << 65),
)


class Producer:
    """One thread's traffic; `work` does a moment's worth of it, drawn from `chance`."""

    def __init__(self, tracer: Tracer, ids: Ids, book: Book, thread: int, chance: random.Random) -> None:
        self._tracer = tracer
        self._ids = ids
        self._book = book
        self._thread = thread
        self._chance = chance
        self._started = Counter[Kind]()
        self._deeds = {
            self.request: 60,
            self.new_error: 20,
            self.failing_request: 20,
            self.hostile: 6,
            self.unwelcome: 1,
            self.storm: 1,
            self.flood: 1,
        }

    def work(self, *, calm: bool) -> None:
        if calm:
            self.request()
        else:
            self._chance.choices(list(self._deeds), list(self._deeds.values()))[0]()

    def request(self) -> None:
        with self._span(Kind.HEALTHY, "request"):
            for part in ("query", "render"):
                with self._span(Kind.HEALTHY, part):
                    pass

    def new_error(self) -> None:
        """With a fingerprint that nobody has seen before."""
        with self._span(Kind.NEW, "new") as span:
            letters = f"{span.get_span_context().span_id:x}".translate(str.maketrans("0123456789", "ghijklmnop"))
            self._fail(span, type(f"Error{letters.title()}", (Exception,), {})("nobody has seen this before"))

    def failing_request(self) -> None:
        """An error below healthy spans, which are kept with it."""
        with self._span(Kind.HEALTHY, "request"), self._span(Kind.HEALTHY, "call"):
            with self._span(Kind.HEALTHY, "query"):
                pass
            with self._span(Kind.REPEATED, "repeated") as span:
                self._fail(span, LookupError(f"order {self._chance.random()} is not there"))

    def hostile(self) -> None:
        with self._span(Kind.HOSTILE, "hostile") as span:
            span.set_status(StatusCode.ERROR, "hostile")
            try:
                self._chance.choice(HOSTILE)(span)
            except Exception:  # what the SDK makes of it is not our subject
                pass

    def unwelcome(self) -> None:
        with self._span(Kind.UNWELCOME, "unwelcome") as span:
            self._fail(span, PermissionError("the receiver may refuse this"))

    def storm(self) -> None:
        for _ in range(self._chance.randint(200, 2000)):
            with self._span(Kind.STORM, "storm") as span:
                self._fail(span, ConnectionError("the database is gone"))

    def flood(self) -> None:
        for _ in range(self._chance.randint(500, 3000)):
            with self._span(Kind.HEALTHY, "flood"):
                pass

    @contextmanager
    def _span(self, kind: Kind, name: str) -> Iterator[Span]:
        self._started[kind] += 1
        one = Identity(self._book.process, self._thread, kind, self._started[kind])
        self._ids.give(one)
        attributes: dict[str, Any] = {IDENTITY: one.as_span_id()}
        span = self._tracer.start_span(name, attributes=attributes)
        with use_span(span):
            yield span
        span.end()
        self._book.ended(self._thread, kind)

    @staticmethod
    def _fail(span: Span, error: Exception) -> None:
        try:
            raise error
        except Exception as raised:
            span.record_exception(raised)
            span.set_status(StatusCode.ERROR, str(raised))


def produce(producer: Producer, chance: random.Random, over: threading.Event, calm: Callable[[], bool]) -> None:
    """A thread's life: bursts of work, and rests between them."""
    while not over.is_set():
        producer.work(calm=calm())
        time.sleep(chance.uniform(0.01, 0.1))
