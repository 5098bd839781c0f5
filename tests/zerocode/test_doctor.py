"""`otel-errsample doctor` in environments that switch it on, and in one that does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.zerocode.launch import launch

DOCTOR = ("otel-errsample", "doctor", "--json")


@pytest.mark.way("doctor")
@pytest.mark.parametrize(
    ("command", "variables", "configured_by"),
    [
        (DOCTOR, {"OTEL_PYTHON_CONFIGURATOR": "errsample"}, "opentelemetry-instrument"),
        (DOCTOR, {"OTEL_ERRSAMPLE_ENABLED": "true"}, "opentelemetry-instrument"),
        (
            ("opentelemetry-instrument", *DOCTOR),
            {"OTEL_ERRSAMPLE_ENABLED": "true"},
            "the program that runs this command",
        ),
    ],
    ids=["configurator", "hook", "under the launcher"],
)
def test_what_is_active_takes_a_test_error(
    command: tuple[str, ...], variables: dict[str, Any], configured_by: str
) -> None:
    run = launch(*command, OTEL_EXPORTER_OTLP_HEADERS="api-key=s3cr3t", **variables)
    assert (0, ["otel-errsample doctor"]) == (run.code, run.arrived), run.err
    told = json.loads(run.out)
    assert (True, configured_by) == (told["healthy"], told["configured_by"])
    assert {"api-key=***"} == {told["endpoint"]["headers"]}
    assert "s3cr3t" not in run.out
    assert all("s3cr3t" not in line for line in run.err)


@pytest.mark.way("doctor")
def test_where_nothing_is_switched_on_it_says_how() -> None:
    run = launch("otel-errsample", "doctor")
    assert 1 == run.code
    assert "  processor 1    BatchSpanProcessor to OTLPSpanExporter" in run.out.splitlines()
    assert "OTEL_PYTHON_CONFIGURATOR=errsample or OTEL_ERRSAMPLE_ENABLED=true switch it on" in run.out
    assert ["otel-errsample doctor"] == run.arrived, "the endpoint was tried all the same"
