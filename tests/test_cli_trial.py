"""A trial is the path: what it says is exported is what an exporter would get."""

from __future__ import annotations

import os
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor
from otel_errsample._hot import encode
from otel_errsample.cli.trial import Trial
from otel_errsample.readable import enriched
from otel_errsample.rules import Rules
from otel_errsample.rules.document import Document, read
from tests.failing import event
from tests.failing import make_span as failing_span
from tests.model.spans import make_span


def trial_of(rules: str, **more: Any) -> Trial:
    return Trial(Document("r", Rules.parse(rules)), **more)


def test_what_is_exported_is_what_a_processor_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "OTEL_BSP_SCHEDULE_DELAY", "1")
    rules = Rules.parse("keep 50% if error; keep if name == 'plain'")
    exporter = InMemorySpanExporter()
    processor = ErrorSpanProcessor(rules, exporter)
    provider = TracerProvider(sampler=ErrorAwareSampler(0.5), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    ended = []
    for number in range(60):
        span: Any = provider.get_tracer("t").start_span("plain" if number % 3 else "failing")
        span.set_status(Status(StatusCode.ERROR if number % 2 else StatusCode.OK))
        span.end()
        ended.append(span._readable_span())
    assert processor.shutdown(20_000)
    trial = Trial(Document("r", rules))
    kept = [(span, trial.end(span)) for span in ended]
    exported = [enriched(span, what.trace_state, what.extra) for span, what in kept if what is not None]
    assert 10 < len(exported) < 60
    assert sorted(map(encode, exporter.get_finished_spans())) == sorted(map(encode, exported))
    assert processor.table.counts() == trial.table.counts()
    assert len(exported) == trial.ledger.endings["delivered"]


def test_limits_count_by_the_end_times_of_the_spans() -> None:
    trial = trial_of("keep 1 per second")
    outcomes = []
    for seconds in (0, 0.5, 1, 1.2, 2):
        kept = trial.end(make_span(seconds=seconds))
        outcomes.append(kept and kept.extra.get("errsample.suppressed", 0))
    assert [0, None, 1, None, 1] == outcomes


def test_a_span_without_an_end_counts_at_the_last_one_known() -> None:
    trial = trial_of("keep 1 per second")
    assert [True, False, False, True] == [
        trial.end(make_span(seconds=seconds)) is not None for seconds in (5, None, 5.5, 6)
    ]


def test_every_span_arrives_so_a_kept_one_stands_for_itself() -> None:
    kept = trial_of("keep").end(make_span(trace_state={"ot": "th:8", "x": "y"}))
    assert kept is not None
    assert "ot=th:0,x=y" == kept.trace_state


def test_a_head_sampler_takes_the_place_of_the_recorded_one() -> None:
    trial = trial_of("head", head=0.25)
    threshold = 3 << 54
    arriving = [trial.arriving(make_span(trace_id=1 << 60 | r)) for r in (0, threshold - 1, threshold)]
    contexts = [span.get_span_context() for span in arriving]
    assert [False, False, True] == [context is not None and context.trace_flags.sampled for context in contexts]
    assert ["", "", "ot=th:c"] == [context.trace_state.to_header() for context in contexts if context]
    assert [False, False, True] == [trial.end(span) is not None for span in arriving]
    assert 2 == trial.ledger.endings["not_sampled"]


def test_without_a_head_sampler_spans_are_as_recorded() -> None:
    span = make_span()
    assert span is trial_of("head").arriving(span)


def test_thousands_of_kept_spans_are_never_too_many() -> None:
    trial = trial_of("keep")
    span = make_span(attributes={"a": "x" * 100_000})
    for _ in range(2_000):
        assert trial.end(span) is not None
    assert {"delivered": 2_000} == {name: count for name, count in trial.ledger.endings.items() if count}


def test_the_bytes_of_a_rule_are_those_of_the_spans_it_kept() -> None:
    trial = trial_of("a: keep if root; b: keep 1 per hour")
    spans = [make_span(), make_span(root=False), make_span(root=False)]
    kept = [trial.end(span) for span in spans]
    sizes = [
        len(encode(span, what.trace_state, dict(what.extra))) for span, what in zip(spans, kept, strict=True) if what
    ]
    assert sizes == [count["bytes"] for count in trial.table.counts()]
    trial.reset()
    assert [0, 0] == [count["bytes"] for count in trial.table.counts()]
    assert trial.end(spans[2]) is not None, "the limit is full again"


def test_what_is_above_a_kept_error_is_pulled_in_and_no_rules_bytes() -> None:
    trial = trial_of("a: keep if error; b: drop")
    failing = failing_span(status="ERROR")
    failing._parent = SpanContext(3, 77, False)
    parent = failing_span(span_id=77)
    other = failing_span(span_id=78)
    kept = [trial.end(span) for span in (failing, parent, other)]
    assert [False, True, None] == [what and what.pulled for what in kept]
    assert kept[0] is not None
    size = len(encode(failing, kept[0].trace_state, dict(kept[0].extra)))
    assert [size, 0] == [count["bytes"] for count in trial.table.counts()]


def test_verdicts_on_errors_are_told() -> None:
    told: list[str] = []
    trial = trial_of("drop", on_verdict=lambda verdict: told.append(verdict.facts.kind))
    trial.end(make_span(attributes={"http.response.status_code": 503}))
    trial.end(make_span())
    assert ["unavailable"] == told


def test_the_settings_and_rows_of_a_file_count() -> None:
    text = """
rules: "a: drop if kind == 'business'"
classify:
  - exception: shop.PaymentError
    kind: business
settings:
  in_app_include: [site_of_tests]
"""
    frames = "".join(
        f'  File "/x/site-packages/{module}/a.py", line 5, in pay\n    x\n' for module in ("site_of_tests", "library")
    )
    stack = f"Traceback (most recent call last):\n{frames}shop.PaymentError: no\n"
    failing = failing_span(events=[event("shop.PaymentError", "no", **{"exception.stacktrace": stack})], status="ERROR")
    trial = Trial(read(text, "r.yaml"))
    assert trial.end(failing) is None
    assert ("a", "default.errors") == trial.rules.names
    facts = trial.classifier.classify_span(failing)
    assert facts is not None
    assert ("business", "site_of_tests.a:pay") == (facts.kind, facts.culprit)
    plain = trial_of("drop").classifier.classify_span(failing)
    assert plain is not None
    assert ("unknown", "library.a:pay") == (plain.kind, plain.culprit)


def test_the_users_own_domains_are_no_third_partys() -> None:
    rules = "rules: 'a: drop if kind in third_party'\n"
    attributes = {"server.address": "pay.shop.example", "http.response.status_code": 503}
    called = make_span(attributes=attributes, kind=SpanKind.CLIENT)
    assert Trial(read(rules, "r.yaml")).end(called) is None
    assert Trial(read(rules + "settings: {internal_domains: [shop.example]}\n", "r.yaml")).end(called) is not None
