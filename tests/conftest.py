"""What every test needs: no OTLP variable of the machine, and a processor that is shut down."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler
from opentelemetry.trace import Tracer

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, living
from tests.making import Make

# Generated tests share two slow cores with servers and threads: a slow example is no finding. The long profile is for
# a person who waits.
settings.register_profile("normal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", parent=settings.get_profile("normal"), max_examples=20_000)
# A change lands or not by what it does, not by what chance finds on that day; a developer's runs go on exploring.
settings.register_profile("ci", parent=settings.get_profile("normal"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "normal"))


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test sees only the variables it sets."""
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No processor of another test lives in this process, as far as forks and ends can see."""
    monkeypatch.setattr(living, "_members", weakref.WeakSet())


@pytest.fixture
def make() -> Iterator[Make]:
    """A tracer on a processor; the books of every processor balance when the test ends."""
    made: list[ErrorSpanProcessor] = []

    def provide(*args: Any, sampler: Sampler | None = None, **kwargs: Any) -> tuple[Tracer, ErrorSpanProcessor]:
        processor = ErrorSpanProcessor(*args, **kwargs)
        made.append(processor)
        provider = TracerProvider(sampler=sampler or ErrorAwareSampler(ALWAYS_OFF), shutdown_on_exit=False)
        provider.add_span_processor(processor)
        return provider.get_tracer("test"), processor

    yield provide
    for processor in made:
        processor.shutdown(2_000)
        stats = processor.stats()
        assert stats.balanced, stats
        assert stats.buffered == stats.in_flight == 0, stats


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()
