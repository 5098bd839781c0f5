"""plugins/sampler.py: OTEL_TRACES_SAMPLER=errsample, through the SDK's own configurator."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON, Sampler

from otel_errsample import ErrorAwareSampler
from otel_errsample.plugins import sampler as plugin
from otel_errsample.plugins.sampler import traces_sampler
from tests.installed import python_path

FALLBACK = f"ErrorAwareSampler{{{DEFAULT_ON.get_description()}}}"

# What opentelemetry-instrument runs; then a trace, and what of it was recorded and sampled.
PROGRAM = """
import logging
logging.basicConfig(format="%(levelname)s %(message)s")
from opentelemetry import trace
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
_OTelSDKConfigurator().configure()
with trace.get_tracer("t").start_as_current_span("outer"):
    with trace.get_tracer("t").start_as_current_span("inner") as inner:
        print(inner.is_recording(), inner.get_span_context().trace_flags.sampled)
print(trace.get_tracer_provider().sampler.get_description())
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return python_path(tmp_path_factory.mktemp("metadata"))


def configured(path: str, argument: str | None) -> tuple[list[str], list[str]]:
    """What the program prints and what it logs."""
    variables = {"PYTHONPATH": path, "OTEL_TRACES_SAMPLER": "errsample"}
    if argument is not None:
        variables["OTEL_TRACES_SAMPLER_ARG"] = argument
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return done.stdout.splitlines(), done.stderr.splitlines()


class TestThroughTheSdk:
    @pytest.mark.parametrize(
        ("argument", "sampled", "description"),
        [
            pytest.param("0", False, "ErrorAwareSampler{ConsistentParentBased{0.0,th:none}}", id="ratio"),
            pytest.param("always_off", False, "ErrorAwareSampler{AlwaysOffSampler}", id="name"),
            pytest.param("traceidratio:0.0", False, "ErrorAwareSampler{TraceIdRatioBased{0.0}}", id="name and ratio"),
            pytest.param(None, True, FALLBACK, id="unset"),
        ],
    )
    def test_every_span_is_recorded_and_sampled_as_the_argument_says(
        self, path: str, argument: str | None, sampled: bool, description: str
    ) -> None:
        printed, logged = configured(path, argument)
        assert ([f"True {sampled}", description], []) == (printed, logged)

    def test_a_wrong_argument_is_one_warning_and_the_sdks_default(self, path: str) -> None:
        printed, logged = configured(path, "no_such_sampler:0.5")
        assert ["True True", FALLBACK] == printed
        (line,) = logged
        assert line.startswith("WARNING OTEL_TRACES_SAMPLER_ARG: expected a ratio from 0 to 1")
        assert "parentbased_traceidratio, traceidratio" in line
        assert "no_such" not in line


class Vendor(Sampler):
    """A sampler of another package, which takes its argument as text."""

    def __init__(self, argument: str | None) -> None:
        if argument == "broken":
            raise RuntimeError("token=secret")
        self.argument = argument

    def should_sample(self, *args: Any, **kwargs: Any) -> Any:
        return ALWAYS_OFF.should_sample(*args, **kwargs)

    def get_description(self) -> str:
        return f"Vendor{{{self.argument}}}"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package's sampler, an entry point that is none, and ourselves, beside the SDK's."""
    made = [
        EntryPoint("vendor", f"{__name__}:Vendor", plugin.GROUP),
        EntryPoint("text", "builtins:str", plugin.GROUP),
        EntryPoint("gone", "no_such_module_anywhere:Sampler", plugin.GROUP),
        EntryPoint("errsample", "otel_errsample.plugins.sampler:traces_sampler", plugin.GROUP),
    ]
    monkeypatch.setattr(plugin, "entry_points", lambda group: [*entry_points(group=group), *made])


@pytest.mark.usefixtures("installed")
class TestArgument:
    @pytest.mark.parametrize(
        ("argument", "description"),
        [
            ("0.01", "ConsistentParentBased{0.01,th:fd70a}"),
            (" 1 ", "ConsistentParentBased{1.0,th:0}"),
            ("always_on", "AlwaysOnSampler"),
            ("always_on:ignored", "AlwaysOnSampler"),
            ("traceidratio:0.25", "TraceIdRatioBased{0.25}"),
            (" traceidratio : 0.25 ", "TraceIdRatioBased{0.25}"),
            ("0.01;record=0.25", "ConsistentParentBased{0.01,th:fd70a},record:0.25"),
            ("always_off;record=1", "AlwaysOffSampler"),
            ("vendor:a;b;record=0.5", "Vendor{a;b},record:0.5"),
            (";record=0.5", f"{DEFAULT_ON.get_description()},record:0.5"),
            ("vendor", "Vendor{None}"),
            ("vendor:", "Vendor{None}"),
            ("vendor:endpoint=http://localhost:14250,interval=5", "Vendor{endpoint=http://localhost:14250,interval=5}"),
        ],
    )
    def test_names_the_head_sampler(self, argument: str, description: str, caplog: pytest.LogCaptureFixture) -> None:
        sampler = traces_sampler(argument)
        assert isinstance(sampler, ErrorAwareSampler)
        assert f"ErrorAwareSampler{{{description}}}" == sampler.get_description()
        assert not caplog.records

    @pytest.mark.parametrize("argument", [None, "", "  "], ids=repr)
    def test_without_one_the_sdks_default_decides(self, argument: str | None, caplog: pytest.LogCaptureFixture) -> None:
        assert traces_sampler(argument).get_description() == FALLBACK
        assert not caplog.records

    @pytest.mark.parametrize(
        ("argument", "problem"),
        [
            pytest.param("2", "the ratio is expected to be a number from 0 to 1", id="ratio above 1"),
            pytest.param("nan", "the ratio is expected to be a number from 0 to 1", id="not a number"),
            pytest.param("1%", "expected a ratio from 0 to 1, or NAME or NAME:ARGUMENT", id="per cent"),
            pytest.param("traceidratio", "the ratio is expected to be a number from 0 to 1", id="ratio missing"),
            pytest.param("traceidratio:x", "the ratio is expected to be a number from 0 to 1", id="ratio is text"),
            pytest.param("traceidratio:-1", "the ratio is expected to be a number from 0 to 1", id="ratio below 0"),
            pytest.param("0.1;record=", "record is expected to be a number above 0 and at most 1", id="no share"),
            pytest.param("0.1;record=0", "record is expected to be a number above 0 and at most 1", id="share 0"),
            pytest.param("0.1;record=x", "record is expected to be a number above 0 and at most 1", id="share is text"),
            pytest.param("nowhere", "expected a ratio from 0 to 1, or NAME or NAME:ARGUMENT", id="no such sampler"),
            pytest.param("errsample:0.5", "expected a ratio from 0 to 1, or NAME or NAME:ARGUMENT", id="itself"),
            pytest.param("text:x", "the sampler it names was expected to be a Sampler, got str", id="no sampler"),
            pytest.param("vendor:broken", "the sampler it names could not be made (RuntimeError)", id="raises"),
            pytest.param("gone", "the sampler it names could not be made (ModuleNotFoundError)", id="not importable"),
        ],
    )
    def test_a_wrong_one_is_told_once_without_its_text(
        self, argument: str, problem: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            assert traces_sampler(argument).get_description() == FALLBACK
        (record,) = caplog.records
        assert record.getMessage().startswith(f"OTEL_TRACES_SAMPLER_ARG: {problem}")
        assert record.getMessage().endswith("; sampling as parentbased_always_on does")
        assert "secret" not in caplog.text
