"""benchmarks/collector: the traffic is what it says, our side keeps the wanted traces of it, and the table tells both."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.collector.__main__ import expected, summary
from benchmarks.collector.application import SEED, provider_of
from benchmarks.collector.policies import POLICIES, RULES, SHARE
from benchmarks.collector.render import markdown
from benchmarks.collector.run import Run
from benchmarks.collector.traffic import MIX, SeededIds, Shop
from otel_errsample import ErrorSpanProcessor, _hot
from otel_errsample.rules import Rules
from otel_errsample.testing import CollectingTransport

TRACES = 1000


def test_every_policy_is_a_rule() -> None:
    assert tuple(policy["name"] for policy in POLICIES) == Rules.parse(RULES).names


def test_the_share_is_the_same_threshold_at_any_precision() -> None:
    assert (1 - SHARE) * 2**56 == _hot.threshold_of(SHARE)


def test_the_same_seed_gives_the_same_traffic_of_every_kind() -> None:
    traffic = expected(TRACES)
    assert traffic == expected(TRACES)
    assert {*MIX, "ordinary"} == {trace.kind for trace in traffic}
    assert not [trace for trace in traffic if trace.kind == "health" and trace.wanted]


def test_our_side_keeps_the_wanted_traces_whole_and_nothing_else() -> None:
    transport, ids = CollectingTransport(), SeededIds(SEED)
    processor = ErrorSpanProcessor(RULES, transport=transport)
    provider = provider_of("ours", ids)
    provider.add_span_processor(processor)
    traffic = list(Shop(provider.get_tracer("shop"), ids, SEED).traces(TRACES))
    assert traffic == expected(TRACES)
    assert processor.shutdown(30_000)
    kept = Counter(int.from_bytes(span.trace_id, "big") for span in transport.spans())
    assert {trace.trace_id: trace.spans for trace in traffic if trace.wanted} == kept


def results(stock: Counter[int]) -> dict[str, Any]:
    traffic = expected(100)
    wanted = Counter({trace.trace_id: trace.spans for trace in traffic if trace.wanted})
    sides = {
        "noop": [Run({"cpu_s": 1.0, "peak_bytes": 1 << 20})],
        "stock": [
            Run({"cpu_s": cpu, "peak_bytes": 4 << 20}, 1.0, 8 << 20, 2 << 20, stock or wanted) for cpu in (5, 7, 6)
        ],
        "ours": [Run({"cpu_s": 2.0, "peak_bytes": 2 << 20}, 0.25, 2 << 20, 1 << 20, wanted)],
    }
    machine = {"date": "2026-01-01", "cores": 2, "processor": "a processor", "python": "3.11.7", "sdk": "1.45.2"}
    return {
        "machine": machine, "traces": 100, "spans": 500, "per_second": 400.0, "wanted": len(wanted),
        "sides": {side: summary(side, runs, traffic) for side, runs in sides.items()},
    }  # fmt: skip


def test_the_table_has_all_sides(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results(Counter())))
    lines = markdown(path).splitlines()
    assert "| CPU of the application, s | 1 | 6 (5 to 7) | 2 |" == lines[2]
    assert "| both, s | 1 | 7 (6 to 8) | 2.25 |" == lines[4]
    assert "| sent to the Collector, MiB |  | 2 | 1 |" == lines[7]
    assert "both kept exactly these" in lines[-1]


@pytest.mark.parametrize(
    "kept", [Counter({1: 1}), Counter({1: 1, **{t.trace_id: 1 for t in expected(100) if t.wanted}})]
)
def test_a_side_that_kept_other_traces_is_called_out(kept: Counter[int], tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results(kept)))
    assert "THEY KEPT OTHERS" in markdown(path)
