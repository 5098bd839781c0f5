"""OTEL_ERRSAMPLE_ENABLED=false: what a BatchSpanProcessor would export, as it would."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, Verdict
from otel_errsample.testing.store import unpack
from otel_errsample.testing.transport import CollectingTransport


def fail(provider: TracerProvider) -> None:
    tracer = provider.get_tracer("test")
    with pytest.raises(KeyError), tracer.start_as_current_span("pay", attributes={"errsample.keep": True}):
        raise KeyError("password=hunter2")


def test_the_head_sample_goes_out_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_ERRSAMPLE_ENABLED", "false")
    exported = InMemorySpanExporter()
    verdicts: list[Verdict] = []
    processor = ErrorSpanProcessor("drop", exported, on_verdict=verdicts.append)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    fail(provider)
    assert processor.force_flush(10_000)
    (span,) = exported.get_finished_spans()
    assert {"errsample.keep": True} == dict(span.attributes or {})
    (event,) = span.events
    assert "'password=hunter2'" == (event.attributes or {})["exception.message"]
    assert span.context is not None
    assert not span.context.trace_state
    stats = processor.stats()
    assert (1, 0, True, []) == (stats.endings["delivered"], stats.errors, stats.balanced, verdicts)
    processor.shutdown()


def test_what_was_not_sampled_is_not_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_ERRSAMPLE_ENABLED", "false")
    transport = CollectingTransport()
    processor = ErrorSpanProcessor(transport=transport)
    provider = TracerProvider(ErrorAwareSampler(TraceIdRatioBased(0)), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    fail(provider)
    assert processor.shutdown(10_000)
    assert [] == transport.payloads
    assert 1 == processor.stats().endings["not_sampled"]


def test_beside_another_processor_it_exports_nothing() -> None:
    processor = ErrorSpanProcessor(transport=CollectingTransport(), head_sampled=False, options={"enabled": False})
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    fail(provider)
    assert 1 == processor.stats().endings["left_to_head"]
    processor.shutdown()


def test_the_line_at_start_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        ErrorSpanProcessor(transport=CollectingTransport(), options={"enabled": False}).shutdown()
    assert ["otel-errsample is disabled: the head sample goes out as it is, to memory"] == caplog.messages


class TestAddedTwice:
    """Every span arrives once all the same."""

    def test_the_same_one_is_taken_out_of_the_list(self) -> None:
        transport = CollectingTransport()
        processor = ErrorSpanProcessor("keep", transport=transport)
        provider = TracerProvider(shutdown_on_exit=False)
        for _ in range(3):
            provider.add_span_processor(processor)
        for _ in range(2):
            fail(provider)
        assert processor.shutdown(10_000)
        assert 2 == sum(len(list(unpack(payload))) for payload in transport.accepted)
        stats = processor.stats()
        assert (2, 2, True) == (stats.ended, stats.endings["delivered"], stats.balanced)
        assert (processor,) == provider._active_span_processor._span_processors

    @pytest.mark.parametrize("by", ["transport", "environment"])
    def test_another_one_to_the_same_place_leaves_all_to_the_first(
        self, by: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        shared = CollectingTransport() if by == "transport" else None
        first, second = (ErrorSpanProcessor("keep", transport=shared) for _ in range(2))
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(first)
        provider.add_span_processor(second)
        for _ in range(2):
            fail(provider)
        assert (2, 0) == (first.stats().buffered, second.stats().buffered)
        assert 2 == second.stats().endings["left_to_head"]
        assert second.stats().balanced
        (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert line.startswith("otel-errsample is on this provider already")
        first.shutdown(0)
        second.shutdown(0)

    def test_one_that_was_shut_down_is_left_nothing(self) -> None:
        """A provider lets no processor go: who begins anew shuts the old one down and adds another."""
        shared = CollectingTransport()
        first, second, third = (ErrorSpanProcessor("keep", transport=shared) for _ in range(3))
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(first)
        fail(provider)
        provider.add_span_processor(second)
        provider.add_span_processor(third)
        fail(provider)
        assert first.shutdown(10_000)
        for _ in range(3):
            fail(provider)
        assert second.shutdown(10_000)
        for _ in range(5):
            fail(provider)
        assert third.shutdown(10_000)
        delivered = [processor.stats().endings["delivered"] for processor in (first, second, third)]
        assert [2, 3, 5] == delivered
        assert 10 == sum(len(list(unpack(payload))) for payload in shared.accepted)
        assert all(processor.stats().balanced for processor in (first, second, third))

    def test_a_span_that_is_open_while_the_first_is_shut_down_goes_to_the_second(self) -> None:
        shared = CollectingTransport()
        first, second = (ErrorSpanProcessor("keep", transport=shared) for _ in range(2))
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(first)
        provider.add_span_processor(second)
        span = provider.get_tracer("orders").start_span("open")
        first.shutdown(10_000)
        span.end()
        assert second.shutdown(10_000)
        assert [1, 1] == [first.stats().endings["after_shutdown"], second.stats().endings["delivered"]]

    def test_two_that_export_different_spans_or_elsewhere_are_two(self) -> None:
        shared = CollectingTransport()
        all_of_them = [
            ErrorSpanProcessor("keep", transport=shared, head_sampled=False),
            ErrorSpanProcessor("keep", transport=shared),
            ErrorSpanProcessor("keep", transport=CollectingTransport()),
            ErrorSpanProcessor("keep", InMemorySpanExporter()),
        ]
        provider = TracerProvider(shutdown_on_exit=False)
        for processor in all_of_them:
            provider.add_span_processor(processor)
        fail(provider)
        assert [1, 0, 0, 0] == [processor.stats().endings["left_to_head"] for processor in all_of_them]
        assert [0, 1, 1, 1] == [processor.stats().buffered for processor in all_of_them]
        provider.shutdown()
