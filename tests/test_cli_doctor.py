"""cli/doctor.py: the diagnosis for people and for programs, and the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor
from otel_errsample.cli import diagnosis
from otel_errsample.testing.transport import CollectingTransport
from otel_errsample.transport import Answer, Outcome
from tests.command import Command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(tmp_path, monkeypatch)


def active(monkeypatch: pytest.MonkeyPatch, transport: CollectingTransport | None) -> None:
    """A provider with ours on it, or without."""
    provider = TracerProvider(ErrorAwareSampler(0.5), shutdown_on_exit=False)
    if transport is not None:
        provider.add_span_processor(ErrorSpanProcessor(transport=transport))
    monkeypatch.setattr(diagnosis, "get_tracer_provider", lambda: provider)


def test_all_is_well(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    active(monkeypatch, CollectingTransport())
    done = command("doctor")
    assert (0, "") == (done.code, done.err)
    lines = done.out.splitlines()
    titles = ["installed", "set", "active", "endpoint", "settings", "result"]
    assert titles == [line for line in lines if not line.startswith(" ")]
    assert "  unsampled      recorded, so that their errors are seen" in lines
    assert "  processor 1    ErrorSpanProcessor to memory" in lines
    assert "  scope                  path      default" in lines
    assert lines[-1].startswith("  taken    the test error, by memory (trace ")


def test_an_endpoint_that_fails_is_1(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    active(monkeypatch, CollectingTransport(then=Answer(Outcome.FAILED, cause="http_404")))
    done = command("doctor")
    assert 1 == done.code
    last = done.out.splitlines()[-1]
    assert last.startswith("  not taken  the test error, by memory (trace ")
    assert "export_failed; failing: http_404" in last


def test_nothing_active_is_1(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    active(monkeypatch, None)
    done = command("doctor", "--no-send")
    assert 1 == done.code
    problem, end = done.out.splitlines()[-2:]
    assert problem.startswith("  problem  no ErrorSpanProcessor is active; OTEL_PYTHON_CONFIGURATOR=errsample or")
    assert "  no test error was sent" == end


def test_a_program_reads_it_as_json(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    active(monkeypatch, CollectingTransport())
    done = command("doctor", "--json")
    assert (0, True, True) == (done.code, done.json["healthy"], done.json["sent"]["taken"])
    assert {"name": "dry_run", "value": "false", "from": "default"} in done.json["settings"]


@pytest.mark.parametrize("seconds", ["0", "-1", "601", "soon", "nan"])
def test_a_timeout_is_a_number_of_seconds(command: Command, seconds: str) -> None:
    done = command("doctor", "--timeout", seconds)
    assert (2, "") == (done.code, done.out)
    assert "--timeout" in done.err
