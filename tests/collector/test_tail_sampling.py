"""Rules keep the traces that the Collector's tail_sampling keeps by policies that mean the same."""

from __future__ import annotations

from typing import Final, NamedTuple

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from benchmarks.collector.application import SEED, provider_of
from benchmarks.collector.policies import FEATURE_GATE, RULES, tail_sampling
from benchmarks.collector.run import TAIL_PIPELINES
from benchmarks.collector.traffic import MIX, SeededIds, Shop, Trace
from benchmarks.sides import QUEUE
from otel_errsample import ErrorSpanProcessor, _hot
from otel_errsample.testing.store import unpack
from tests.collector.peers import Collector

TRACES: Final = 2000

Kept = dict[int, list[Span]]
"""The spans that the Collector wrote, by trace id."""


class Outcome(NamedTuple):
    traffic: list[Trace]
    stock: Kept
    ours: Kept


def through(collector: Collector, processor: SpanProcessor, side: str) -> tuple[list[Trace], Kept]:
    ids = SeededIds(SEED)
    provider = provider_of(side, ids)
    provider.add_span_processor(processor)
    traffic = list(Shop(provider.get_tracer("shop"), ids, SEED).traces(TRACES))
    assert processor.force_flush(60_000)
    processor.shutdown()
    collector.terminate()  # it decides about what still waits
    kept: Kept = {}
    for payload in collector.payloads():
        for received in unpack(payload):
            kept.setdefault(int.from_bytes(received.span.trace_id, "big"), []).append(received.span)
    return traffic, kept


@pytest.fixture(scope="module")
def outcome(collector_is_there: None, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    sections = {"processors": {"tail_sampling": tail_sampling()}}
    sampling = Collector(tmp_path_factory.mktemp("tail"), sections, TAIL_PIPELINES, (FEATURE_GATE,))
    with sampling.running():
        exporter = OTLPSpanExporter(sampling.environ()["OTEL_EXPORTER_OTLP_ENDPOINT"])
        traffic, stock = through(sampling, BatchSpanProcessor(exporter, max_queue_size=QUEUE), "stock")
    plain = Collector(tmp_path_factory.mktemp("plain"))
    with plain.running(), pytest.MonkeyPatch.context() as patch:
        for name, value in plain.environ().items():
            patch.setenv(name, value)
        again, ours = through(plain, ErrorSpanProcessor(RULES), "ours")
    assert traffic == again
    return Outcome(traffic, stock, ours)


def test_both_keep_exactly_the_traces_that_are_wanted(outcome: Outcome) -> None:
    wanted = {trace.trace_id for trace in outcome.traffic if trace.wanted}
    assert wanted == set(outcome.stock)
    assert wanted == set(outcome.ours)
    assert {*MIX, "ordinary"} == {trace.kind for trace in outcome.traffic}, "every policy had something to decide"


def test_both_keep_the_same_spans_of_them(outcome: Outcome) -> None:
    for trace in outcome.traffic:
        stock, ours = outcome.stock.get(trace.trace_id, []), outcome.ours.get(trace.trace_id, [])
        assert len(stock) == (trace.spans if trace.wanted else 0)
        assert {span.span_id for span in stock} == {span.span_id for span in ours}
        assert len(stock) == len(ours)


def threshold(span: Span) -> int | None:
    members = dict(entry.split("=", 1) for entry in span.trace_state.split(",") if entry)
    found: int | None = _hot.parse_ot(members["ot"])[0] if "ot" in members else None
    return found


def test_both_say_the_same_of_how_many_a_span_stands_for(outcome: Outcome) -> None:
    stock, ours = (
        {span.span_id: threshold(span) for spans in kept.values() for span in spans}
        for kept in (outcome.stock, outcome.ours)
    )
    assert stock == ours
    assert {0, 15 << 52} == set(stock.values()), "certain ones, and those of the share of 1/16"
