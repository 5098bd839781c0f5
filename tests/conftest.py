"""What every test needs: no OTLP variable of the machine, and a processor that is shut down.

With RECORD=1 the tests that show a scenario of failure leave in scenarios.jsonl how they ended, see tools/scenarios.py.
"""

from __future__ import annotations

import os
import signal
import sys
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler
from opentelemetry.trace import Tracer

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, living
from otel_errsample.transport import Answer
from tests.making import Make
from tests.working import ACCEPTED, Bench
from tools import scenarios

# Generated tests share two slow cores with servers and threads: a slow example is no finding. The long profile is for
# a person who waits.
settings.register_profile("normal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", parent=settings.get_profile("normal"), max_examples=20_000)
# A change lands or not by what it does, not by what chance finds on that day; a developer's runs go on exploring.
settings.register_profile("ci", parent=settings.get_profile("normal"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "normal"))

# Where the run was started in the background of a shell script it is ignored, in the children too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
    # A worker's reports reach the process that started it with their attributes, and with no item.
    report.scenarios = sorted({row for mark in item.iter_markers("scenario") for row in mark.args})
    # It could not reach it with a lone surrogate, and tests are full of them.
    report.sections = [(title, _writable(text)) for title, text in report.sections]
    if report.longrepr is not None and (said := _writable(report.longreprtext)) != report.longreprtext:
        report.longrepr = said
    return report


def _writable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def pytest_runtest_logreport(report: Any) -> None:
    ids = getattr(report, "scenarios", ())  # what is reported of a worker that crashed has none
    if ids and (report.failed or (report.when == "call" and report.passed)):
        test = report.nodeid.partition("[")[0]
        _marks.setdefault(test, set()).update(ids)
        cases = _cases.setdefault(test, {})
        cases[report.nodeid] = cases.get(report.nodeid, True) and report.passed


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Each worker has seen some of the tests, and who started them has seen all.
    if os.environ.get("RECORD") and not hasattr(session.config, "workerinput"):
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
def eager_threads() -> Iterator[None]:
    """Threads take turns hundreds of times as often as they would, and whoever waits is on soon."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


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
        assert stats.buffered == stats.in_flight == stats.buffer_bytes == 0, stats
        assert stats.errors == sum(counted.number for counted in stats.error_kinds), stats
        for told in (stats.error_sources, stats.error_types, stats.error_codes):
            assert stats.errors == sum(told.values()), stats


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    """A worker and its buffer; the books of every one balance when the test ends."""
    made: list[Bench] = []

    def make(answer: Callable[[list[Any]], Answer] = lambda spans: ACCEPTED, **settings: Any) -> Bench:
        made.append(Bench(answer, **settings))
        return made[-1]

    yield make
    for one in made:
        one.worker.stop(0.5)
        one.assert_balanced()


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()
