"""The Collector's spanmetrics adds up exported spans by their thresholds, and has what the application had."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Status, StatusCode

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor
from otel_errsample.ledger import Stats
from tests.collector.peers import Collector
from tests.waiting import eventually

EACH: Final = 6000
HEAD: Final = 0.25

# spanmetrics counts whole calls: it rounds a weight with a fraction up or down by chance, span by span. At 17 % (1,020
# spans of 5.88 each) that moves the sum by 10 calls (one sigma), a sixth of the hundredth it may be off; at 30 % by 20.
RULES: Final = """
health:  drop if name == "health"
certain: keep if error and name == "certain"
quarter: keep 25% if name == "quarter"
sixth:   keep 17% if name == "sixth"
few:     keep 1% if name == "few"
storm:   keep 5 per second if name == "storm"
rest:    head
"""
STREAMS: Final = ("health", "certain", "quarter", "sixth", "few", "storm", "head")

SECTIONS: Final[dict[str, Any]] = {
    "connectors": {
        "spanmetrics": {
            "histogram": {"disable": True},
            "metrics_flush_interval": "100ms",
            "enable_metrics_sampling_method": True,
        }
    }
}
PIPELINES: Final[dict[str, Any]] = {
    "traces": {"receivers": ["otlp"], "exporters": ["spanmetrics", "file/spans"]},
    "metrics": {"receivers": ["spanmetrics"], "exporters": ["file/metrics"]},
}


class EvenIds(IdGenerator):
    """Trace ids whose randomness is spread evenly for every stream: no estimate is off by chance.

    Multiples of the golden ratio modulo 1, which leave the gaps between any number of them nearly alike.
    """

    def __init__(self) -> None:
        self._number = 0

    def generate_trace_id(self) -> int:
        self._number += 1
        turn = (self._number // len(STREAMS)) * 0x9E3779B97F4A7C
        return self._number << 64 | turn & (1 << 56) - 1

    def generate_span_id(self) -> int:
        return self._number


class Counted(NamedTuple):
    calls: int
    method: str


class Outcome(NamedTuple):
    stats: Stats
    counted: dict[str, Counted]
    """What spanmetrics says, by the span's name."""


def counted(collector: Collector) -> dict[str, Counted]:
    """The last of its reports: its counters are cumulative."""
    reports = collector.payloads("metrics")
    found: dict[str, Counted] = {}
    if not reports:
        return found
    for resource in ExportMetricsServiceRequest.FromString(reports[-1]).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                assert "traces.span.metrics.calls" == metric.name
                for point in metric.sum.data_points:
                    told = {item.key: item.value.string_value for item in point.attributes}
                    assert told["span.name"] not in found, "one name is counted in one way"
                    found[told["span.name"]] = Counted(point.as_int, told["sampling.method"])
    return found


def outcome_of(folder: Path, sections: Mapping[str, Any], pipelines: Mapping[str, Any]) -> Outcome:
    collector = Collector(folder, sections, pipelines)
    with collector.running(), pytest.MonkeyPatch.context() as patch:
        for name, value in collector.environ().items():
            patch.setenv(name, value)
        processor = ErrorSpanProcessor(RULES, scope="span")
        provider = TracerProvider(
            ErrorAwareSampler(HEAD), Resource({"service.name": "shop"}), shutdown_on_exit=False, id_generator=EvenIds()
        )
        provider.add_span_processor(processor)
        tracer = provider.get_tracer("test")
        for number in range(EACH * len(STREAMS)):
            stream = STREAMS[number % len(STREAMS)]
            span = tracer.start_span(stream)
            if stream == "certain":
                span.set_status(Status(StatusCode.ERROR))
            span.end()
        assert processor.force_flush(60_000), processor.stats()
        for _ in range(100):  # a report with some of these has all the others
            tracer.start_span("last", attributes={"errsample.keep": True}).end()
        assert processor.shutdown(60_000), processor.stats()
        assert eventually(lambda: "last" in counted(collector))
        return Outcome(processor.stats(), counted(collector))


@pytest.fixture(scope="module")
def outcome(collector_is_there: None, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return outcome_of(tmp_path_factory.mktemp("spanmetrics"), SECTIONS, PIPELINES)


@pytest.fixture(scope="module")
def sampled_again(collector_is_there: None, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The same with a sampler before spanmetrics that lets a fifth of all traces through, by their randomness."""
    sampler = {"mode": "equalizing", "sampling_percentage": 20}
    sections = {**SECTIONS, "processors": {"probabilistic_sampler": sampler}}
    traces = {**PIPELINES["traces"], "processors": ["probabilistic_sampler"]}
    return outcome_of(tmp_path_factory.mktemp("again"), sections, {**PIPELINES, "traces": traces})


def test_what_is_kept_with_certainty_counts_once(outcome: Outcome) -> None:
    assert Counted(EACH, "extrapolated") == outcome.counted["certain"]


@pytest.mark.parametrize("stream", ["quarter", "sixth", "few", "head"])
def test_what_is_drawn_counts_for_all_there_were(outcome: Outcome, stream: str) -> None:
    calls, method = outcome.counted[stream]
    assert EACH == pytest.approx(calls, rel=0.01)
    assert "extrapolated" == method


def test_what_a_limit_keeps_has_no_threshold_and_counts_once(outcome: Outcome) -> None:
    """spanmetrics does not know errsample.suppressed: only the ledger has the number of them all."""
    (storm,) = [rule for rule in outcome.stats.rules if rule.name == "storm"]
    assert Counted(storm.kept, "counted") == outcome.counted["storm"]
    assert EACH == storm.kept + storm.suppressed
    assert storm.suppressed > 0


def test_what_a_rule_drops_is_in_the_ledger_only(outcome: Outcome) -> None:
    assert EACH == outcome.stats.endings["dropped_by_rule"]
    assert {*STREAMS, "last"} - {"health"} == set(outcome.counted)


@pytest.mark.parametrize("stream", ["certain", "quarter", "sixth", "few", "head"])
def test_a_sampler_of_the_collectors_goes_on_from_the_thresholds(sampled_again: Outcome, stream: str) -> None:
    assert EACH == pytest.approx(sampled_again.counted[stream].calls, rel=0.01)
