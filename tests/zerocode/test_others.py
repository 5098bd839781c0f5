"""Other packages' configurators: which one is found first must not matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.zerocode.launch import launch
from tests.zerocode.test_environment import ALL, OURS, STOCK, assert_explained

OUR_CONFIGURATOR = "errsample = otel_errsample.plugins.configurator:ErrsampleConfigurator"

VENDOR = """
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._configuration import _OTelSDKConfigurator

class Configurator(_OTelSDKConfigurator):
    def _configure(self, **kwargs):
        super()._configure(**kwargs, exporter_args_map={OTLPSpanExporter: {"headers": (("x-vendor", "token"),)}})
"""


def distribution(folder: Path, name: str, configurator: str, module: str = "") -> Path:
    """A package with a configurator, in a directory that is searched before the environment's."""
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[opentelemetry_configurator]\n{configurator}\n")
    if module:
        (folder / f"{name}.py").write_text(module)
    return folder


@pytest.mark.way("installed, not switched on")
def test_found_first_ours_leaves_the_work_to_the_next(tmp_path: Path) -> None:
    first = distribution(tmp_path, "found_first", OUR_CONFIGURATOR)
    run = launch(before=[first], OTEL_TRACES_EXPORTER="otlp")
    assert (STOCK, ALL) == (run.processors, set(run.spans))
    assert not any("errsample already loaded" in line for line in run.err), run.err


@pytest.mark.way("installed, not switched on")
def test_between_two_others_the_log_names_the_one_that_configured(tmp_path: Path) -> None:
    before = [
        distribution(tmp_path / "a", "found_first", OUR_CONFIGURATOR),
        distribution(tmp_path / "b", "vendor", "vendors = vendor:Configurator", VENDOR),
    ]
    run = launch(before=before, OTEL_TRACES_EXPORTER="otlp")
    assert {"token"} == {dict(request.headers).get("x-vendor") for request in run.requests}
    assert "Configuration of configurator not loaded, vendors already loaded" in run.err


@pytest.mark.way("vendor's configurator")
def test_the_hook_keeps_what_a_vendor_told_its_exporter(tmp_path: Path) -> None:
    vendor = distribution(tmp_path, "vendor", "vendors = vendor:Configurator", VENDOR)
    run = launch(before=[vendor], OTEL_TRACES_EXPORTER="otlp", OTEL_ERRSAMPLE_ENABLED="true")
    assert OURS == run.processors
    assert_explained(run)
    assert {"token"} == {dict(request.headers).get("x-vendor") for request in run.requests}


@pytest.mark.way("configurator")
def test_named_it_is_chosen_before_the_one_that_is_found_first(tmp_path: Path) -> None:
    vendor = distribution(tmp_path, "vendor", "vendors = vendor:Configurator", VENDOR)
    run = launch(before=[vendor], OTEL_TRACES_EXPORTER="otlp", OTEL_PYTHON_CONFIGURATOR="errsample")
    assert OURS == run.processors
    assert_explained(run)
    assert {None} == {dict(request.headers).get("x-vendor") for request in run.requests}
