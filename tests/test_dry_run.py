"""OTEL_ERRSAMPLE_DRY_RUN: the head sampler alone decides, and every count says what the rules would have done."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode, Tracer

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, Verdict
from otel_errsample.testing import ManualClock
from otel_errsample.testing.transport import CollectingTransport
from tests.spans import SeededIds

RULES = """
health: drop if http.route == "/healthz"
odd:    keep if tenant.id == "odd"
share:  keep 25% if tenant.id == "share"
storm:  keep 2 per second if error
try:    shadow drop if root
"""
NOTE = "errsample.dry_run."


class Run:
    """The same 400 spans through the rules, in earnest or not, beside what the SDK alone would export."""

    def __init__(self, dry_run: bool, **arguments: Any) -> None:
        self.exported, self.by_the_sdk = InMemorySpanExporter(), InMemorySpanExporter()
        self.clock = ManualClock()
        self.processor = ErrorSpanProcessor(
            RULES, self.exported, dry_run=dry_run, clock=self.clock.monotonic_ns, **arguments
        )
        provider = TracerProvider(ErrorAwareSampler(0.25), id_generator=SeededIds(11), shutdown_on_exit=False)
        provider.add_span_processor(self.processor)
        provider.add_span_processor(SimpleSpanProcessor(self.by_the_sdk))
        tracer = provider.get_tracer("test")
        draw = random.Random(3)
        for number in range(400):
            self.clock.advance(0.01)
            end_a_span(tracer, number, draw)
        assert self.processor.force_flush(10_000)
        self.spans = self.exported.get_finished_spans()


def end_a_span(tracer: Tracer, number: int, draw: random.Random) -> None:
    attributes: dict[str, Any] = {"http.route": draw.choice(["/healthz", "/pay", "/buy"])}
    if draw.random() < 0.5:
        attributes["tenant.id"] = draw.choice(["odd", "share"])
    if number % 29 == 0:
        attributes["errsample.keep"] = number % 2 == 0
    with tracer.start_as_current_span(f"s{number}", attributes=attributes) as span:
        if draw.random() < 0.6:
            span.set_status(Status(StatusCode.ERROR, "the shelf is empty"))


@pytest.fixture
def run() -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def make(dry_run: bool = True, **arguments: Any) -> Run:
        made.append(Run(dry_run, **arguments))
        return made[-1]

    yield make
    for one in made:
        one.processor.shutdown(2_000)
        assert one.processor.stats().balanced


def note(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(NOTE + name)


def without_ours(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    ours = ("error.type", "errsample.")
    return {
        key: value for key, value in (attributes or {}).items() if key == "errsample.keep" or not key.startswith(ours)
    }


def shown(span: ReadableSpan) -> tuple[Any, ...]:
    assert span.context is not None
    return (
        span.name,
        span.context.span_id,
        span.context.trace_flags,
        span.context.trace_state.to_header(),
        without_ours(span.attributes),
        span.status.description,
    )


def test_exactly_what_the_head_sampler_alone_exports_is_exported_with_its_trace_state(
    run: Callable[..., Run],
) -> None:
    one = run()
    expected = [shown(span) for span in one.by_the_sdk.get_finished_spans()]
    assert 50 < len(expected) < 200
    assert expected == sorted((shown(span) for span in one.spans), key=lambda each: int(each[0][1:])), "errors go first"
    assert {"ot=th:c"} == {span.context.trace_state.to_header() for span in one.spans if span.context}


def test_over_otlp_nothing_but_the_selection_and_notes_leaves_either() -> None:
    transport = CollectingTransport()
    provider = TracerProvider(ErrorAwareSampler(0.25), id_generator=SeededIds(11), shutdown_on_exit=False)
    processor = ErrorSpanProcessor("keep", transport=transport, dry_run=True)
    by_the_sdk = InMemorySpanExporter()
    provider.add_span_processor(processor)
    provider.add_span_processor(SimpleSpanProcessor(by_the_sdk))
    tracer = provider.get_tracer("test")
    for number in range(200):
        tracer.start_span(f"s{number}").end()
    assert processor.shutdown(10_000)
    sent = [(int.from_bytes(span.span_id, "big"), span.trace_state) for span in transport.spans()]
    expected = by_the_sdk.get_finished_spans()
    assert [(span.context.span_id, span.context.trace_state.to_header()) for span in expected if span.context] == sent


def test_every_exported_span_says_what_would_have_happened_to_it(run: Callable[..., Run]) -> None:
    one = run()
    seen = Counter((note(span, "action"), note(span, "rule"), note(span, "th")) for span in one.spans)
    assert {
        ("drop", "health", None),
        ("keep", "odd", "0"),
        ("keep", "share", "c"),
        ("keep", "storm", None),
        ("suppressed", "storm", None),
        ("head", None, None),
        ("keep", None, "0"),
        ("drop", None, None),
    } == set(seen), "the 25 % of the rule are those of the head sampler, so `share` never samples out here"
    assert any(note(span, "suppressed") for span in one.spans if note(span, "rule") == "storm")
    assert not any(
        key in (span.attributes or {}) for span in one.spans for key in ("errsample.rule", "errsample.suppressed")
    )


def test_the_rules_count_and_spend_as_they_would_in_earnest(run: Callable[..., Run]) -> None:
    earnest, rehearsed = run(dry_run=False).processor.stats(), run().processor.stats()
    assert [rule._replace(bytes=0) for rule in earnest.rules] == list(rehearsed.rules), (
        "nothing is sent on behalf of a rule"
    )
    assert {"drop", "keep", "suppressed", "head", "sampled_out"} == {
        action for action, number in (rehearsed.dry_run or {}).items() if number
    }
    assert 400 == rehearsed.ended == sum((rehearsed.dry_run or {}).values())
    assert earnest.endings["suppressed"] == (rehearsed.dry_run or {})["suppressed"]
    assert earnest.endings["sampled_out"] == (rehearsed.dry_run or {})["sampled_out"]
    assert earnest.endings["dropped_by_rule"] == (rehearsed.dry_run or {})["drop"]
    assert earnest.dry_run is None


def test_the_endings_are_what_really_happened(run: Callable[..., Run]) -> None:
    one = run()
    stats = one.processor.stats()
    assert {"delivered": len(one.spans), "not_sampled": 400 - len(one.spans)} == {
        ending: number for ending, number in stats.endings.items() if number
    }
    assert "dry run, would have been: " in str(stats)
    assert stats.as_dict()["dry_run"] == stats.dry_run


def test_a_verdict_tells_the_decision_and_what_really_happened(run: Callable[..., Run]) -> None:
    verdicts: list[Verdict] = []
    one = run(on_verdict=verdicts.append)
    failed = [span for span in one.spans if span.status.status_code is StatusCode.ERROR]
    assert len(failed) == sum(verdict.kept for verdict in verdicts)
    assert {"suppressed"} < {verdict.action for verdict in verdicts if verdict.kept}
    assert any(verdict.action == "keep" and not verdict.kept for verdict in verdicts)


def test_a_span_that_has_a_name_of_ours_keeps_its_own_value(run: Callable[..., Run]) -> None:
    exported = InMemorySpanExporter()
    processor = ErrorSpanProcessor("keep", exported, dry_run=True)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    provider.get_tracer("test").start_span("s", attributes={NOTE + "action": "mine"}).end()
    assert processor.shutdown(5_000)
    (span,) = exported.get_finished_spans()
    assert ("mine", "rule_1") == (note(span, "action"), note(span, "rule"))


def test_beside_another_processor_nothing_is_exported(run: Callable[..., Run]) -> None:
    one = run(head_sampled=False)
    stats = one.processor.stats()
    assert () == one.spans
    assert 400 == stats.endings["left_to_head"] + stats.endings["not_sampled"]
    assert stats.endings["not_sampled"] == sum((stats.dry_run or {}).values())


def test_metrics_say_by_rule_and_action_what_would_have_happened() -> None:
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    one = Run(True, meter_provider=meters)
    stats = one.processor.stats()
    read: dict[tuple[Any, ...], Any] = {}
    data = reader.get_metrics_data()
    assert data is not None
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        for point in metric.data.data_points:
            attributes = {key: value for key, value in (point.attributes or {}).items() if "component" not in key}
            key = (metric.name, *sorted(attributes.items()))
            read[key] = point.value  # type: ignore[union-attr]
    for action, number in (stats.dry_run or {}).items():
        assert number == read["errsample.dry_run.spans", ("errsample.action", action)]
    for rule in stats.rules:
        dry = ("errsample.dry_run", True)
        assert rule.matched == read["errsample.rule.matched", dry, ("errsample.rule", rule.name)]
        outcome = ("errsample.outcome", "kept")
        assert rule.kept == read["errsample.rule.spans", dry, outcome, ("errsample.rule", rule.name)]
    one.processor.shutdown(2_000)


def test_the_variable_turns_it_on_and_the_line_at_start_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_ERRSAMPLE_DRY_RUN", "true")
    with caplog.at_level(logging.INFO, logger="otel_errsample"):
        processor = ErrorSpanProcessor("keep", transport=CollectingTransport())
    assert "active in a dry run, the head sampler alone decides: rules rule_1" in caplog.text
    assert dict.fromkeys(("head", "keep", "drop", "sampled_out", "suppressed"), 0) == processor.stats().dry_run
    processor.shutdown(100)
