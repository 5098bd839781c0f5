"""The public face: arguments, environment, life cycle, counts."""

from __future__ import annotations

import asyncio
import logging
import math
import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Status, StatusCode

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, Rules, Verdict
from otel_errsample.config import IGNORED, OTLP_VARIABLES, SETTINGS
from otel_errsample.errors import ConfigError, RuleError
from tests.making import Make, attributes_of, fail

VARIABLES = [
    *(setting.variable for setting in SETTINGS),
    *(f"OTEL_EXPORTER_OTLP_{way}{row.suffix}" for row in OTLP_VARIABLES for way in ("", "TRACES_")),
    *IGNORED,
]
# What is wrong with rules and with a file cannot be told without them; SECURITY.md says so.
QUOTED = ("OTEL_ERRSAMPLE_RULES", "OTEL_ERRSAMPLE_CONFIG")


class TestArguments:
    def test_a_bad_rule_in_code_raises_with_position(self) -> None:
        with pytest.raises(RuleError, match=r"line 1|:1:"):
            ErrorSpanProcessor("keep if severty >= 'error'")

    def test_rules_may_be_a_prepared_object(self, make: Make, memory: InMemorySpanExporter) -> None:
        tracer, processor = make(Rules.parse("all: keep"), memory)
        tracer.start_span("healthy").end()
        assert processor.force_flush(5_000)
        assert ["healthy"] == [span.name for span in memory.get_finished_spans()]

    def test_an_unknown_scope_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="scope is expected to be one of span, path, trace, got 'galaxy'"):
            ErrorSpanProcessor(scope="galaxy")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"rules": 3}, "rules is expected to be rule text or Rules, got 3"),
            ({"exporter": "console"}, "exporter is expected to be a SpanExporter, got 'console'"),
            ({"enrich": 5}, "enrich is expected to be a callable, got 5"),
            ({"on_verdict": "x"}, "on_verdict is expected to be a callable, got 'x'"),
            ({"config": 3}, "config is expected to be the path of a file, got 3"),
            ({"head_sampled": None}, "head_sampled is expected to be True or False, got None"),
            ({"options": 5}, "options is expected to be a mapping of settings, got 5"),
            ({"transport": "http://x"}, "transport is expected to be a Transport or OtlpSettings, got 'http://x'"),
            ({"meter_provider": 5}, "meter_provider is expected to be a MeterProvider, got 5"),
            ({"clock": 5}, "clock is expected to be a callable, got 5"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_an_argument_of_another_type_is_refused(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            ErrorSpanProcessor(**arguments)
        assert message == str(caught.value)

    def test_a_number_out_of_range_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="max_buffer_bytes"):
            ErrorSpanProcessor(max_buffer_bytes=10)

    @pytest.mark.parametrize("name", ["rules", "config"])
    def test_what_has_an_argument_of_its_own_is_no_option(self, name: str) -> None:
        with pytest.raises(ConfigError, match=f"'{name}' is no setting; hint: the settings are "):
            ErrorSpanProcessor(options={name: "x"})


class TestEnvironment:
    def test_a_bad_rule_warns_once_with_name_and_position_and_the_defaults_hold(
        self,
        make: Make,
        memory: InMemorySpanExporter,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setenv("OTEL_ERRSAMPLE_RULES", "keep if severty >= 'error'")
        with caplog.at_level(logging.WARNING):
            tracer, processor = make(exporter=memory)
        assert 1 == len(caplog.records)
        assert "OTEL_ERRSAMPLE_RULES" in caplog.text
        assert "1:9" in caplog.text
        fail(tracer)
        assert processor.force_flush(5_000)
        assert 1 == len(memory.get_finished_spans())

    def test_rules_come_from_the_environment(
        self, make: Make, memory: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OTEL_ERRSAMPLE_RULES", "drop if exception is KeyError")
        tracer, processor = make(exporter=memory)
        fail(tracer)
        assert processor.force_flush(5_000)
        assert () == memory.get_finished_spans()
        assert 1 == processor.stats().endings["dropped_by_rule"]

    @pytest.mark.scenario("I1")
    @pytest.mark.parametrize("value", ["", "junk", "-7", "0", str(10**18), "ünï\udcff", "a\0b"], ids=ascii)
    @pytest.mark.parametrize("name", VARIABLES)
    def test_no_value_of_a_variable_raises_into_the_application(
        self, name: str, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)  # for the spool
        # A dict takes a NUL, too; and one attempt to connect over HTTP costs less than a channel of gRPC.
        monkeypatch.setattr(os, "environ", {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", **os.environ, name: value})
        with caplog.at_level(logging.WARNING):
            processor = ErrorSpanProcessor()
        assert len([record for record in caplog.records if name in record.getMessage()]) <= 1
        if len(value) > 2 and name not in QUOTED:
            assert value not in caplog.text
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        fail(provider.get_tracer("test"))
        processor.shutdown(10)
        assert (1, True) == (processor.stats().ended, processor.stats().balanced)

    def test_one_line_at_start_says_what_is_active(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hunter2@127.0.0.1:4999")
        with caplog.at_level(logging.INFO, logger="otel_errsample"):
            processor = ErrorSpanProcessor("mine: keep if root")
        processor.shutdown(10)
        (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
        for part in ("mine", "default.errors", "127.0.0.1:4999", "16777216", "OTEL_BSP_MAX_QUEUE_SIZE"):
            assert part in line
        assert "hunter2" not in caplog.text


class TestFastExceptions:
    def test_every_span_processor_sees_the_same_event(self, make: Make, memory: InMemorySpanExporter) -> None:
        ours = InMemorySpanExporter()
        processor = ErrorSpanProcessor(exporter=ours)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(memory))
        provider.add_span_processor(processor)
        with pytest.raises(KeyError), provider.get_tracer("test").start_as_current_span("failing") as span:
            assert "record_exception" in vars(span)
            raise KeyError("lost")
        assert processor.shutdown(5_000)
        (seen,), (exported,) = memory.get_finished_spans(), ours.get_finished_spans()
        assert seen.events == exported.events
        attributes: Any = seen.events[0].attributes
        assert ("KeyError", "'lost'", "False") == tuple(
            attributes[f"exception.{name}"] for name in ("type", "message", "escaped")
        )
        assert attributes["exception.stacktrace"].startswith("Traceback (most recent call last):\n  File ")
        assert attributes["exception.stacktrace"].endswith("\nKeyError: 'lost'\n")

    def test_they_can_be_turned_off(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "record_exception" not in vars(make(fast_exceptions=False)[0].start_span("work"))
        monkeypatch.setenv("OTEL_ERRSAMPLE_FAST_EXCEPTIONS", "false")
        assert "record_exception" not in vars(make()[0].start_span("work"))
        assert "record_exception" in vars(make(fast_exceptions=True)[0].start_span("work"))

    def test_an_unknown_sdk_is_left_alone_and_said_so(
        self, make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(Span, "record_exception", lambda self, exception: None)
        with caplog.at_level(logging.INFO, logger="otel_errsample"):
            tracer, _ = make()
        assert "record_exception" not in vars(tracer.start_span("work"))
        assert 1 == sum(line.getMessage().startswith("exceptions are recorded by the SDK") for line in caplog.records)


class TestExporter:
    def test_a_users_exporter_gets_enriched_spans(self, make: Make, memory: InMemorySpanExporter) -> None:
        tracer, processor = make(exporter=memory)
        fail(tracer, mine=1)
        assert processor.force_flush(5_000)
        (span,) = memory.get_finished_spans()
        attributes = attributes_of(span)
        assert (1, "bug", "default.errors") == (
            attributes["mine"],
            attributes["errsample.kind"],
            attributes["errsample.rule"],
        )
        assert "exception" == span.events[0].name

    def test_the_span_other_processors_see_stays_as_it_was(self, memory: InMemorySpanExporter) -> None:
        seen: list[ReadableSpan] = []

        class Watcher(SpanProcessor):
            def on_end(self, span: ReadableSpan) -> None:
                seen.append(span)

        provider = TracerProvider(shutdown_on_exit=False)
        processor = ErrorSpanProcessor(exporter=memory)
        provider.add_span_processor(processor)
        provider.add_span_processor(Watcher())
        fail(provider.get_tracer("test"))
        processor.shutdown(5_000)
        assert not any(key.startswith("errsample.") for key in attributes_of(seen[0]))

    def test_a_failure_is_final_and_counted(self, make: Make) -> None:
        class Failing(SpanExporter):
            def export(self, spans: Any) -> SpanExportResult:
                return SpanExportResult.FAILURE

            def shutdown(self) -> None:
                raise RuntimeError("not even this")

        tracer, processor = make(exporter=Failing())
        fail(tracer)
        assert not processor.force_flush(5_000)
        assert 1 == processor.stats().endings["export_failed"]
        assert processor.stats().exporter.startswith("failing")


class TestDecisions:
    def test_the_application_decides_with_an_attribute_before_any_rule(
        self, make: Make, memory: InMemorySpanExporter
    ) -> None:
        tracer, processor = make("drop if error", memory)
        fail(tracer, "wanted", **{"errsample.keep": True})
        fail(tracer, "unwanted", **{"errsample.keep": False})
        assert processor.force_flush(5_000)
        assert ["wanted"] == [span.name for span in memory.get_finished_spans()]

    def test_a_storm_is_suppressed_and_the_next_kept_span_says_how_many(
        self, make: Make, memory: InMemorySpanExporter
    ) -> None:
        now = [0]
        tracer, processor = make(exporter=memory, clock=lambda: now[0])
        for _ in range(1_000):
            fail(tracer)
        now[0] += 1_000_000_000
        fail(tracer)
        assert processor.force_flush(5_000)
        spans = memory.get_finished_spans()
        assert 6 == len(spans)
        assert 995 == attributes_of(spans[-1])["errsample.suppressed"]
        assert 995 == processor.stats().endings["suppressed"]
        assert all("ot" not in (span.context.trace_state or {}) for span in spans)

    def test_a_kept_error_counts_once_whatever_the_head_rate(self, make: Make, memory: InMemorySpanExporter) -> None:
        tracer, processor = make("keep if error", memory, sampler=ErrorAwareSampler(0.5))
        for _ in range(50):
            fail(tracer)
        assert processor.force_flush(5_000)
        spans = memory.get_finished_spans()
        assert 50 == len(spans)
        assert {"th:0"} == {span.context.trace_state["ot"] for span in spans}

    def test_without_an_error_aware_sampler_nothing_below_the_heads_threshold_is_claimed(
        self, make: Make, memory: InMemorySpanExporter
    ) -> None:
        tracer, processor = make("keep if error", memory, sampler=ALWAYS_ON)
        fail(tracer)
        assert processor.force_flush(5_000)
        (span,) = memory.get_finished_spans()
        assert not span.context.trace_state

    def test_the_head_samplers_choice_stands_where_no_rule_matches(
        self, make: Make, memory: InMemorySpanExporter
    ) -> None:
        tracer, processor = make(exporter=memory, sampler=ErrorAwareSampler(0.5))
        for _ in range(400):
            tracer.start_span("healthy").end()
        assert processor.force_flush(5_000)
        stats = processor.stats()
        exported = memory.get_finished_spans()
        assert len(exported) == stats.endings["delivered"] == 400 - stats.endings["not_sampled"]
        assert 100 < len(exported) < 300
        assert {"th:8"} == {span.context.trace_state["ot"] for span in exported}
        assert not any(key.startswith("errsample.") for span in exported for key in attributes_of(span))

    def test_beside_another_processor_only_what_that_one_skips_is_exported(
        self, make: Make, memory: InMemorySpanExporter
    ) -> None:
        tracer, processor = make("keep if error", memory, head_sampled=False, sampler=ErrorAwareSampler(0.5))
        for _ in range(100):
            fail(tracer)
        assert processor.force_flush(5_000)
        stats = processor.stats()
        exported = memory.get_finished_spans()
        assert len(exported) == stats.endings["delivered"] == 100 - stats.endings["left_to_head"]
        assert 0 < len(exported) < 100
        assert not any(span.context.trace_flags.sampled for span in exported)
        assert all("th" not in span.context.trace_state.get("ot", "") for span in exported)


class TestCallbacks:
    def test_on_verdict_hears_of_every_error_kept_or_not(self, make: Make, memory: InMemorySpanExporter) -> None:
        verdicts: list[Verdict] = []
        tracer, _ = make("keep 1 per hour if error", memory, on_verdict=verdicts.append)
        fail(tracer)
        fail(tracer)
        tracer.start_span("healthy").end()
        assert [("keep", True), ("suppressed", False)] == [(verdict.action, verdict.kept) for verdict in verdicts]
        assert {"KeyError"} == {verdict.facts.exception for verdict in verdicts}
        assert ["rule_1", "rule_1"] == [verdict.rule for verdict in verdicts]

    def test_enrich_adds_attributes_to_kept_errors(self, make: Make, memory: InMemorySpanExporter) -> None:
        tracer, processor = make(exporter=memory, enrich=lambda span, facts: {"team": "shop", "kind": facts.kind})
        fail(tracer)
        assert processor.force_flush(5_000)
        (span,) = memory.get_finished_spans()
        assert ("shop", "bug") == (attributes_of(span)["team"], attributes_of(span)["kind"])

    @pytest.mark.scenario("A1")
    @pytest.mark.parametrize("argument", ["enrich", "on_verdict"])
    @pytest.mark.parametrize("error", [ValueError, MemoryError, SystemExit, GeneratorExit])
    def test_a_raising_callback_costs_nothing_but_a_count(
        self, make: Make, memory: InMemorySpanExporter, argument: str, error: type[BaseException]
    ) -> None:
        def raising(*args: object) -> None:
            raise error

        tracer, processor = make(exporter=memory, **{argument: raising})
        fail(tracer)
        assert processor.force_flush(5_000)
        assert 1 == len(memory.get_finished_spans())
        assert {argument: 1} == processor.stats().internal_errors

    def test_ctrl_c_inside_a_callback_reaches_the_application(self, make: Make, memory: InMemorySpanExporter) -> None:
        def interrupted(verdict: Verdict) -> None:
            raise KeyboardInterrupt

        tracer, processor = make(exporter=memory, on_verdict=interrupted)
        with pytest.raises(KeyboardInterrupt):  # the interrupt arrives at an instruction after the hook
            fail(tracer)
            for _ in range(1_000):
                pass
        assert {"on_verdict": 1} == processor.stats().internal_errors


class TestLifeCycle:
    def test_nothing_starts_before_the_first_kept_span(self, make: Make, memory: InMemorySpanExporter) -> None:
        tracer, processor = make(exporter=memory)
        tracer.start_span("healthy").end()
        assert "not started" == processor.stats().worker
        fail(tracer)
        assert "running" == processor.stats().worker

    def test_spans_after_shutdown_are_counted_as_such(self, make: Make, memory: InMemorySpanExporter) -> None:
        tracer, processor = make(exporter=memory)
        assert processor.shutdown()
        fail(tracer)
        assert 1 == processor.stats().endings["after_shutdown"]

    def test_a_second_shutdown_gives_the_first_ones_answer(self, make: Make, memory: InMemorySpanExporter) -> None:
        tracer, processor = make(exporter=memory)
        fail(tracer)
        assert processor.shutdown()
        assert processor.shutdown()
        assert 1 == len(memory.get_finished_spans())

    @pytest.mark.parametrize(
        "timeout",
        ["x", None, timedelta(seconds=1), math.nan, 10**400, Decimal(5000)],
        ids=lambda given: type(given).__name__,
    )
    @pytest.mark.parametrize("call", ["force_flush", "shutdown"])
    def test_a_timeout_that_is_no_number_of_the_usual_counts_too(
        self, make: Make, memory: InMemorySpanExporter, call: str, timeout: Any
    ) -> None:
        tracer, processor = make(exporter=memory)
        fail(tracer)
        assert getattr(processor, call)(timeout)
        stats = processor.stats()
        assert (1, {}, 1) == (stats.endings["delivered"], stats.internal_errors, len(memory.get_finished_spans()))
        assert ("stopped" if call == "shutdown" else "running") == stats.worker

    def test_the_provider_flushes_and_shuts_down(self, memory: InMemorySpanExporter) -> None:
        provider = TracerProvider(shutdown_on_exit=False)
        processor = ErrorSpanProcessor(exporter=memory)
        provider.add_span_processor(processor)
        fail(provider.get_tracer("test"))
        assert provider.force_flush(5_000)
        provider.shutdown()
        assert 1 == processor.stats().endings["delivered"]
        assert "stopped" == processor.stats().worker


class TestErrors:
    def test_status_error_without_an_exception_is_an_error(self, make: Make, memory: InMemorySpanExporter) -> None:
        tracer, processor = make(exporter=memory)
        with tracer.start_as_current_span("failing") as span:
            span.set_status(Status(StatusCode.ERROR, "the shelf is empty"))
        assert processor.force_flush(5_000)
        (exported,) = memory.get_finished_spans()
        assert "status" == attributes_of(exported)["errsample.source"]

    def test_a_cancelled_span_is_no_error_and_is_exported_as_the_head_sampler_says(
        self, make: Make, memory: InMemorySpanExporter
    ) -> None:
        calls: list[object] = []
        tracer, processor = make(
            exporter=memory,
            sampler=ErrorAwareSampler(1.0),
            on_verdict=calls.append,
            enrich=lambda span, facts: calls.append(facts),
        )
        with pytest.raises(asyncio.CancelledError), tracer.start_as_current_span("cancelled"):
            raise asyncio.CancelledError
        assert processor.force_flush(5_000)
        (exported,) = memory.get_finished_spans()
        assert {} == dict(attributes_of(exported))
        assert [] == calls
        assert 0 == processor.stats().errors

    @pytest.mark.scenario("A2")
    def test_a_hostile_exception_is_delivered_and_the_application_sees_its_own(
        self, make: Make, memory: InMemorySpanExporter
    ) -> None:
        class Hostile(Exception):
            def __getattribute__(self, name: str) -> Any:
                raise RuntimeError("no")

            def __repr__(self) -> str:
                raise RuntimeError("no")

        tracer, processor = make(exporter=memory)
        error = Hostile()
        span = tracer.start_span("failing")
        span.set_status(StatusCode.ERROR)
        with pytest.raises(Hostile) as caught:  # the span ends while the exception is on its way
            try:
                raise error
            finally:
                span.end()
        assert error is caught.value
        assert processor.force_flush(5_000)
        assert 1 == len(memory.get_finished_spans())
        assert {} == processor.stats().internal_errors
