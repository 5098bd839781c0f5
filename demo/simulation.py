"""One run: the shop under its rules, the span processor on real failures, and everybody's counts at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from demo.books import Witness
from demo.groups import Groups
from demo.loopback import services
from demo.shop import Shop
from demo.traffic import SeededIds, traffic
from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor
from otel_errsample.ledger import Stats

HEAD_RATIO: Final = 0.01
RULES: Final = """\
health: drop if http.route == "/healthz"
stock:  keep if exception is demo.shop.StockError
caller: keep 10% if fault == "caller" and error
storm:  keep 5 per second by fingerprint if error and kind in transient
slow:   keep 1 per second by name if duration > 0.2
"""
_INSTRUMENTATIONS: Final = ("sqlite3", "urllib")

Tick = Callable[[int, Callable[[], str]], None]


@dataclass(frozen=True)
class Outcome:
    """What everybody counted."""

    answers: Counter[int]
    """Requests by HTTP status."""
    witness: Witness
    groups: Groups
    stats: Stats


def run(requests: int, storm: int, seed: int, tick: Tick, clock: Callable[[], int] | None = None) -> Outcome:
    """Serve the traffic of `seed`, sending spans wherever the environment says.

    `tick` hears of every request: how many are done, and a function that puts the counts so far into words. `clock`
    replaces the one of the limits.
    """
    groups, witness = Groups(), Witness()
    processor = ErrorSpanProcessor(RULES, on_verdict=groups, clock=clock)
    provider = TracerProvider(
        sampler=ErrorAwareSampler(HEAD_RATIO),
        resource=Resource.create({"service.name": "shop"}),
        id_generator=SeededIds(seed),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(witness)
    provider.add_span_processor(processor)
    answers = Counter[int]()

    def about() -> str:
        return f"{witness.ended:,} spans, {groups.errors:,} errors, {processor.stats().endings['delivered']:,} sent"

    with services() as dependencies, instrumented(provider):
        shop = Shop(provider.get_tracer("demo.shop"), dependencies)
        for done, request in enumerate(traffic(requests, storm, seed), start=1):
            answers[shop.handle(request)] += 1
            tick(done, about)
        shop.close()
    provider.shutdown()
    return Outcome(answers, witness, groups, processor.stats())


def installed() -> list[str]:
    """The instrumentations this environment has, of those the shop has a use for."""
    return sorted(entry.name for entry in _entry_points())


def _entry_points() -> list[EntryPoint]:
    # As `opentelemetry-instrument` finds them: an environment without them has an application without these spans.
    return [entry for entry in entry_points(group="opentelemetry_instrumentor") if entry.name in _INSTRUMENTATIONS]


@contextmanager
def instrumented(provider: TracerProvider) -> Iterator[None]:
    """The released instrumentations at work for `provider`."""
    instrumentors = [entry.load()() for entry in _entry_points()]
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=provider)
    try:
        yield
    finally:
        for instrumentor in instrumentors:
            instrumentor.uninstrument()
