"""A processor around forks: two at once, one that a signal interrupts, one after the shutdown."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor, export
from otel_errsample._hot import ErrorFacts
from otel_errsample.testing import CollectingTransport, ManualClock
from otel_errsample.transport import Answer, Outcome


@pytest.fixture
def transport() -> CollectingTransport:
    return CollectingTransport()


@pytest.fixture
def processor(transport: CollectingTransport) -> Iterator[ErrorSpanProcessor]:
    processor = ErrorSpanProcessor("keep", transport=transport)
    yield processor
    processor.shutdown()


def end_a_span(processor: ErrorSpanProcessor, status: StatusCode = StatusCode.UNSET) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    span = provider.get_tracer("forks").start_span("work")
    span.set_status(status)
    span.end()


def test_the_first_of_two_threads_that_forked_does_not_let_requests_out(
    processor: ErrorSpanProcessor, transport: CollectingTransport
) -> None:
    processor.before_fork()
    with ThreadPoolExecutor(1) as another:
        another.submit(processor.before_fork).result()
        another.submit(processor.after_fork_in_parent).result()
        end_a_span(processor)
        assert not another.submit(processor.force_flush, 50).result()
        assert [] == transport.spans()
        processor.after_fork_in_parent()
        assert another.submit(processor.force_flush, 10_000).result()
    assert 1 == len(transport.spans())


def test_a_flush_by_the_thread_that_is_about_to_fork_returns_at_once(
    processor: ErrorSpanProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a signal handler's does that interrupts the hook before a fork: nothing is sent before the fork is over."""
    processor.before_fork()
    end_a_span(processor)
    with monkeypatch.context() as patch:
        patch.setattr(export, "rest", lambda seconds: pytest.fail("it waited for itself"))
        assert not processor.force_flush()
    processor.after_fork_in_parent()
    assert processor.force_flush()


@pytest.mark.scenario("G1")
def test_a_fork_waits_for_a_request_that_comes_back_late(
    processor: ErrorSpanProcessor, transport: CollectingTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a second after its abort, as where the process hardly gets the CPU: forked before that a child can crash."""
    entered, back = threading.Event(), threading.Event()
    clock = ManualClock(start=time.monotonic())
    begun = clock.monotonic()

    def come_back_late(payload: bytes, timeout: float) -> Answer:
        entered.set()
        back.wait(10)
        return Answer(Outcome.RETRY, maybe_delivered=True, cause="aborted")

    def rest(seconds: float) -> None:
        if clock.monotonic() - begun < 0.5:
            clock.advance(seconds)
            return
        back.set()
        time.sleep(seconds)

    transport.script.append(come_back_late)
    end_a_span(processor, StatusCode.ERROR)
    assert entered.wait(10)
    monkeypatch.setattr(export, "rest", rest)
    monkeypatch.setattr(processor._worker, "_monotonic", clock.monotonic)
    processor.before_fork()
    assert (1, True) == (transport.closes, back.is_set())
    processor.after_fork_in_parent()


def test_a_processor_that_was_shut_down_stays_so_in_a_child(tmp_path: Path) -> None:
    path = tmp_path / "errors.yaml"
    path.write_text("rules: keep if error\n", encoding="utf-8")
    processor = ErrorSpanProcessor(config=path, transport=CollectingTransport(), spool_dir=tmp_path / "spool")
    processor.shutdown()
    processor.after_fork_in_child()
    assert "not started" == processor.stats().worker
    assert [] == list((tmp_path / "spool").iterdir())
    end_a_span(processor)
    assert 1 == processor.stats().endings["after_shutdown"]


@pytest.mark.scenario("G4")
def test_a_span_whose_end_goes_on_in_a_child_has_ended_there_too(transport: CollectingTransport) -> None:
    """A signal handler forks inside on_end, and its child returns from it."""

    def fork_here(span: ReadableSpan, facts: ErrorFacts) -> None:
        if not transport.spans() and not forking.stats().buffered:
            forking.after_fork_in_child()

    forking = ErrorSpanProcessor("keep", transport=transport, enrich=fork_here)
    for ended in (1, 2):
        end_a_span(forking, StatusCode.ERROR)
        stats = forking.stats()
        assert (ended, 0, True) == (stats.ended, stats.deciding, stats.balanced), stats
    assert forking.shutdown()
    assert (2, 2, True) == (len(transport.spans()), forking.stats().ended, forking.stats().balanced)
