"""An outage is one line a minute, and says what a person needs to know."""

from __future__ import annotations

import logging
from collections import Counter

import pytest

from otel_errsample.reporter import EVERY, Reporter
from otel_errsample.testing.clock import ManualClock
from otel_errsample.transport import Answer, Outcome


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def reporter(clock: ManualClock) -> Reporter:
    return Reporter(logging.getLogger("otel_errsample"), "127.0.0.1:4317", clock.monotonic)


def test_the_first_failure_is_said_with_endpoint_cause_and_number(
    reporter: Reporter, caplog: pytest.LogCaptureFixture
) -> None:
    reporter.answered(Answer(Outcome.RETRY, cause="UNAVAILABLE", detail="connection refused"), 7)
    (record,) = caplog.records
    assert logging.WARNING == record.levelno
    assert (
        "spans cannot be delivered to 127.0.0.1:4317 (UNAVAILABLE: connection refused); they wait in the buffer and "
        "are sent again; 7 in this request, said at most once a minute"
    ) == record.getMessage()


@pytest.mark.scenario("H7")
def test_a_thousand_failures_in_a_minute_are_one_line_for_each_outcome(
    reporter: Reporter, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(1_000):
        reporter.answered(Answer(Outcome.RETRY, cause="UNAVAILABLE"), 1)
        reporter.answered(Answer(Outcome.FAILED, cause="401"), 1)
        clock.advance(0.01)
    assert 2 == len(caplog.records)
    clock.advance(EVERY)
    reporter.answered(Answer(Outcome.RETRY, cause="UNAVAILABLE"), 1)
    assert 3 == len(caplog.records)


@pytest.mark.parametrize("outcome", list(Outcome), ids=lambda outcome: outcome.name)
def test_every_outcome_has_its_sentence(reporter: Reporter, outcome: Outcome, caplog: pytest.LogCaptureFixture) -> None:
    reporter.answered(Answer(outcome, cause="why"), 3)
    assert "127.0.0.1:4317" in caplog.text
    assert "(why)" in caplog.text


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            Answer(Outcome.ACCEPTED, rejected=2, cause="partial_success"),
            "took a request but rejected some of its spans",
        ),
        (Answer(Outcome.ACCEPTED, cause="partial_success", detail="upgrade"), "warns (partial_success: upgrade)"),
        (Answer(Outcome.ACCEPTED, cause="unreadable_response"), "not as an OTLP receiver does (unreadable_response)"),
    ],
)
def test_an_acknowledgement_with_something_to_it_is_told(
    reporter: Reporter, answer: Answer, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    reporter.answered(answer, 3)
    reporter.answered(answer, 3)
    (record,) = caplog.records
    assert said in record.getMessage()


@pytest.mark.scenario("A4")
def test_spans_that_find_no_room_are_a_line_a_minute_with_how_many_there_were(
    reporter: Reporter, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    reporter.crowded(0)
    assert [] == caplog.messages
    for lost in range(1, 1_001):
        reporter.crowded(lost)
        clock.advance(0.05)
    (said,) = caplog.messages
    assert said.startswith("1 spans found no room in the buffer and were dropped, the least valuable first, while they")
    clock.advance(EVERY)
    reporter.crowded(1_000)
    assert caplog.messages[1].startswith("999 spans found no room")
    clock.advance(EVERY)
    reporter.crowded(1_000)
    assert 2 == len(caplog.messages)
    reporter.restart_in_child()
    reporter.crowded(1_007)
    assert caplog.messages[2].startswith("1007 spans found no room"), "a forked child counts from zero"
    clock.advance(EVERY)
    reporter.restart_in_child()
    reporter.crowded(7)
    assert caplog.messages[3].startswith("7 spans found no room"), "a forked child counts from zero"


def test_a_shutdown_with_losses_is_said(reporter: Reporter, caplog: pytest.LogCaptureFixture) -> None:
    reporter.gave_up(Counter(undelivered=5, delivery_unknown=7, delivered=3))
    assert "shut down with 12 spans undelivered to 127.0.0.1:4317; stats() says which" == caplog.records[0].getMessage()


def test_a_shutdown_says_what_found_no_room_since_it_was_said(
    reporter: Reporter, caplog: pytest.LogCaptureFixture
) -> None:
    reporter.crowded(26)
    reporter.gave_up(Counter(evicted=1_000, buffer_full=27))
    first, last = caplog.messages
    assert first.startswith("26 spans found no room")
    assert last.startswith("1001 spans found no room")


def test_a_shutdown_that_leaves_spans_in_the_spool_says_whose_they_are(
    reporter: Reporter, caplog: pytest.LogCaptureFixture
) -> None:
    reporter.gave_up(Counter(spooled=7))
    assert ["shut down with 7 spans in the spool for the next process to send to 127.0.0.1:4317"] == caplog.messages


def test_a_shutdown_without_losses_is_not_said(reporter: Reporter, caplog: pytest.LogCaptureFixture) -> None:
    reporter.gave_up(Counter(delivered=9, suppressed=4))
    assert [] == caplog.messages


def test_a_receiver_that_quotes_a_secret_does_not_bring_it_into_the_log(
    reporter: Reporter, caplog: pytest.LogCaptureFixture
) -> None:
    reporter.answered(Answer(Outcome.FAILED, cause="401", detail="bad token=q7hunter2X for bob@example.com"), 1)
    assert "(401: bad token=[redacted] for [redacted])" in caplog.text
