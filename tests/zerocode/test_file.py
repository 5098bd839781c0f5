"""Switched on by a declarative configuration file, `OTEL_CONFIG_FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.zerocode.conftest import installed
from tests.zerocode.launch import Run, launch, without_extension
from tests.zerocode.test_environment import ALL, OURS, STOCK, assert_explained, ours_of

OTLP = 'otlp_grpc: {endpoint: "${OTEL_EXPORTER_OTLP_TRACES_ENDPOINT}"}'
SELECTED: dict[str, Any] = {"OTEL_PYTHON_CONFIGURATOR": "errsample"}


@pytest.fixture(autouse=True)
def declarative() -> None:
    if not installed("opentelemetry-configuration"):
        pytest.skip("opentelemetry-configuration is not released for this SDK")


def configured(folder: Path, text: str, **variables: Any) -> Run:
    (folder / "otel.yaml").write_text(f'file_format: "1.0"\n{text}', encoding="utf-8")
    return launch(OTEL_CONFIG_FILE=str(folder / "otel.yaml"), **variables)


@pytest.mark.way("declarative file, processors entry")
class TestProcessorEntry:
    def test_it_stands_among_the_sdks_processors(self, tmp_path: Path) -> None:
        run = configured(
            tmp_path,
            f"""
tracer_provider:
  processors:
    - simple: {{exporter: {{console: {{}}}}}}
    - errsample:
        rules: "mine: keep if error"
        scope: span
        exporter:
          {OTLP}
""",
            **SELECTED,
        )
        assert ["SimpleSpanProcessor", "ErrorSpanProcessor"] == run.processors
        assert [] == ours_of(run)
        assert_explained(run, "mine")

    def test_without_options_the_environment_says_where_to(self, tmp_path: Path) -> None:
        run = configured(tmp_path, "tracer_provider:\n  processors: [{errsample: null}]\n", **SELECTED)
        assert (OURS, []) == (run.processors, ours_of(run))
        assert_explained(run)

    def test_disabled_it_behaves_as_a_batch_processor(self, tmp_path: Path) -> None:
        text = "tracer_provider:\n  processors: [{errsample: {rules: drop}}]\n"
        run = configured(tmp_path, text, **SELECTED, OTEL_ERRSAMPLE_ENABLED="false")
        assert (OURS, ALL, []) == (run.processors, set(run.spans), ours_of(run))
        assert "errsample.kind" not in run.spans["pay"]

    def test_it_may_have_any_exporter_of_the_sdk(self, tmp_path: Path) -> None:
        run = configured(
            tmp_path, "tracer_provider:\n  processors: [{errsample: {exporter: {console: null}}}]\n", **SELECTED
        )
        assert (OURS, []) == (run.processors, run.arrived)
        assert 2 == run.out.count('"errsample.rule": "default.errors"')

    def test_every_mistake_is_a_line_and_the_rest_holds(self, tmp_path: Path) -> None:
        run = configured(
            tmp_path,
            """
tracer_provider:
  processors:
    - errsample:
        scoop: span
        max_buffer_bytes: lots
        rules: keep of error
        exporter: {nosuch: {}}
""",
            **SELECTED,
        )
        place = "tracer_provider.processors[0].errsample"
        unknown, number, rules, exporter = ours_of(run)
        assert f"{place}: 'scoop' is no option and is left out; did you mean 'scope'?" == unknown
        assert number.startswith(f"{place}.max_buffer_bytes: is expected to be a whole number of bytes from 65536 to")
        assert rules.startswith(f"{place}.rules:1:6: expected 'if' before the condition")
        assert exporter.startswith(f"{place}.exporter cannot be used, spans go over OTLP: Plugin 'nosuch' not found")
        assert_explained(run)


@pytest.mark.way("declarative file, distribution section")
class TestDistribution:
    FILE = f"""
tracer_provider:
  processors:
    - batch: {{exporter: {{{OTLP}}}}}
distribution:
  errsample:
    rules: ["mine: keep if error"]
"""

    def test_the_batch_processors_are_exchanged(self, tmp_path: Path) -> None:
        run = configured(tmp_path, self.FILE, **SELECTED)
        assert (OURS, []) == (run.processors, ours_of(run))
        assert_explained(run, "mine")

    def test_other_configurators_read_the_same_file(self, tmp_path: Path) -> None:
        run = configured(tmp_path, self.FILE)
        assert (STOCK, ALL) == (run.processors, set(run.spans))

    def test_disabled_the_file_is_as_the_sdk_reads_it(self, tmp_path: Path) -> None:
        run = configured(tmp_path, self.FILE, **SELECTED, OTEL_ERRSAMPLE_ENABLED="false")
        assert (STOCK, ALL) == (run.processors, set(run.spans))

    def test_disabled_in_the_file_too(self, tmp_path: Path) -> None:
        run = configured(tmp_path, f"{self.FILE}    enabled: false\n", **SELECTED)
        assert (STOCK, ALL, []) == (run.processors, set(run.spans), ours_of(run))

    def test_options_of_both_sections_hold(self, tmp_path: Path) -> None:
        official = "instrumentation/development: {python: {errsample: {rules: drop, scope: span, dry_run: true}}}\n"
        run = configured(tmp_path, f"{self.FILE}    scrub: strict\n{official}", **SELECTED)
        assert (OURS, ALL) == (run.processors, set(run.spans))
        assert ("keep", "mine") == (
            run.spans["pay"]["errsample.dry_run.action"], run.spans["pay"]["errsample.dry_run.rule"]
        )  # fmt: skip


@pytest.mark.way("declarative file, instrumentation section")
@pytest.mark.parametrize("variables", [{}, SELECTED], ids=["the SDK's configurator", "ours"])
def test_the_official_section_for_options_is_enough(tmp_path: Path, variables: dict[str, Any]) -> None:
    run = configured(
        tmp_path,
        f"""
tracer_provider:
  processors:
    - batch: {{exporter: {{{OTLP}}}}}
instrumentation/development:
  python:
    errsample: {{rules: "mine: keep if error"}}
""",
        **variables,
    )
    assert OURS == run.processors
    assert_explained(run, "mine")


@pytest.mark.way("declarative file, instrumentation section")
@pytest.mark.parametrize("variables", [{}, SELECTED], ids=["the SDK's configurator", "ours"])
def test_disabled_there_the_file_is_as_the_sdk_reads_it(tmp_path: Path, variables: dict[str, Any]) -> None:
    run = configured(
        tmp_path,
        f"""
tracer_provider:
  processors:
    - batch: {{exporter: {{{OTLP}}}}}
instrumentation/development:
  python:
    errsample: {{enabled: false, rules: drop}}
""",
        **variables,
    )
    assert (STOCK, ALL) == (run.processors, set(run.spans))


@pytest.mark.way("declarative file, instrumentation section")
def test_disabled_there_it_says_nothing_about_entries_of_ours(tmp_path: Path) -> None:
    run = configured(
        tmp_path,
        f"""
tracer_provider:
  processors:
    - batch: {{exporter: {{{OTLP}}}}}
distribution:
  errsample: {{rules: "mine: keep if error"}}
instrumentation/development:
  python:
    errsample: {{enabled: false, rules: drop}}
""",
        **SELECTED,
    )
    assert (OURS, []) == (run.processors, ours_of(run))
    assert_explained(run, "mine")


@pytest.mark.way("declarative file, hook")
def test_the_hook_takes_over_what_a_file_configured(tmp_path: Path) -> None:
    text = f"tracer_provider:\n  processors: [{{batch: {{exporter: {{{OTLP}}}}}}}]\n"
    run = configured(tmp_path, text, OTEL_ERRSAMPLE_ENABLED="true")
    assert OURS == run.processors
    assert_explained(run)


@pytest.mark.way("declarative file, exporter")
def test_the_exporter_takes_options_behind_a_batch_processor(tmp_path: Path) -> None:
    text = "tracer_provider:\n  processors: [{batch: {exporter: {errsample: {rules: 'mine: keep if error', scop: span}}}}]\n"
    run = configured(tmp_path, text)
    assert STOCK == run.processors
    assert_explained(run, "mine")
    assert "exporter.errsample: 'scop' is no option and is left out; did you mean 'scope'?" in run.err


@pytest.mark.way("declarative file, sampler")
class TestSampler:
    FILE = f"""
tracer_provider:
  processors:
    - errsample: {{exporter: {{{OTLP}}}}}
  sampler:
    errsample: """

    @pytest.mark.parametrize(
        ("options", "description"),
        [
            ("{ratio: 0.0}", "ErrorAwareSampler{ConsistentParentBased{0.0,th:none}}"),
            ("{head: {always_off: null}}", "ErrorAwareSampler{AlwaysOffSampler}"),
        ],
    )
    def test_errors_are_kept_where_nothing_is_sampled(self, options: str, description: str, tmp_path: Path) -> None:
        run = configured(tmp_path, self.FILE + options, **SELECTED)
        assert (description, []) == (run.told["sampler"], ours_of(run))
        assert {"order", "pay"} == set(run.spans)

    def test_a_wrong_option_is_one_line(self, tmp_path: Path) -> None:
        run = configured(tmp_path, self.FILE + "{ratio: many}", **SELECTED)
        (line,) = ours_of(run)
        assert line.startswith("tracer_provider.sampler.errsample: ratio_or_sampler is expected to be a number")
        assert_explained(run)


@pytest.mark.way("bad input")
def test_metrics_that_cannot_be_configured_cost_no_traces(tmp_path: Path) -> None:
    text = """
tracer_provider: {processors: [{errsample: {}}]}
meter_provider: {readers: [{periodic: {exporter: {nosuch: {}}}}]}
"""
    run = configured(tmp_path, text, **SELECTED)
    (line,) = ours_of(run)
    assert line.startswith("OTEL_CONFIG_FILE: only traces are configured: ")
    assert OURS == run.processors
    assert_explained(run)


@pytest.mark.way("bad input")
@pytest.mark.parametrize("command", [(), ("otel-errsample", "doctor", "--json")], ids=["program", "doctor"])
def test_what_a_file_takes_from_variables_is_not_shown(command: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "otel.yaml"
    path.write_text(
        'file_format: "1.0"\ntracer_provider: {processors: [{errsample: {}}, '
        '{batch: {exporter: {otlp_http: {headers: {api-key: "${API_KEY}"}}}}}]}\n',
        encoding="utf-8",
    )
    run = launch(*command, OTEL_CONFIG_FILE=str(path), API_KEY="s3cr3t", **SELECTED)
    said = "\n".join([run.out, *run.err])
    assert "OTEL_CONFIG_FILE cannot be used, the environment is instead: ConfigurationError: " in said
    assert "what stands there is not of type 'array' (at tracer_provider -> processors -> 1 -> batch" in said
    assert "s3cr3t" not in said


@pytest.mark.way("bad input")
def test_without_the_extension_a_file_that_names_us_costs_no_traces(tmp_path: Path) -> None:
    without_extension(tmp_path)
    (tmp_path / "otel.yaml").write_text('file_format: "1.0"\ntracer_provider: {processors: [{errsample: {}}]}\n')
    run = launch(before=[tmp_path], OTEL_CONFIG_FILE=str(tmp_path / "otel.yaml"), **SELECTED)
    assert (STOCK, ALL) == (run.processors, set(run.spans))
    failed, refused = ours_of(run)
    assert failed.startswith("the SDK is configured without otel-errsample, which failed: ModuleNotFoundError: ")
    assert refused.startswith("OTEL_CONFIG_FILE cannot be used, the environment is instead: ")


@pytest.mark.way("bad input")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tracer_provider: {processors: []}\n", "OTEL_CONFIG_FILE cannot be used, the environment is instead: "),
        (
            "tracer_provider: {processors: [{errsample: {}}, {nosuch: {}}]}\n",
            "OTEL_CONFIG_FILE cannot be used, the environment is instead: No processor type specified",
        ),
    ],
    ids=["against the schema", "another unknown processor"],
)
def test_a_file_that_cannot_be_used_costs_no_telemetry(text: str, said: str, tmp_path: Path) -> None:
    run = configured(tmp_path, text, **SELECTED)
    (line,) = ours_of(run)
    assert line.startswith(said)
    assert OURS == run.processors
    assert_explained(run)
