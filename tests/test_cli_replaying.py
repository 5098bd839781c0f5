"""What becomes of recorded spans is counted, adds up, and costs no memory however many there are."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from otel_errsample._hot import encode
from otel_errsample.cli.replaying import BAD_LINES_SHOWN, Replay, RuleOutcome
from otel_errsample.rules import Rules
from otel_errsample.rules.document import Document
from tests.failing import event, make_span
from tests.model.spans import SECOND
from tests.recorded import line_of


def replay_of(rules: str, **more: Any) -> Replay:
    return Replay(Document("r", Rules.parse(rules)), **more)


def replayed(rules: str, *lines: str, **more: Any) -> Replay:
    replay = replay_of(rules, **more)
    for number, line in enumerate(lines, 1):
        replay.line("t", number, line.encode())
    return replay


def span_at(moment: float, name: str = "work", failing: bool = False, **more: Any) -> ReadableSpan:
    span = make_span(name=name, status="ERROR" if failing else "UNSET", **more)
    span._start_time, span._end_time = 1, int(moment * SECOND)
    return span


def outcome(name: str, action: str, matched: int = 0, shadow: bool = False, **counts: int) -> RuleOutcome:
    empty = {"kept": 0, "suppressed": 0, "sampled_out": 0, "dropped": 0, "left": 0, "bytes": 0}
    return RuleOutcome(name, action, shadow, matched, **{**empty, **counts})


RULES = """
health: drop if name == "health"
try:    shadow keep 0% if root
few:    keep 1 per second if name == "few"
none:   keep 0% if name == "none"
head:   head if name == "head"
all:    keep if error
"""


def test_every_rule_has_its_counts_and_they_add_up() -> None:
    spans = [
        *(span_at(1, "health") for _ in range(2)),
        *(span_at(1 + number / 10, "few") for number in range(12)),
        *(span_at(1, "none") for _ in range(3)),
        *(span_at(1, "head") for _ in range(4)),
        *(span_at(1, "bad", True, events=[event("ValueError")]) for _ in range(5)),
        *(span_at(1, "rest") for _ in range(6)),
    ]
    replay = replayed(RULES, line_of(*spans[:10]), line_of(*spans[10:]))
    kept = [replay.trial.table.counts()[place]["bytes"] for place in (2, 5)]
    assert [
        outcome("health", "drop", 2, dropped=2),
        outcome("try", "shadow keep 0%", 30, shadow=True, sampled_out=30),
        outcome("few", "keep 1 per second", 12, kept=2, suppressed=10, bytes=kept[0]),
        outcome("none", "keep 0%", 3, sampled_out=3),
        outcome("head", "head", 4, left=4),
        outcome("all", "keep", 5, kept=5, bytes=kept[1]),
    ] == [found for found in replay.outcomes() if found.name != "default.errors"]
    plain = sum(len(encode(span)) for span in spans if span.name in ("head", "rest"))
    assert outcome("", "head", 10, kept=10, bytes=plain) == replay.rest()
    assert (32, 17, {"bug": 5}) == (replay.spans, replay.kept, dict(replay.kinds))
    assert replay.bytes == sum(kept) + plain
    assert replay.recorded_bytes == sum(map(len, map(encode, spans)))
    values = json.loads(json.dumps(replay.as_dict()))
    assert {"delivered": 17, "dropped_by_rule": 2, "suppressed": 10, "sampled_out": 3} == values["endings"]
    assert (True, {}, 5) == (values["balanced"], values["internal_errors"], values["errors"])
    assert values["kept"] == sum(rule["kept"] for rule in values["rules"]) + values["no_rule"]["kept"]


def test_limits_go_by_the_time_of_the_spans_whatever_time_it_is() -> None:
    lines = [line_of(*(span_at(second + part / 10) for part in range(10))) for second in range(1, 6)]
    (limited, *_) = replayed("a: keep 1 per second by name", *lines).outcomes()
    assert (5, 45) == (limited.kept, limited.suppressed)


def test_a_head_sampler_leaves_out_what_no_rule_wants() -> None:
    spans = [span_at(1, span_id=number + 1) for number in range(100)]
    for number, span in enumerate(spans):
        context = span.get_span_context()
        assert context is not None
        span._context = SpanContext(number << 49 | 1 << 100, context.span_id, False, context.trace_flags)
    replay = replayed("a: drop if error", line_of(*spans), head=0.25)
    assert (100, 4) == (replay.rest().matched, replay.kept)
    assert {"delivered": 4, "not_sampled": 96} == replay.as_dict()["endings"]


def test_what_is_above_a_kept_error_is_counted_apart() -> None:
    failing, parent = span_at(1, "query", True), span_at(2, "request", span_id=0x77)
    failing._parent = parent.get_span_context()
    replay = replayed("a: keep if error; b: drop", line_of(parent, failing))
    above = encode(parent, "ot=th:0", {"errsample.rule": "a", "errsample.scope": "path"})
    assert (2, 1, len(above)) == (replay.kept, replay.pulled, replay.pulled_bytes)
    assert [(1, 1, 0), (1, 0, 1)] == [(rule.matched, rule.kept, rule.dropped) for rule in replay.outcomes()[:2]]
    assert (0, 0) == (replay.rest().kept, replay.rest().bytes)
    assert replay.as_dict()["balanced"]


def test_what_the_application_decided_no_rule_did() -> None:
    spans = [span_at(1, attributes={"errsample.keep": keep}) for keep in (True, False, False)]
    replay = replayed("a: drop if root; b: keep", line_of(*spans))
    assert [0, 0] == [rule.matched for rule in replay.outcomes()]
    assert (3, 1) == (replay.rest().matched, replay.rest().kept)
    assert {"delivered": 1, "dropped_by_rule": 2} == replay.as_dict()["endings"]


def test_bad_lines_are_counted_and_cost_no_other() -> None:
    good = line_of(span_at(1), span_at(2))
    half = json.loads(good)
    half["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["flags"] = 1.5
    lines = [good, "{", json.dumps(half), '{"resourceLogs": []}', "[" * 100_000, good]
    replay = replayed("keep", *lines)
    assert (6, 1, 3, 4) == (replay.lines, replay.empty_lines, replay.bad_lines, replay.spans)
    assert [
        "t:2:2: expecting property name enclosed in double quotes",
        "t:3: resourceSpans[0].scopeSpans[0].spans[1].flags is expected to be a whole number from 0 to 4294967295, got 1.5",
        "t:5:1: brackets are nested too deeply",
    ] == replay.bad
    replay.line("t", 7, b"\xff")
    replay.line("t", 8, None)
    assert [
        "t:7:1: is expected to be UTF-8, got the byte 0xff",
        "t:8: a line is expected to have at most 33554432 bytes",
    ] == replay.bad[3:]
    replay.line("t", 9, b"{")
    assert (BAD_LINES_SHOWN, 6) == (len(replay.bad), replay.bad_lines)


LINE = line_of(span_at(1, failing=True, events=[event("ValueError", "no")], attributes={"a.b": 5})).encode()
pieces = st.one_of(
    st.sampled_from([b"{", b"]", b'"', b"\x00", b"1e999", b"-", b"null", b"\xed\xa0\x80", b"[" * 5000]),
    st.binary(max_size=5),
)


@given(st.lists(st.tuples(st.integers(0, len(LINE)), st.integers(0, 20), pieces), max_size=4))
def test_no_line_can_stop_a_replay(changes: list[tuple[int, int, bytes]]) -> None:
    data = LINE
    for at, length, piece in changes:
        data = data[:at] + piece + data[at + length :]
    replay = replay_of("a: drop if a.b > 3; b: keep 1 per second by name")
    replay.line("t", 1, data)
    values = replay.as_dict()
    assert values["balanced"]
    assert 1 == values["bad_lines"]["count"] + values["lines_without_spans"] + (values["spans"] > 0)
    assert {} == values["internal_errors"]


@pytest.mark.parametrize("rules", ["keep 1 per second by fingerprint, name if error; drop if not error", "keep"])
def test_memory_does_not_grow_with_the_recording(rules: str) -> None:
    spans = [span_at(1, "NAME", failing, attributes={"a.b": "x" * 2000}, span_id=0xA0) for failing in (True, False) * 5]
    line = line_of(*spans)
    replay = replay_of(rules)
    tracemalloc.start()
    try:
        for number in range(1000):
            ids = f'"spanId": "{number:016x}"'
            data = line.replace('"spanId": "00000000000000a0"', ids).replace("NAME", f"name {number}").encode()
            replay.line("t", number, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (10_000, 5_000) == (replay.spans, replay.trial.ledger.errors)
    assert replay.recorded_bytes > 20_000_000
    assert peak < 4_000_000
