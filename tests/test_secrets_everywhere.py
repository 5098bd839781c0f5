"""Two hundred secrets in errors, and those of the configuration: in no byte of wire, disk, log, counts or diagnosis."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor
from otel_errsample.cli import diagnosis
from otel_errsample.cli import main as run_command
from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply
from tests.carriers import as_cause, as_description, as_event_attribute, as_message, as_span_name
from tests.exchange import protocols
from tests.secrets import planted
from tests.waiting import eventually

PLANTED = planted(200)
PASSWORD = "kX9-hunter2-wRq"
TOKEN = "tok-5f2c8e1b77d04a9b"
CARRIERS: list[Callable[..., None]] = [as_message, as_cause, as_description, as_event_attribute, as_span_name]


def files_of(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


@pytest.mark.scenario("I6")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no spool")
@protocols
def test_no_secret_is_anywhere(
    protocol: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    payloads: list[bytes] = []
    quoted = iter(range(10**9))

    def quote(payload: bytes) -> Reply:
        """Refuse, as servers do that quote what they were sent and by whom, until told otherwise."""
        payloads.append(payload)
        case = PLANTED[next(quoted) % len(PLANTED)]
        message = f"no room for {case.text} of {TOKEN} {PASSWORD}"
        return Reply() if taking else Reply("UNAVAILABLE", message=message)

    taking: list[bool] = []
    caplog.set_level(logging.DEBUG)
    with Receiver(protocol, quote) as receiver:
        userinfo = f"http://someone:{PASSWORD}@127.0.0.1:{receiver.port}"
        for name, value in {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc" if protocol == "grpc" else "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": userinfo,
            "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={TOKEN}",
            "OTEL_ERRSAMPLE_SPOOL_DIR": str(tmp_path / "spool"),
        }.items():
            monkeypatch.setenv(name, value)
        processor = ErrorSpanProcessor("keep")
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        tracer = provider.get_tracer("test")
        for number, case in enumerate(PLANTED):
            CARRIERS[number % len(CARRIERS)](tracer, case.text)
        with tracer.start_as_current_span("last") as span:
            span.set_status(StatusCode.ERROR, PLANTED[0].text)
        assert eventually(lambda: processor.stats().exporter != "ok")
        on_disk = files_of(tmp_path)
        monkeypatch.setattr(diagnosis, "get_tracer_provider", lambda: provider)
        taking.append(True)
        for arguments in (["doctor"], ["doctor", "--json"]):
            run_command(arguments)
        assert processor.force_flush(20_000)
        told = f"{processor.stats()} {processor.stats()!r} {processor.stats().as_dict()}"
        assert processor.shutdown(5_000)
        received = b"".join(payloads)
        assert any(TOKEN in str(request.headers) for request in receiver.requests), "what a header is for"
    printed = capsys.readouterr()
    where = {
        "wire": received,
        "disk": on_disk,
        "disk afterwards": files_of(tmp_path),
        "log": "\n".join(record.getMessage() + str(record.exc_info) for record in caplog.records).encode(),
        "counts": told.encode(),
        "doctor": printed.out.encode(),
        "stderr": printed.err.encode(),
    }
    secrets = {secret for case in PLANTED for secret in case.secrets} | {PASSWORD, TOKEN}
    assert len(secrets) >= 200
    assert [] == [(place, secret) for place, data in where.items() for secret in secrets if secret.encode() in data]
    # They would be seen where they were not taken out.
    assert b"redacted" in received
    assert on_disk.count(b"redacted") > 100
    assert b"cannot be delivered" in where["log"]
    assert b"127.0.0.1" in where["doctor"]
