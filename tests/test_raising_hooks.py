"""Whatever raises inside, the application sees nothing of it and keeps its own exception; every span has its ending."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_errsample import ErrorSpanProcessor, readable
from otel_errsample.greenlets import start_os_thread
from otel_errsample.testing import CollectingTransport
from otel_errsample.transport import Answer, Outcome


class Stop(BaseException):
    """As gevent.Timeout and asyncio's CancelledError are."""


ERRORS = [ValueError, MemoryError, RecursionError, SystemExit, GeneratorExit, Stop]
SPANS = 3
SECRET = "token=" + "q7" * 12


class Mine(Exception):
    """The application's."""


class Switch:
    """Raises where it is called, once the application is under way."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error
        self.on = False
        self.raised = 0

    def instead_of(self, former: Callable[..., Any], *, times: int = 10**9) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            if self.on and self.raised < times:
                self.raised += 1
                raise self.error
            return former(*args, **kwargs)

        return called


Patch = pytest.MonkeyPatch
Hook = Callable[[Switch, Patch], ErrorSpanProcessor]


def nothing(*args: object) -> None:
    return None


def over(transport: CollectingTransport | None = None, **settings: Any) -> ErrorSpanProcessor:
    return ErrorSpanProcessor("keep", transport=transport or CollectingTransport(), **settings)


def in_enrich(switch: Switch, patch: Patch) -> ErrorSpanProcessor:
    return over(enrich=switch.instead_of(nothing))


def in_on_verdict(switch: Switch, patch: Patch) -> ErrorSpanProcessor:
    return over(on_verdict=switch.instead_of(nothing))


def in_on_start(switch: Switch, patch: Patch) -> ErrorSpanProcessor:
    patch.setattr(ErrorSpanProcessor, "elder_of", switch.instead_of(lambda self, span: None))
    return over()


def in_the_clock(switch: Switch, patch: Patch) -> ErrorSpanProcessor:
    clock = switch.instead_of(lambda: 7)
    return ErrorSpanProcessor("keep 9 per second", transport=CollectingTransport(), clock=clock)


def in_starting_the_worker(switch: Switch, patch: Patch) -> ErrorSpanProcessor:
    patch.setattr("otel_errsample.export.start_os_thread", switch.instead_of(start_os_thread))
    return over()


def in_the_copy_for_an_exporter(switch: Switch, patch: Patch) -> ErrorSpanProcessor:
    patch.setattr("otel_errsample.processor.enriched", switch.instead_of(readable.enriched))
    return ErrorSpanProcessor("keep", InMemorySpanExporter())


def in_the_copy_without_secrets(switch: Switch, patch: Patch) -> ErrorSpanProcessor:
    patch.setattr(readable, "replaced", switch.instead_of(readable.replaced))
    return over()


def in_the_transport(switch: Switch, patch: Patch) -> ErrorSpanProcessor:
    transport = CollectingTransport()
    patch.setattr(transport, "send", switch.instead_of(transport.send, times=1))
    return over(transport)


def in_the_schedule(switch: Switch, patch: Patch) -> ErrorSpanProcessor:
    processor = over()
    schedule = processor._worker._schedule
    patch.setattr(schedule, "look", switch.instead_of(schedule.look, times=2))
    return processor


def in_the_report_of_a_failure(switch: Switch, patch: Patch) -> ErrorSpanProcessor:
    processor = over(CollectingTransport(then=Answer(Outcome.FAILED, cause="401")))
    patch.setattr(processor._reporter, "answered", switch.instead_of(nothing))
    return processor


# Where it is raised, what becomes of the spans, and under which name it is counted.
HOOKS: dict[str, tuple[Hook, str, str]] = {
    "enrich": (in_enrich, "delivered", "enrich"),
    "on_verdict": (in_on_verdict, "delivered", "on_verdict"),
    "on_start": (in_on_start, "delivered", "on_start"),
    "the clock": (in_the_clock, "internal_error", "on_end"),
    "starting the worker": (in_starting_the_worker, "delivered", "worker"),
    "the copy for an exporter": (in_the_copy_for_an_exporter, "internal_error", "on_end"),
    "the copy without secrets": (in_the_copy_without_secrets, "internal_error", "on_end"),
    "the transport": (in_the_transport, "delivered", "worker"),
    "the schedule": (in_the_schedule, "delivered", "worker"),
    "the report of a failure": (in_the_report_of_a_failure, "export_failed", "report"),
}


def provided(processor: SpanProcessor) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider


def fails(provider: TracerProvider) -> None:
    """A span that an exception of the application's leaves, which has to come out as it went in."""
    cause = KeyError("cause")
    error = Mine(f"refused {SECRET}")
    error.__cause__ = cause
    with pytest.raises(Mine) as caught, provider.get_tracer("test").start_as_current_span("failing"):
        raise error
    assert (error, cause, None) == (caught.value, caught.value.__cause__, caught.value.__context__)
    assert (f"refused {SECRET}",) == error.args


@pytest.mark.scenario("A1")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize(("hook", "ending", "where"), HOOKS.values(), ids=HOOKS)
def test_what_is_raised_inside_stays_inside(
    hook: Hook, ending: str, where: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = Switch(error)
    processor = hook(switch, monkeypatch)
    provider = provided(processor)
    switch.on = True
    for _ in range(SPANS):
        fails(provider)
    assert (ending != "export_failed") is processor.force_flush(10_000)
    processor.shutdown(10_000)
    stats = processor.stats()
    assert switch.raised > 0
    assert (SPANS, SPANS, True) == (stats.ended, stats.endings[ending], stats.balanced), stats
    assert [where] == list(stats.internal_errors)
    if isinstance(processor._sink, CollectingTransport):
        assert SECRET.encode() not in b"".join(processor._sink.payloads)


class Raising(SpanExporter):
    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def export(self, spans: object) -> Any:
        raise self.error

    def shutdown(self) -> None:
        raise self.error


@pytest.mark.scenario("A1")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_exporter_that_raises_everywhere_costs_its_spans_alone(error: type[BaseException]) -> None:
    processor = ErrorSpanProcessor("keep", Raising(error))
    provider = provided(processor)
    fails(provider)
    assert not processor.force_flush(300)
    processor.shutdown(300)
    stats = processor.stats()
    lost = stats.endings["export_failed"] + stats.endings["delivery_unknown"]
    assert (1, 1, True, "stopped") == (stats.ended, lost, stats.balanced, stats.worker)
    assert stats.internal_errors["exporter"] == 1


@pytest.mark.scenario("A1")
@pytest.mark.parametrize("error", [ValueError, SystemExit, GeneratorExit], ids=lambda error: error.__name__)
def test_without_a_thread_the_exporters_exception_does_not_reach_who_flushes(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(function: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("otel_errsample.export.start_os_thread", refuse)
    processor = ErrorSpanProcessor("keep", Raising(error))
    fails(provided(processor))
    assert not processor.force_flush(300)
    processor.shutdown(300)
    assert processor.stats().balanced
    assert 1 == processor.stats().internal_errors["exporter"]


@pytest.mark.scenario("A1")
@pytest.mark.parametrize("error", [ValueError, MemoryError, RecursionError], ids=lambda error: error.__name__)
@pytest.mark.parametrize("where", ["flush", "stop"])
def test_a_flush_and_a_shutdown_that_fail_inside_say_that_they_did(
    where: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = over()
    switch = Switch(error)
    switch.on = True
    monkeypatch.setattr(processor._worker, where, switch.instead_of(nothing))
    call = processor.force_flush if where == "flush" else processor.shutdown
    assert not call(300)
    assert {"flush" if where == "flush" else "shutdown": 1} == processor.stats().internal_errors
    monkeypatch.undo()
    processor._worker.stop(1.0)


@pytest.mark.scenario("A1")
def test_a_span_may_end_at_any_distance_from_the_limit_of_recursion() -> None:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport, enrich=lambda span, facts: {"a": str(facts.kind)})
    tracer = provided(processor).get_tracer("test")
    spans = [tracer.start_span("deep") for _ in range(60)]
    limit = sys.getrecursionlimit()

    def dive(depth: int) -> None:
        if depth:
            dive(depth - 1)
        else:
            processor.on_end(ended)

    depth = 0
    frame: Any = sys._getframe()
    while frame:
        depth += 1
        frame = frame.f_back
    own = 0
    for distance, span in enumerate(spans):
        span.end()
        ended: ReadableSpan = span._readable_span()  # type: ignore[attr-defined]
        try:
            dive(limit - depth - distance - 2)
        except RecursionError:
            own += 1  # the application's own, before our hook
    assert own < 10
    assert processor.shutdown(10_000)
    stats = processor.stats()
    assert (2 * len(spans) - own, True) == (stats.ended, stats.balanced)


class Before(SpanProcessor):
    """Another one on the same provider, which lets its own errors out."""

    def on_end(self, span: ReadableSpan) -> None:
        raise LookupError("another processor's")


@pytest.fixture
def beside() -> Iterator[Callable[..., ErrorSpanProcessor]]:
    made = []

    def make(*, first: bool) -> ErrorSpanProcessor:
        processor = over()
        made.append(processor)
        provider = TracerProvider(shutdown_on_exit=False)
        for one in (processor, Before()) if first else (Before(), processor):
            provider.add_span_processor(one)
        with pytest.raises(LookupError):
            provider.get_tracer("test").start_span("s").end()
        return processor

    yield make
    for processor in made:
        processor.shutdown(1_000)


@pytest.mark.scenario("A3")
def test_added_first_it_has_done_its_work_when_another_one_raises(beside: Callable[..., ErrorSpanProcessor]) -> None:
    processor = beside(first=True)
    assert processor.force_flush(10_000)
    assert (1, 1) == (processor.stats().ended, processor.stats().endings["delivered"])


@pytest.mark.scenario("A3")
def test_behind_one_that_raises_it_is_not_called_and_its_books_say_so(
    beside: Callable[..., ErrorSpanProcessor],
) -> None:
    stats = beside(first=False).stats()
    assert (0, 0, True) == (stats.ended, stats.buffered, stats.balanced)
