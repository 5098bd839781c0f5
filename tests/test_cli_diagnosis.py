"""cli/diagnosis.py: what is active, what overrides what, and no secret."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor
from otel_errsample.cli import diagnosis
from otel_errsample.cli.diagnosis import Active, as_json, heard, look, mask


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> TracerProvider:
    made = TracerProvider(ErrorAwareSampler(0.5), Resource({"service.name": "shop"}), shutdown_on_exit=False)
    monkeypatch.setattr(diagnosis, "get_tracer_provider", lambda: made)
    return made


def looked() -> Active:
    active, processor = look()
    processor.shutdown(0)
    return active


def test_what_is_active_is_told(provider: TracerProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cr3t")
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    provider.add_span_processor(ErrorSpanProcessor("mine: keep if error"))
    active = looked()
    assert ("TracerProvider", "shop") == (active.provider, active.service)
    assert "the program that runs this command" == active.configured_by
    assert active.sampler.startswith("ErrorAwareSampler{")
    assert [
        "BatchSpanProcessor to InMemorySpanExporter",
        "ErrorSpanProcessor to localhost:4317",
    ] == active.processors
    assert {
        "protocol": "grpc",
        "endpoint": "localhost:4317",
        "tls": "false",
        "headers": "api-key=***",
        "compression": "none",
        "timeout": "10 s",
    } == active.endpoint
    assert (["mine"], "code") == (active.rules, active.rules_source)
    assert ([], []) == (active.problems, active.overrides)
    assert "s3cr3t" not in json.dumps(as_json(active))
    provider.shutdown()


def test_a_variable_that_is_refused_is_not_where_a_setting_is_from(
    provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ERRSAMPLE_SCOPE", "pth")
    monkeypatch.setenv("OTEL_ERRSAMPLE_FLUSH_ERRORS_MS", "99999999")  # which is as the nearest bound
    provider.add_span_processor(ErrorSpanProcessor())
    sources = {name: (value, source) for name, value, source in looked().settings}
    assert ("path", "default") == sources["scope"]
    assert ("60000", "OTEL_ERRSAMPLE_FLUSH_ERRORS_MS") == sources["flush_errors_ms"]


def test_each_setting_says_where_it_is_from(
    provider: TracerProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "errsample.yaml"
    path.write_text("rules: 'filed: keep if error'\nsettings: {scope: span, flush_errors_ms: 7, scrub: strict}\n")
    monkeypatch.setenv("OTEL_ERRSAMPLE_CONFIG", str(path))
    monkeypatch.setenv("OTEL_ERRSAMPLE_SCOPE", "path")
    monkeypatch.setenv("OTEL_ERRSAMPLE_RULES", "named: keep if error")
    provider.add_span_processor(ErrorSpanProcessor(scrub="off"))
    active = looked()
    sources = {name: (value, source) for name, value, source in active.settings}
    assert ("path", "OTEL_ERRSAMPLE_SCOPE") == sources["scope"]
    assert ("7", str(path)) == sources["flush_errors_ms"]
    assert ("off", "code, or OTEL_CONFIG_FILE") == sources["scrub"]
    assert ("none", "default") == sources["in_app_include"]
    assert "OTEL_ERRSAMPLE_RULES" == active.rules_source
    assert [
        f"the rules of OTEL_ERRSAMPLE_RULES override those of {path}",
        f"OTEL_ERRSAMPLE_SCOPE overrides scope of {path}",
    ] == active.overrides
    provider.shutdown()


def test_variables_that_do_not_count_are_named(provider: TracerProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:1",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b:2",
        "OTEL_CONFIG_FILE": "otel.yaml",
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_BSP_MAX_QUEUE_SIZE": "9",
        "https_proxy": "http://user:secret@proxy:3128",
    }.items():
        monkeypatch.setenv(name, value)
    provider.add_span_processor(ErrorSpanProcessor())
    active = looked()
    assert [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT overrides OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_CONFIG_FILE overrides OTEL_TRACES_SAMPLER",
        "OTEL_BSP_MAX_QUEUE_SIZE has no meaning here",
        "https_proxy is not used: spans take no proxy",
    ] == active.overrides
    assert {"OTEL_CONFIG_FILE": "otel.yaml", "OTEL_TRACES_SAMPLER": "always_on"} == active.switches
    provider.shutdown()


def test_a_sampler_that_hides_errors_is_told_from_ours(
    provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looked().sees_unsampled
    monkeypatch.setattr(diagnosis, "get_tracer_provider", lambda: TracerProvider(shutdown_on_exit=False))
    assert not looked().sees_unsampled


def test_nothing_active_is_a_problem(provider: TracerProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("OTEL_ERRSAMPLE_CONFIG", "/no/such/file")
    missing, disabled, file = looked().problems
    assert missing.startswith("no ErrorSpanProcessor is active; OTEL_PYTHON_CONFIGURATOR=errsample")
    assert "OTEL_SDK_DISABLED is true: no span is recorded" == disabled
    assert "/no/such/file: cannot be read (No such file or directory)" == file


def test_what_is_said_meanwhile_is_heard_and_masked(provider: TracerProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=a%20b%20c,x=y")
    monkeypatch.setenv("OTEL_ERRSAMPLE_SCOPE", "galaxy")
    (said,) = looked().said
    assert said.startswith("OTEL_ERRSAMPLE_SCOPE: is expected to be one of ")
    with heard() as lines:
        logging.getLogger("opentelemetry.sdk").warning("sent a b c\nto %s", "https://me:pass@host/?k=v")
    assert ["sent *** to https://***@host/?***"] == [mask(line) for line in lines]


def test_a_proxy_is_the_business_of_an_exporter_of_the_users(
    provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    provider.add_span_processor(ErrorSpanProcessor(exporter=InMemorySpanExporter()))
    assert [] == looked().overrides
    provider.shutdown()
