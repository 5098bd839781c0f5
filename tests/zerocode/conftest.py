"""What every test here needs, and what is left of it: with RECORD=1 in ran.json what passed, by the marker `way`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from tools import ran

_REQUIRED = ("opentelemetry-distro", "opentelemetry-instrumentation")
_outcomes: dict[str, Counter[str]] = {}


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "way(name): the way of switching on that a test is about")


@pytest.fixture(scope="session", autouse=True)
def launcher() -> None:
    for package in _REQUIRED:
        if not installed(package):
            reason = f"{package} is not installed; `make test-zerocode` makes an environment that has it"
            (pytest.fail if os.environ.get("INSTRUMENTATIONS") == "required" else pytest.skip)(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.when == "call" or report.failed:
        for way in item.iter_markers("way"):
            _outcomes.setdefault(way.args[0], Counter())[report.outcome] += 1
    return report


def pytest_sessionfinish() -> None:
    if os.environ.get("RECORD"):
        for way, counts in _outcomes.items():
            what, tested = "opentelemetry-instrument", installed("opentelemetry-distro")
            if way.startswith("declarative file"):
                what, tested = "declarative file", installed("opentelemetry-configuration")
            passed = not counts["failed"]
            ran.record(
                Path(__file__).with_name(ran.NAME), ran.Record(way, what, tested, passed, {"tests": counts.total()})
            )
