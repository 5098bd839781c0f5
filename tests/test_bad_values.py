"""One bad value costs no other span anything, nor its own span more than the field: 100 of 100 arrive at a receiver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing.receiver import Receiver
from tests.bad_values import BAD, Bad

SPANS = 100
# Something to be read of every field, before the rule that keeps all.
RULES = """
first:  drop if name == "never" or duration > 1e9 or span.kind == "client" and root and endpoint == "never"
second: drop if resource["k"] == "never" or attributes["k"] == "never" or message contains "never" or exception is KeyError
third:  keep 1000 per second by name, endpoint, attributes["k"], kind if error
all:    keep
"""


@pytest.fixture(scope="module", params=["grpc", "http"])
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    with Receiver(request.param) as running:
        yield running


def of(scenario: str) -> list[Any]:
    return [pytest.param(bad, id=name) for name, bad in BAD.items() if bad.scenario == scenario]


def arrive(receiver: Receiver, bad: Bad, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in receiver.environ.items():
        monkeypatch.setenv(name, value)
    before = len(receiver.spans())
    processor = ErrorSpanProcessor(RULES)
    provider = TracerProvider(resource=Resource(bad.resource), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer(*bad.scope)
    for number in range(SPANS):
        if number == SPANS // 2:
            span = tracer.start_span("bad", start_time=bad.start)
            bad.spoil(span)
        else:
            span = tracer.start_span(f"good {number}", start_time=1)
        span.end(3)
    assert processor.shutdown(20_000)
    stats = processor.stats()
    assert (SPANS, SPANS) == (stats.ended, stats.endings["delivered"]), stats
    arrived = receiver.spans()[before:]
    assert SPANS == len(arrived)
    (spoilt,) = [one for one in arrived if not one.span.name.startswith("good")]
    assert bad.expected == bad.shown(spoilt)
    assert SPANS - 1 == len({one.span.name for one in arrived if one.span.name.startswith("good")})


@pytest.mark.scenario("B1")
@pytest.mark.parametrize("bad", of("B1"))
def test_texts_that_are_no_unicode(receiver: Receiver, bad: Bad, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(receiver, bad, monkeypatch)


@pytest.mark.scenario("B2")
@pytest.mark.parametrize("bad", of("B2"))
def test_types_and_numbers_that_otlp_has_no_room_for(
    receiver: Receiver, bad: Bad, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(receiver, bad, monkeypatch)


@pytest.mark.scenario("A2")
@pytest.mark.parametrize("bad", of("A2"))
def test_objects_that_refuse_to_be_read(receiver: Receiver, bad: Bad, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(receiver, bad, monkeypatch)


@pytest.mark.scenario("A8", "B7")
@pytest.mark.parametrize("bad", of("B7"))
def test_what_is_too_large_is_cut(receiver: Receiver, bad: Bad, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(receiver, bad, monkeypatch)


def test_a_span_that_cannot_be_read_as_it_is_keeps_what_was_handled_when_it_started() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(ErrorSpanProcessor("keep", exporter=exporter))
    try:
        raise ValueError("handled before")
    except ValueError:
        span = provider.get_tracer("tests").start_span("cleaning up", attributes={"key": "value"})
        span.set_status(StatusCode.ERROR)
        span._events = 7  # type: ignore[attr-defined]  # of the SDK's class
        span.end()
    provider.force_flush()
    (exported,) = exporter.get_finished_spans()
    assert exported.attributes is not None
    assert "status" == exported.attributes["errsample.source"], "and not the live exception, which is an older one"


def test_a_rule_about_a_resource_that_is_none_does_not_match() -> None:
    exporter = InMemorySpanExporter()
    processor = ErrorSpanProcessor('here: drop if resource["service.name"] exists; rest: keep', exporter=exporter)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    span = provider.get_tracer("tests").start_span("odd")
    span._resource = 7  # type: ignore[attr-defined]  # of the SDK's class
    span.end()
    provider.force_flush()
    assert 1 == len(exporter.get_finished_spans())
    assert not processor.stats().internal_errors
