"""What is told of a span depends on where it ends: every way to end one around an exception, with spans of the SDK."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import pytest
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, TracerProvider

from tests.failing import Watcher
from tests.situations.common import EVENT, SITUATIONS, Situation, Told
from tests.situations.leaving import context_manager
from tests.situations.otherwise import interrupted

NEWER = {"task_group", "timeout"}


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_span_is_told_by_where_it_ends(name: str) -> None:
    if name in NEWER and sys.version_info < (3, 11):
        pytest.skip("came with 3.11")
    situation, expected = SITUATIONS[name]
    watcher = Watcher()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(watcher)
    with contextlib.suppress(BaseException):  # what the application sees is not the subject here
        situation(provider.get_tracer("tests"))
    told = {
        span: None if facts is None else (facts.error, facts.exception, facts.source) for span, facts in watcher.told
    }
    assert expected == told


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_application_sees_its_own_exception(name: str) -> None:
    """With a watcher that classifies, and without one, the same comes out."""
    if name in NEWER and sys.version_info < (3, 11):
        pytest.skip("came with 3.11")

    def outcome(*watchers: Watcher) -> tuple[type | None, str]:
        provider = TracerProvider(shutdown_on_exit=False)
        for watcher in watchers:
            provider.add_span_processor(watcher)
        try:
            SITUATIONS[name][0](provider.get_tracer("tests"))
        except BaseException as error:  # whatever it is
            return type(error), str(error)
        return None, ""

    assert outcome() == outcome(Watcher())


def test_there_are_forty_of_them() -> None:
    assert 40 <= len({(name, span) for name, (_, told) in SITUATIONS.items() for span in told})


@pytest.mark.parametrize(
    ("situation", "told"), [(context_manager, EVENT), (interrupted, None)], ids=["recorded", "not recorded"]
)
def test_a_processor_that_hands_on_to_other_threads_leaves_the_event_alone(situation: Situation, told: Told) -> None:
    watcher = Watcher()
    provider = TracerProvider(active_span_processor=ConcurrentMultiSpanProcessor(2), shutdown_on_exit=False)
    provider.add_span_processor(watcher)
    with contextlib.suppress(BaseException):
        situation(provider.get_tracer("tests"))
    facts: Any = watcher.facts
    assert told == (None if facts is None else (facts.error, facts.exception, facts.source))
    provider.shutdown()
