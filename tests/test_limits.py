"""Limits: exact budgets, and counts that are handed on once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_errsample import ErrorSpanProcessor, _hot
from otel_errsample.rules import Rules
from tests.model.spans import SECOND, make_span

HOUR = 3600 * SECOND


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def kept_at(text: str, moments: list[int]) -> list[int]:
    clock = Clock()
    table = _hot.RuleTable(Rules.parse(text), _hot.Limits(clock))
    kept = []
    for moment in moments:
        clock.now = moment
        if _hot.verdict(table, make_span())[0] == "keep":
            kept.append(moment)
    return kept


def test_a_bucket_allows_a_burst_of_n_and_then_one_each_nth_of_a_unit() -> None:
    third = SECOND // 3
    moments = [0, 0, 0, 0, third, third + 1, third + 2, 10 * SECOND, 10 * SECOND, 10 * SECOND, 10 * SECOND]
    # A third of a second is 1/3 ns short of a token; the ns after it is not.
    assert [0, 0, 0, third + 1, *[10 * SECOND] * 3] == kept_at("keep 3 per second", moments)


def test_a_bucket_keeps_its_rate_exactly_over_a_day() -> None:
    clock = Clock()
    table = _hot.RuleTable(Rules.parse("keep 7 per hour"), _hot.Limits(clock))
    for minute in range(24 * 60):
        clock.now = minute * 60 * SECOND
        _hot.verdict(table, make_span())
    # Seven saved up, and seven an hour for the 23 h 59 min after the first.
    assert 7 + 7 * 24 - 1 == table.counts()[0]["kept"]


def test_a_window_allows_its_first_n_whenever_it_began() -> None:
    moments = [SECOND - 1, SECOND - 1, SECOND - 1, SECOND, SECOND, SECOND, 2 * SECOND - 1]
    assert [SECOND - 1, SECOND - 1, SECOND, SECOND] == kept_at("keep first 2 per second then 0%", moments)


@pytest.mark.parametrize("action", ["keep 1 per second", "keep first 1 per second then 0%"])
def test_a_clock_that_goes_back_grants_nothing(action: str) -> None:
    assert [5 * SECOND] == kept_at(action, [5 * SECOND, 0, SECOND, 5 * SECOND])


@pytest.mark.parametrize("moment", [2**63, 2**64 - 1])
def test_a_clock_near_its_end_does_not_overflow(moment: int) -> None:
    assert [0, moment] == kept_at("keep 1 per hour", [0, moment, moment])


def test_the_largest_limit_does_not_overflow() -> None:
    text = "keep 1000000 per hour"
    clock = Clock()
    table = _hot.RuleTable(Rules.parse(text), _hot.Limits(clock))
    span = make_span()
    outcomes = [_hot.verdict(table, span)[0] for _ in range(1_000_001)]
    assert (1_000_000, "suppressed") == (outcomes.count("keep"), outcomes[-1])
    clock.now = HOUR // 1_000_000
    assert ["keep", "suppressed"] == [_hot.verdict(table, span)[0] for _ in range(2)]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["keep 2 per second by name", "keep first 2 per second by name then 0%", "keep 1 per minute"]),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, SECOND), st.booleans()), max_size=60),
)
def test_kept_and_carried_and_pending_are_all_that_was_seen(action: str, arrivals: list[tuple[str, int, bool]]) -> None:
    clock = Clock()
    limits = _hot.Limits(clock)
    table = _hot.RuleTable(Rules.parse(action), limits)
    kept = carried = 0
    for name, passed, lost in arrivals:
        clock.now += passed
        verdict = _hot.verdict(table, make_span(name))
        if verdict[0] != "keep":
            continue
        kept += 1
        if lost:
            limits.give_back(verdict[5], verdict[6], verdict[4])
        else:
            carried += verdict[4]
    assert len(arrivals) == kept + carried + sum(limits.pending().values())


def test_a_count_given_back_rides_on_the_next_kept_span_of_its_slot() -> None:
    clock = Clock()
    limits = _hot.Limits(clock)
    table = _hot.RuleTable(Rules.parse("keep 1 per second by name"), limits)

    def carried(name: str) -> int:
        count: int = _hot.verdict(table, make_span(name))[4]
        return count

    assert [0, 0] == [carried("a"), carried("a")]
    clock.now += SECOND
    lost = _hot.verdict(table, make_span("a"))
    assert 1 == lost[4]
    limits.give_back(lost[5], lost[6], lost[4])
    assert 1 == limits_total(limits)
    other = next(name for name in map(str, range(3000)) if _hot.verdict(table, make_span(name))[6] not in (0, lost[6]))
    clock.now += SECOND
    assert [0, 1, 0] == [carried(other), carried("a"), carried("a")]


def limits_total(limits: Any) -> int:
    return sum(limits.pending().values())


def test_a_limit_goes_on_across_a_swap_of_rules_that_leave_it_alone() -> None:
    clock = Clock()
    limits = _hot.Limits(clock)
    before = _hot.RuleTable(Rules.parse("a: keep 1 per hour; "), limits)
    assert ["keep", "suppressed"] == [_hot.verdict(before, make_span())[0] for _ in range(2)]
    same = _hot.RuleTable(Rules.parse('x: drop if name == "x"; a: keep 1 per hour'), limits)
    assert "suppressed" == _hot.verdict(same, make_span())[0]
    other = _hot.RuleTable(Rules.parse("a: keep 2 per hour"), limits)
    assert ("keep", 0) == (_hot.verdict(other, make_span())[0], _hot.verdict(other, make_span())[4])
    clock.now += HOUR
    assert 2 == _hot.verdict(same, make_span())[4]


class Processor(ErrorSpanProcessor):
    def __init__(self, clock: Clock) -> None:
        super().__init__("first: drop", InMemorySpanExporter(), clock=clock)

    def take(self, text: str) -> Any:
        """A table in force, in place of the former one."""
        table = _hot.RuleTable(Rules.parse(text), self.limits, self.tallies)
        self.exchange(table, None)
        return table


def outcomes(table: Any, spans: int) -> list[tuple[str, int]]:
    """Action and carried count of each of that many spans."""
    verdicts = [_hot.verdict(table, make_span(name=f"s{number}")) for number in range(spans)]
    return [(verdict[0], verdict[4]) for verdict in verdicts]


class TestExchange:
    """What was suppressed is never lost: it is carried by a span, or it is told as unreported."""

    def test_a_changed_limit_inherits_what_its_rule_suppressed_in_all_slots(self) -> None:
        clock = Clock()
        processor = Processor(clock)
        limits = processor.limits
        processor.take("a: keep 1 per hour")
        keyed = processor.take("a: keep 1 per hour by name")
        suppressed = [action for action, _ in (*outcomes(keyed, 40), *outcomes(keyed, 40))].count("suppressed")
        assert 40 <= suppressed == limits_total(limits)
        other = processor.take("a: keep first 2 per hour then 0%")
        assert (suppressed, 0) == (limits_total(limits), limits.unreported)
        assert [("keep", suppressed), ("keep", 0), ("suppressed", 0)] == outcomes(other, 3)

    def test_a_rule_without_a_limit_leaves_what_it_suppressed_unreported(self) -> None:
        processor = Processor(Clock())
        limits = processor.limits
        table = processor.take("b: keep 1 per hour if name == 'x'; a: keep 1 per hour")
        outcomes(table, 4)
        processor.take("a: keep")
        assert (0, 3) == (limits_total(limits), limits.unreported)
        assert {} == limits.pending()
        back = processor.take("a: keep 1 per hour")
        assert [("keep", 0)] == outcomes(back, 1)
        assert 3 == limits.unreported

    def test_a_span_that_the_former_table_still_decides_is_counted_for_the_present_one(self) -> None:
        processor = Processor(Clock())
        limits = processor.limits
        former = processor.take("a: keep 1 per hour")
        outcomes(former, 1)
        present = processor.take("a: keep 2 per hour")
        assert [("suppressed", 0)] == outcomes(former, 1)
        assert [("keep", 1)] == outcomes(present, 1)
        processor.take("b: drop")
        assert [("suppressed", 0)] == outcomes(former, 1)
        assert (0, 1) == (limits_total(limits), limits.unreported)

    def test_a_span_that_is_lost_after_the_exchange_gives_back_to_the_present_limit(self) -> None:
        clock = Clock()
        processor = Processor(clock)
        limits = processor.limits
        former = processor.take("a: keep 1 per hour")
        outcomes(former, 3)
        clock.now += HOUR
        lost = _hot.verdict(former, make_span())
        assert 2 == lost[4]
        processor.take("a: keep 2 per hour")
        present = processor.take("a: keep 3 per hour by name")
        limits.give_back(lost[5], lost[6], lost[4])
        assert [("keep", 2)] == outcomes(present, 1)
        processor.take("a: drop")
        limits.give_back(lost[5], lost[6], lost[4])
        assert 2 == limits.unreported

    def test_of_a_limit_that_ended_long_ago_nothing_is_known(self) -> None:
        processor = Processor(Clock())
        limits = processor.limits
        lost = _hot.verdict(processor.take("a: keep 1 per hour"), make_span())
        for count in range(2, 1030):
            processor.take(f"a: keep {count} per hour")
        limits.give_back(lost[5], lost[6], 5)
        assert (0, 5) == (limits_total(limits), limits.unreported)

    def test_limits_of_former_rules_take_no_memory(self) -> None:
        processor = Processor(Clock())
        limits = processor.limits
        for count in range(1, 100):
            processor.take(f"b: keep {count} per hour if root; a: keep {count} per hour by name")
        assert ["b: keep 99 per hour", "a: keep 99 per hour by name"] == list(limits.pending())


def test_limiters_of_tables_that_never_came_into_force_are_bounded() -> None:
    limits = _hot.Limits(Clock())
    first = _hot.RuleTable(Rules.parse("first: keep 1 per hour"), limits)
    assert [("keep", 0), ("suppressed", 0)] == outcomes(first, 2)
    for number in range(3):
        many = "\n".join(f"r{number}_{place}: keep 1 per hour if name == 'x{place}'" for place in range(1000))
        _hot.RuleTable(Rules.parse(many), limits)
    assert 1000 == len(limits.pending())
    assert (0, 1) == (limits_total(limits), limits.unreported)
    assert [("suppressed", 0)] == outcomes(first, 1)


@pytest.mark.parametrize(("limiter", "slot"), [(2**32 - 1, 0), (1, 1), (1, 2**32 - 1)])
def test_what_is_given_back_to_nowhere_is_unreported(limiter: int, slot: int) -> None:
    limits = _hot.Limits(Clock())
    table = _hot.RuleTable(Rules.parse("keep 1 per hour"), limits)
    assert 1 == _hot.verdict(table, make_span())[5]
    limits.give_back(limiter, slot, 7)
    assert (0, 7) == (limits_total(limits), limits.unreported)


def test_a_forked_child_starts_with_full_budgets_and_no_counts() -> None:
    limits = _hot.Limits(Clock())
    table = _hot.RuleTable(Rules.parse("keep 1 per hour"), limits)
    assert ["keep", "suppressed"] == [_hot.verdict(table, make_span())[0] for _ in range(2)]
    limits.give_back(99, 0, 7)
    limits.reset()
    assert (0, 0) == (limits_total(limits), limits.unreported)
    verdict = _hot.verdict(table, make_span())
    assert ("keep", 0) == (verdict[0], verdict[4])


def test_without_a_clock_the_monotonic_one_is_read() -> None:
    table = _hot.RuleTable(Rules.parse("keep 1 per hour"), _hot.Limits())
    assert ["keep", "suppressed"] == [_hot.verdict(table, make_span())[0] for _ in range(2)]
