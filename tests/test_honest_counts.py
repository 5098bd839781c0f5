"""What a backend adds up from exported spans is what the application had: exactly where rules limit, else nearly.

A million spans go through the extension's decision and trace state, a smaller share through sampler, processor and
OTLP. The backend knows only what is exported: it adds a weight, 2**56 / (2**56 - th) or 1 without a th, and
errsample.suppressed. The mistakes that samplers make are made on purpose beside it, to see that the check finds them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import DEFAULT_TRACE_STATE, SpanContext, Status, StatusCode, TraceFlags, TraceState

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, _hot
from otel_errsample.rules import Rules
from otel_errsample.testing import ManualClock
from otel_errsample.testing.transport import CollectingTransport
from tests.model.spans import make_span
from tests.spans import SeededIds

SPANS: Final = 1_000_000
HEAD: Final = 0.25
CERTAIN_LOSS: Final = 1 << 56

RULES: Final = """
health: drop if http.route == "/healthz"
pay:    keep if error and http.route == "/pay"
share:  keep 25% if http.route == "/share"
storm:  keep 20 per second by fingerprint if error and kind in transient
burst:  keep 300 per minute if http.route == "/burst"
rest:   keep first 10 per second by fingerprint then 50% if error
none:   keep first 3 per second by name then 0% if http.route == "/none"
try:    shadow keep 1 per second if http.route == "/head"
"""
LIMITED: Final = ("burst", "none", "storm")
CERTAIN: Final = ("pay",)
ESTIMATED: Final = ("head", "rest", "share")

# A stream's share of the spans; its spans have the route of this name, and are told apart by it.
STREAMS: Final = {"health": 5, "pay": 10, "share": 25, "storm": 15, "burst": 5, "rest": 10, "none": 5, "head": 25}
FAILING: Final = ("pay", "storm", "rest")


class Exported(NamedTuple):
    stream: str
    th: int | None
    suppressed: int
    sampled: bool
    """By the head sampler."""


def weight(th: int | None) -> float:
    return 1.0 if th is None else CERTAIN_LOSS / (CERTAIN_LOSS - th)


# What a backend adds up for one exported span: as it is told, and with the classic mistakes.


def honest(span: Exported) -> float:
    return weight(span.th) + span.suppressed


def promoted_errors_keep_the_heads_threshold(span: Exported) -> float:
    if span.stream in CERTAIN and span.sampled:
        return 1 / HEAD
    return honest(span)


def a_weight_and_a_count_on_one_span(span: Exported) -> float:
    if span.stream in LIMITED and span.sampled:
        return 1 / HEAD + span.suppressed
    return honest(span)


def limits_forget_whom_they_suppressed(span: Exported) -> float:
    return weight(span.th)


MISTAKES: Final[dict[Callable[[Exported], float], tuple[str, ...]]] = {
    promoted_errors_keep_the_heads_threshold: CERTAIN,
    a_weight_and_a_count_on_one_span: LIMITED,
    limits_forget_whom_they_suppressed: LIMITED,
}


@dataclass
class Run:
    seen: Counter[str] = field(default_factory=Counter)
    exported: Counter[Exported] = field(default_factory=Counter)
    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    """Suppressed, and not carried by a kept span yet."""

    def estimates(self, add: Callable[[Exported], float]) -> dict[str, float]:
        sums: dict[str, float] = {stream: float(self.waiting[stream]) for stream in self.seen}
        for span, times in self.exported.items():
            sums[span.stream] += times * add(span)
        return sums


def wrong_streams(run: Run, add: Callable[[Exported], float], tolerance: float = 0.01) -> set[str]:
    """The streams whose number the exported spans do not tell: the check."""
    wrong = set()
    for stream, estimate in run.estimates(add).items():
        exact = stream in LIMITED or stream in CERTAIN
        off = abs(estimate - run.seen[stream])
        if off > (0 if exact else tolerance * run.seen[stream]):
            wrong.add(stream)
    return wrong - {"health"}  # dropped on purpose; the ledger alone knows


def choices(draw: random.Random, count: int) -> Iterable[str]:
    return draw.choices(list(STREAMS), list(STREAMS.values()), k=count)


@pytest.fixture(scope="module")
def million() -> Run:
    """A million spans of 100 seconds, decided and reweighed as on_end does it."""
    assert _hot.probe()
    draw = random.Random(1_000_000)
    now = 0
    limits = _hot.Limits(lambda: now)
    table = _hot.RuleTable(Rules.parse(RULES), limits)
    head = ErrorAwareSampler(HEAD)
    threshold = _hot.threshold_of(HEAD)
    kept_state = head.should_sample(None, CERTAIN_LOSS - 1, "s").trace_state
    pool = {
        stream: [make_span(f"{stream} {n}", attributes={"http.route": f"/{stream}"}) for n in range(10)]
        for stream in STREAMS
    }
    pool["health"] = [make_span(attributes={"http.route": "/healthz"})]
    facts: dict[str, list[Any]] = {stream: [None] for stream in STREAMS}
    for stream in FAILING:
        kind = "timeout" if stream == "storm" else "bug"
        facts[stream] = [_hot.make_facts(kind=kind, fingerprint=f"1-{n:016x}") for n in range(10)]
    weights = {"as_is": 0, "set": 1, "erased": 2}
    said: dict[str | None, int | None] = {}
    run = Run()
    new, flags = tuple.__new__, TraceFlags(1)
    for stream in choices(draw, SPANS):
        now += 100_000
        trace_id = draw.getrandbits(128) or 1
        sampled = trace_id & (CERTAIN_LOSS - 1) >= threshold
        state: TraceState | None = kept_state if sampled else DEFAULT_TRACE_STATE
        spans, failures = pool[stream], facts[stream]
        span = spans[trace_id % len(spans)]
        span._context = new(SpanContext, (trace_id, 1, False, flags, state, True))
        decided = _hot.verdict(table, span, failures[trace_id % len(failures)], sampled)
        action = decided[0]
        run.seen[stream] += 1
        run.endings[stream, action] += 1
        if action == "keep" or (action == "head" and sampled):
            header = _hot.reweigh(state, trace_id & (1 << 64) - 1, weights[decided[2]], decided[3], 0)
            if header is None:
                header = state.to_header() if state else ""
            if header not in said:
                said[header] = _hot.parse_ot(header.removeprefix("ot="))[0]
            run.exported[Exported(stream, said[header], decided[4], sampled)] += 1
    for limiter, count in limits.pending().items():
        run.waiting[limiter.partition(":")[0]] += count
    del run.waiting["try"]  # a shadow's are never carried
    return run


def test_every_stream_is_decided_by_its_rule(million: Run) -> None:
    actions = {stream: {action for named, action in million.endings if named == stream} for stream in STREAMS}
    assert {
        "health": {"drop"},
        "pay": {"keep"},
        "share": {"keep", "sampled_out"},
        "storm": {"keep", "suppressed"},
        "burst": {"keep", "suppressed"},
        "rest": {"keep", "sampled_out"},
        "none": {"keep", "suppressed"},
        "head": {"head"},
    } == actions
    assert SPANS == sum(million.seen.values())


def test_exported_spans_tell_how_many_there_were(million: Run) -> None:
    assert set() == wrong_streams(million, honest)


@pytest.mark.parametrize("stream", LIMITED)
def test_where_rules_limit_kept_and_suppressed_is_exactly_what_was_seen(million: Run, stream: str) -> None:
    kept = million.endings[stream, "keep"]
    carried = sum(span.suppressed * times for span, times in million.exported.items() if span.stream == stream)
    assert million.seen[stream] == kept + carried + million.waiting[stream]
    assert carried > kept, "there was a storm"


@pytest.mark.parametrize("stream", CERTAIN)
def test_what_is_kept_with_certainty_counts_once(million: Run, stream: str) -> None:
    assert million.seen[stream] == million.estimates(honest)[stream]
    assert {0} == {span.th for span in million.exported if span.stream == stream}


@pytest.mark.parametrize("stream", ESTIMATED)
def test_where_rules_draw_weights_estimate_within_one_per_cent(million: Run, stream: str) -> None:
    assert million.estimates(honest)[stream] == pytest.approx(million.seen[stream], rel=0.01)


def test_no_span_says_its_weight_in_two_ways(million: Run) -> None:
    assert not [span for span in million.exported if span.th is not None and span.suppressed]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_the_classic_mistakes_fail_the_check(million: Run, mistake: Callable[[Exported], float]) -> None:
    assert set(MISTAKES[mistake]) == wrong_streams(million, mistake)


def test_errors_with_the_heads_threshold_are_counted_two_minus_p_times(million: Run) -> None:
    counted = million.estimates(promoted_errors_keep_the_heads_threshold)["pay"]
    assert counted / million.seen["pay"] == pytest.approx(2 - HEAD, rel=0.01)


def test_counting_as_suppressed_what_a_percentage_speaks_for_fails_the_check(million: Run) -> None:
    left_out = million.endings["rest", "sampled_out"]
    estimate = million.estimates(honest)["rest"] + left_out
    assert left_out > 10_000
    assert abs(estimate - million.seen["rest"]) > 0.3 * million.seen["rest"]


# Through sampler, processor and OTLP


REAL_SPANS: Final = 40_000


@pytest.fixture(scope="module")
def real() -> Iterator[tuple[Run, ErrorSpanProcessor]]:
    """The same streams and rules, with everything between a span's start and the payload of a request."""
    transport, clock = CollectingTransport(), ManualClock()
    rules = f"{RULES}\nhead: head"
    processor = ErrorSpanProcessor(rules, transport=transport, scope="span", clock=clock.monotonic_ns)
    provider = TracerProvider(ErrorAwareSampler(HEAD), id_generator=SeededIds(40), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    run = Run()
    for number, stream in enumerate(choices(random.Random(5), REAL_SPANS)):
        clock.advance(0.0025)
        route = "/healthz" if stream == "health" else f"/{stream}"
        attributes: dict[str, Any] = {"http.route": route}
        if stream == "storm":
            attributes["error.type"] = "TimeoutError"
        span = tracer.start_span(f"{stream} {number % 10}", attributes=attributes)
        if stream in FAILING:
            span.set_status(Status(StatusCode.ERROR, "failed"))
        span.end()
        run.seen[stream] += 1
    assert processor.shutdown(30_000)
    for sent in transport.spans():
        stream = sent.name.split()[0]
        members = dict(entry.split("=", 1) for entry in sent.trace_state.split(",") if entry)
        th = _hot.parse_ot(members["ot"])[0] if "ot" in members else None
        told = {item.key: item.value.int_value for item in sent.attributes}
        sampled = int.from_bytes(sent.trace_id[-7:], "big") >= _hot.threshold_of(HEAD)
        run.exported[Exported(stream, th, told.get("errsample.suppressed", 0), sampled)] += 1
    for limiter, count in processor.limits.pending().items():
        run.waiting[limiter.partition(":")[0]] += count
    yield run, processor
    assert processor.stats().balanced


def test_the_same_holds_for_what_leaves_over_otlp(real: tuple[Run, ErrorSpanProcessor]) -> None:
    run, _ = real
    # 40,000 spans estimate a stream of 4,000 within 3 per cent, two standard deviations of weights of 2.
    assert set() == wrong_streams(run, honest, tolerance=0.03)
    for stream in (*LIMITED, *CERTAIN):
        assert run.seen[stream] == run.estimates(honest)[stream]
    for mistake, streams in MISTAKES.items():
        assert set(streams) <= wrong_streams(run, mistake, tolerance=0.03)


def test_the_ledger_knows_all_of_it_exactly(real: tuple[Run, ErrorSpanProcessor]) -> None:
    run, processor = real
    stats = processor.stats()
    assert REAL_SPANS == stats.ended
    assert sum(run.seen[stream] for stream in FAILING) == stats.errors
    assert sum(run.exported.values()) == stats.endings["delivered"]
    matched = {rule.name: rule.matched for rule in stats.rules}
    assert {**run.seen, "try": run.seen["head"]} == matched
