"""What every test needs: no OTLP variable of the machine, and a processor that is shut down.

With RECORD=1 the tests that show a scenario of failure leave in scenarios.jsonl how they ended, see tools/scenarios.py.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler
from opentelemetry.trace import Tracer

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, living
from tests.making import Make
from tools import scenarios

# Generated tests share two slow cores with servers and threads: a slow example is no finding. The long profile is for
# a person who waits.
settings.register_profile("normal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", parent=settings.get_profile("normal"), max_examples=20_000)
# A change lands or not by what it does, not by what chance finds on that day; a developer's runs go on exploring.
settings.register_profile("ci", parent=settings.get_profile("normal"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "normal"))

_cases: dict[str, dict[str, bool]] = {}
_marks: dict[str, set[str]] = {}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "scenario(id, ...): the rows of scenarios.tsv that a test shows")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = scenarios.scenarios()
    for item in items:
        for mark in item.iter_markers("scenario"):
            if not mark.args or not known.keys() >= set(mark.args):
                raise pytest.UsageError(f"{item.nodeid}: scenario{mark.args} is not in {scenarios.TABLE.name}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    ids = {row for mark in item.iter_markers("scenario") for row in mark.args}
    if ids and (report.failed or (report.when == "call" and report.passed)):
        test = item.nodeid.partition("[")[0]
        _marks.setdefault(test, set()).update(ids)
        cases = _cases.setdefault(test, {})
        cases[item.nodeid] = cases.get(item.nodeid, True) and report.passed
    return report


def pytest_sessionfinish() -> None:
    if os.environ.get("RECORD"):
        scenarios.record(
            scenarios.Shown(test, tuple(sorted(_marks[test])), len(cases), sum(cases.values()))
            for test, cases in _cases.items()
        )


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
