"""Switched on by variables alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.zerocode.launch import Run, launch, without_extension

OURS = ["ErrorSpanProcessor"]
STOCK = ["BatchSpanProcessor"]
ALL = {"fine", "order", "pay"}


def assert_explained(run: Run, rule: str = "default.errors") -> None:
    """Every span arrived once, and the failing ones say what was understood."""
    assert (0, sorted(ALL)) == (run.code, sorted(run.arrived)), run.err
    assert "errsample.kind" not in run.spans["fine"]
    for name in ("order", "pay"):
        assert ("bug", rule) == (run.spans[name]["errsample.kind"], run.spans[name]["errsample.rule"])


def ours_of(run: Run) -> list[str]:
    """What stderr says, without the launcher's lines about configurators that were not chosen."""
    return [line for line in run.err if not line.startswith("Configuration of ")]


class TestInstalledOnly:
    """Nobody notices the package."""

    @pytest.mark.way("installed, not switched on")
    def test_the_sdks_own_pipeline_runs(self) -> None:
        run = launch()
        assert (STOCK, ALL, []) == (run.processors, set(run.spans), run.err)
        assert not any(name.startswith("errsample.") for span in run.spans.values() for name in span)

    @pytest.mark.way("installed, not switched on")
    @pytest.mark.parametrize("enabled", ["false", "", "maybe"])
    def test_a_hook_that_is_not_wanted_does_nothing(self, enabled: str) -> None:
        run = launch(OTEL_ERRSAMPLE_ENABLED=enabled)
        assert (STOCK, ALL) == (run.processors, set(run.spans))
        expected = ["OTEL_ERRSAMPLE_ENABLED: is expected to be true or false; it counts as unset"]
        assert (expected if enabled == "maybe" else []) == run.err


class TestConfigurator:
    """`OTEL_PYTHON_CONFIGURATOR=errsample`."""

    @pytest.mark.way("configurator")
    @pytest.mark.parametrize("protocol", ["grpc", "http"])
    def test_the_span_processor_is_in_place_of_the_batch_processor(self, protocol: str) -> None:
        run = launch(protocol=protocol, OTEL_PYTHON_CONFIGURATOR="errsample")
        assert OURS == run.processors
        assert_explained(run)
        assert [] == ours_of(run)

    @pytest.mark.way("configurator")
    @pytest.mark.parametrize("names", ["otlp", "otlp_proto_grpc", "errsample", "otlp,errsample,otlp"])
    def test_an_otlp_exporter_by_any_name_sends_once(self, names: str) -> None:
        run = launch(OTEL_PYTHON_CONFIGURATOR="errsample", OTEL_TRACES_EXPORTER=names)
        assert OURS == run.processors
        assert_explained(run)

    @pytest.mark.way("configurator")
    def test_another_exporter_gets_a_span_processor_too(self) -> None:
        run = launch(OTEL_PYTHON_CONFIGURATOR="errsample", OTEL_TRACES_EXPORTER="otlp,console")
        assert OURS * 2 == run.processors
        assert_explained(run)
        assert 2 == run.out.count('"errsample.rule": "default.errors"')

    @pytest.mark.way("configurator")
    def test_metrics_and_logs_are_the_sdks(self) -> None:
        run = launch(
            OTEL_PYTHON_CONFIGURATOR="errsample", OTEL_METRICS_EXPORTER="console", OTEL_LOGS_EXPORTER="console"
        )
        assert {"metrics": "MeterProvider", "logs": "LoggerProvider"} == run.told["others"]
        assert_explained(run)

    @pytest.mark.way("configurator")
    def test_none_exports_nothing(self) -> None:
        run = launch(OTEL_PYTHON_CONFIGURATOR="errsample", OTEL_TRACES_EXPORTER="none")
        assert ([], [], []) == (run.processors, run.arrived, ours_of(run))

    @pytest.mark.way("configurator")
    def test_disabled_it_is_the_sdks(self) -> None:
        run = launch(OTEL_PYTHON_CONFIGURATOR="errsample", OTEL_ERRSAMPLE_ENABLED="false")
        assert (STOCK, ALL, []) == (run.processors, set(run.spans), ours_of(run))
        assert "errsample.kind" not in run.spans["pay"]

    @pytest.mark.way("configurator")
    def test_its_rules_come_from_the_environment(self) -> None:
        run = launch(OTEL_PYTHON_CONFIGURATOR="errsample", OTEL_ERRSAMPLE_RULES="mine: keep if error; drop")
        assert {"order", "pay"} == set(run.spans)
        assert "mine" == run.spans["pay"]["errsample.rule"]

    @pytest.mark.way("configurator")
    def test_a_hook_beside_it_adds_nothing(self) -> None:
        run = launch(OTEL_PYTHON_CONFIGURATOR="errsample", OTEL_ERRSAMPLE_ENABLED="true")
        assert OURS == run.processors
        assert_explained(run)


class TestHook:
    """`OTEL_ERRSAMPLE_ENABLED=true`."""

    @pytest.mark.way("hook")
    @pytest.mark.parametrize("protocol", ["grpc", "http"])
    def test_the_span_processor_takes_the_batch_processors_place(self, protocol: str) -> None:
        run = launch(protocol=protocol, OTEL_ERRSAMPLE_ENABLED="true")
        assert (OURS, []) == (run.processors, run.err)
        assert_explained(run)

    @pytest.mark.way("hook")
    def test_the_exporter_plug_in_is_taken_over_too(self) -> None:
        run = launch(OTEL_ERRSAMPLE_ENABLED="true", OTEL_TRACES_EXPORTER="errsample")
        assert (OURS, []) == (run.processors, run.err)
        assert_explained(run)

    @pytest.mark.way("hook")
    def test_none_stays_none(self) -> None:
        run = launch(OTEL_ERRSAMPLE_ENABLED="true", OTEL_TRACES_EXPORTER="none")
        assert ([], []) == (run.processors, run.arrived)
        assert ["OTEL_ERRSAMPLE_ENABLED: nothing is exported, since OTEL_TRACES_EXPORTER is none"] == run.err


class TestSampler:
    """`OTEL_TRACES_SAMPLER=errsample`."""

    @pytest.mark.way("sampler")
    @pytest.mark.parametrize(
        "switch", [{"OTEL_PYTHON_CONFIGURATOR": "errsample"}, {"OTEL_ERRSAMPLE_ENABLED": "true"}], ids=str
    )
    def test_errors_are_kept_where_nothing_is_sampled(self, switch: dict[str, Any]) -> None:
        run = launch(**switch, OTEL_TRACES_SAMPLER="errsample", OTEL_TRACES_SAMPLER_ARG="0")
        assert "ErrorAwareSampler{ConsistentParentBased{0.0,th:none}}" == run.told["sampler"]
        assert {"order", "pay"} == set(run.spans)

    @pytest.mark.way("sampler")
    def test_a_head_sampler_that_does_not_exist_is_one_line(self) -> None:
        run = launch(OTEL_ERRSAMPLE_ENABLED="true", OTEL_TRACES_SAMPLER="errsample", OTEL_TRACES_SAMPLER_ARG="nosuch:1")
        (line,) = run.err
        assert line.startswith("OTEL_TRACES_SAMPLER_ARG: ")
        assert_explained(run)


class TestExporter:
    """`OTEL_TRACES_EXPORTER=errsample`."""

    @pytest.mark.way("exporter")
    def test_behind_a_batch_processor_errors_are_explained(self) -> None:
        run = launch(OTEL_TRACES_EXPORTER="errsample")
        assert (STOCK, []) == (run.processors, run.err)
        assert_explained(run)
        assert "event" == run.spans["pay"]["errsample.source"], "the exception itself is gone by then"

    @pytest.mark.way("exporter")
    def test_rules_apply_to_what_was_sampled(self) -> None:
        run = launch(OTEL_TRACES_EXPORTER="errsample", OTEL_ERRSAMPLE_RULES='drop if name == "fine"')
        assert {"order", "pay"} == set(run.spans)

    @pytest.mark.way("exporter")
    def test_unsampled_spans_never_come_here(self) -> None:
        run = launch(OTEL_TRACES_EXPORTER="errsample", OTEL_TRACES_SAMPLER="errsample", OTEL_TRACES_SAMPLER_ARG="0")
        assert [] == run.arrived


class TestFlags:
    """`opentelemetry-instrument --errsample_...`."""

    @pytest.mark.way("launcher flags")
    def test_every_variable_is_a_flag(self) -> None:
        run = launch(
            "opentelemetry-instrument",
            "--configurator", "errsample",
            "--errsample_rules", "flag: keep if error; drop",
            "--errsample_scope", "span",
            "python", "app.py",
        )  # fmt: skip
        assert {"order", "pay"} == set(run.spans)
        assert "flag" == run.spans["pay"]["errsample.rule"]

    @pytest.mark.way("launcher flags")
    def test_help_names_them(self) -> None:
        run = launch("opentelemetry-instrument", "--help")
        assert "--errsample_max_buffer_bytes" in run.out


class TestBadInput:
    """One clear line each, and telemetry goes on."""

    @pytest.mark.way("bad input")
    def test_an_exporter_that_is_not_installed(self) -> None:
        run = launch(OTEL_PYTHON_CONFIGURATOR="errsample", OTEL_TRACES_EXPORTER="consol,otlp")
        assert [
            "OTEL_TRACES_EXPORTER: an exporter that it names is not installed and is left out; did you mean 'console'?"
        ] == ours_of(run)
        assert_explained(run)

    @pytest.mark.way("bad input")
    def test_a_configurator_that_is_not_installed_but_almost_named_ours(self) -> None:
        run = launch(OTEL_PYTHON_CONFIGURATOR="errsampel")
        assert ["OTEL_PYTHON_CONFIGURATOR names none that is installed; errsample configures the SDK"] == ours_of(run)
        assert OURS == run.processors
        assert_explained(run)

    @pytest.mark.way("bad input")
    def test_a_metrics_exporter_that_is_not_installed_costs_no_traces(self) -> None:
        run = launch(OTEL_PYTHON_CONFIGURATOR="errsample", OTEL_METRICS_EXPORTER="nosuch")
        (line,) = ours_of(run)
        assert line.startswith(
            "only traces are configured, since the SDK says: RuntimeError: Requested component '${OTEL_METRICS_EXPORTER}'"
        )
        assert_explained(run)

    @pytest.mark.way("bad input")
    def test_rules_that_are_wrong(self) -> None:
        run = launch(OTEL_PYTHON_CONFIGURATOR="errsample", OTEL_ERRSAMPLE_RULES="keep of error")
        (line,) = ours_of(run)
        assert line.startswith("OTEL_ERRSAMPLE_RULES:1:6: expected 'if' before the condition")
        assert_explained(run)

    @pytest.mark.way("bad input")
    @pytest.mark.parametrize(
        ("switch", "said"),
        [
            ({}, ""),
            (
                {"OTEL_PYTHON_CONFIGURATOR": "errsample"},
                "the SDK is configured without otel-errsample, which failed: ModuleNotFoundError: ",
            ),
            ({"OTEL_ERRSAMPLE_ENABLED": "true"}, "otel-errsample is not switched on, since it failed: "),
            ({"OTEL_TRACES_EXPORTER": "errsample"}, "spans are exported without otel-errsample, which failed: "),
        ],
        ids=str,
    )
    def test_an_extension_for_another_python(self, switch: dict[str, Any], said: str, tmp_path: Path) -> None:
        """As where an operator mounts what was built elsewhere: nothing but our part may be missing."""
        without_extension(tmp_path)
        run = launch(before=[tmp_path], **switch)
        assert (STOCK, ALL) == (run.processors, set(run.spans))
        lines = ours_of(run)
        assert bool(said) == bool(lines)
        assert all(line.startswith(said) and "No module named 'otel_errsample._hot'" in line for line in lines)
