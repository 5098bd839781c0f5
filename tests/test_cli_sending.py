"""cli/sending.py: one test error, and the endpoint's answer."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_errsample import ErrorSpanProcessor
from otel_errsample.cli.sending import NAME, send
from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply
from otel_errsample.testing.transport import CollectingTransport
from otel_errsample.transport import Answer, Outcome


def test_an_endpoint_that_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver("http") as receiver:
        for name, value in receiver.environ.items():
            monkeypatch.setenv(name, value)
        processor = ErrorSpanProcessor("drop")  # which the test error passes all the same
        sent = send(processor, 10)
        (received,) = receiver.spans()
    assert (NAME, sent.trace_id) == (received.span.name, received.span.trace_id.hex())
    assert sent.taken
    assert f"the test error, by {receiver.url} (trace {sent.trace_id})" == sent.what
    processor.shutdown(0)


def test_an_endpoint_that_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cr3t")
    with Receiver("grpc", then=Reply(status="UNAUTHENTICATED", message="s3cr3t is no key")) as receiver:
        for name, value in receiver.environ.items():
            monkeypatch.setenv(name, value)
        processor = ErrorSpanProcessor()
        sent = send(processor, 10)
    assert not sent.taken
    assert "export_failed; failing: UNAUTHENTICATED" in sent.what
    assert "s3cr3t" not in sent.what
    processor.shutdown(0)


def test_an_endpoint_that_does_not_answer() -> None:
    processor = ErrorSpanProcessor(transport=CollectingTransport(then=Answer(Outcome.RETRY, cause="refused")))
    sent = send(processor, 0.05)
    assert not sent.taken
    assert "no answer within 0.05 s; failing: refused" in sent.what
    processor.shutdown(0)


def test_an_exporter_of_the_users() -> None:
    exported = InMemorySpanExporter()
    processor = ErrorSpanProcessor(exporter=exported)
    assert send(processor, 10).taken
    assert [NAME] == [span.name for span in exported.get_finished_spans()]
    processor.shutdown(0)
