"""The exception live at the start of a span is known at its end by its address alone."""

from __future__ import annotations

import gc
import weakref

import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import _hot

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("tests")


class Failure(Exception):
    """An exception that takes weak references."""


def test_nothing_live_leaves_nothing_behind() -> None:
    tracker = _hot.Tracker()
    span = TRACER.start_span("s")
    tracker.remember(span)
    assert 0 == len(tracker)
    assert 0 == tracker.take(span.get_span_context())


def test_the_address_of_what_is_being_handled_is_taken_once() -> None:
    tracker = _hot.Tracker()
    span = TRACER.start_span("s")
    try:
        raise Failure
    except Failure as error:
        address = id(error)
        tracker.remember(span)
    assert address == tracker.take(span.get_span_context())
    assert 0 == tracker.take(span.get_span_context())
    assert 0 == len(tracker)


def test_an_outer_block_is_seen_through_inner_calls_and_finished_blocks() -> None:
    tracker = _hot.Tracker()
    span = TRACER.start_span("s")

    def handle() -> None:
        try:
            raise KeyError
        except KeyError:
            pass
        tracker.remember(span)

    try:
        raise Failure
    except Failure as error:
        handle()
        assert id(error) == tracker.take(span.get_span_context())


def test_the_exception_itself_is_not_kept() -> None:
    tracker = _hot.Tracker()
    span = TRACER.start_span("s")
    try:
        raise Failure
    except Failure as error:
        alive = weakref.ref(error)
        tracker.remember(span)
    gc.collect()
    assert alive() is None
    assert 1 == len(tracker)


def test_the_oldest_of_4096_is_forgotten() -> None:
    tracker = _hot.Tracker()
    spans = [TRACER.start_span("s") for _ in range(4097)]
    try:
        raise Failure
    except Failure as error:
        address = id(error)
        for span in spans:
            tracker.remember(span)
    assert 4096 == len(tracker)
    assert 0 == tracker.take(spans[0].get_span_context())
    assert address == tracker.take(spans[1].get_span_context())
    assert address == tracker.take(spans[-1].get_span_context())


@pytest.mark.parametrize("context", [None], ids=["no context"])
def test_a_span_without_context_has_no_address(context: None) -> None:
    assert 0 == _hot.Tracker().take(context)
