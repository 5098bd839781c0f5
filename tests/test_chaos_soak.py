"""The soak: a short one passes, and each kind of loss, repetition and growth is a violation."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from chaos.render import surroundings
from chaos.soak import render
from chaos.soak.__main__ import soak, table
from chaos.soak.books import Book, Identity, Kind, books, identity
from chaos.soak.endpoints import Arrivals
from chaos.soak.said import Said
from chaos.soak.traffic import IDENTITY
from chaos.soak.verdict import MOST_GROWTH, judge
from otel_errsample.ledger import ENDINGS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, and kills what it forked")

NEW = Identity(1, 0, Kind.NEW, 1)
REPEATED = Identity(1, 0, Kind.REPEATED, 1)


def run(directory: Path, *arrived: Identity, **more: Any) -> Any:
    """A soak that is over: one process ended a new error and a repeated one."""
    book = Book.claim(directory)
    book.ended(0, Kind.NEW)
    book.ended(0, Kind.REPEATED)
    arrivals = Arrivals()
    arrivals.times.update(arrived)
    return SimpleNamespace(directory=directory, arrivals=arrivals, faults=[], troubles=Counter(), **more)


def say(
    directory: Path,
    *,
    process: int = 1,
    at: float = 0.0,
    rss: int = 0,
    state: str = "closed",
    rules: str = "rules.yaml",
    faults: tuple[str, ...] = (),
    **endings: int,
) -> None:
    line = {
        "name": "steady", "pid": 7, "final": True, "at": at, "ended_here": 2, "rss": rss, "threads": 1, "files": 1,
        "faults": list(faults), "endings": {**dict.fromkeys(ENDINGS, 0), **endings}, "recovered": 0,
        "spool": {"state": state, "overwritten": 0}, "rules_source": rules,
    }  # fmt: skip
    Said(process, line).write(directory)


@pytest.mark.scenario("J2")
def test_a_short_soak_accounts_for_every_span(tmp_path: Path) -> None:
    running, verdict = soak(tmp_path, 6.0, 11)
    assert [] == verdict.faults
    assert 0 < verdict.arrived["NEW"] <= verdict.ended["NEW"]
    assert verdict.looks > 4
    assert running.troubles.total() > 0
    assert f"{verdict.processes} processes" in table(running, verdict)


def test_an_id_says_whose_span_it_is_and_a_book_how_many_ended(tmp_path: Path) -> None:
    assert NEW == identity(NEW.as_span_id())
    with pytest.raises(ValueError):
        identity(0)
    first, second = Book.claim(tmp_path), Book.claim(tmp_path)
    second.ended(3, Kind.STORM)
    second.ended(3, Kind.STORM)
    assert (1, 2) == (first.process, second.process)
    assert {1: 0, 2: 2} == {book.process: book.total for book in books(tmp_path)}
    assert [Identity(2, 3, Kind.STORM, 2)] == [one for book in books(tmp_path) for one in book.last()]


def test_what_arrived_or_was_counted_is_no_violation(tmp_path: Path) -> None:
    over = run(tmp_path, NEW)
    say(tmp_path, rejected=1, delivered=1)
    assert [] == judge(over, []).faults


def test_a_new_error_that_is_missing_is_a_violation_even_if_counted(tmp_path: Path) -> None:
    over = run(tmp_path, REPEATED)
    say(tmp_path, evicted=1)
    (fault,) = judge(over, []).faults
    assert "1 errors of new fingerprints are lost" in fault


def test_a_new_error_may_be_given_up_at_the_end_where_there_was_no_room_for_a_spool(tmp_path: Path) -> None:
    over = run(tmp_path, REPEATED)
    say(tmp_path, state="no file can be made in it", undelivered=1)
    assert [] == judge(over, []).faults


def test_another_error_that_is_missing_and_not_counted_is_a_violation(tmp_path: Path) -> None:
    over = run(tmp_path, NEW)
    say(tmp_path, suppressed=1, delivered=1)
    (fault,) = judge(over, []).faults
    assert "1 errors have not arrived, 0 are counted as lost" in fault


def test_the_default_rules_may_suppress_what_was_seen_before(tmp_path: Path) -> None:
    over = run(tmp_path, NEW)
    say(tmp_path, rules="default", suppressed=1)
    assert [] == judge(over, []).faults


def test_an_error_that_was_left_to_others_is_counted_by_whoever_adopted_it(tmp_path: Path) -> None:
    over = run(tmp_path, NEW)
    say(tmp_path, spooled=1)
    (fault,) = judge(over, []).faults
    assert "1 errors that processes left to others have not arrived, 0 are counted as lost" == fault
    Book.claim(tmp_path)
    say(tmp_path, process=2, evicted=1)
    assert [] == judge(over, []).faults


def request(*spans: Identity) -> bytes:
    message = ExportTraceServiceRequest()
    added = message.resource_spans.add().scope_spans.add().spans
    for one in spans:
        span = added.add(span_id=one.as_span_id().to_bytes(8, "big"))
        span.attributes.add(key=IDENTITY).value.int_value = one.as_span_id()
    return bytes(message.SerializeToString())


def test_a_request_that_comes_again_without_a_reason_is_a_violation(tmp_path: Path) -> None:
    over = run(tmp_path)
    say(tmp_path)
    for answered in (True, True, False):
        over.arrivals.take(request(NEW, REPEATED), answered)
    assert (4, {1, 2}) == (over.arrivals.times.total() - 2, over.arrivals.repeated)
    over.arrivals.unanswered = 0
    (fault,) = judge(over, []).faults
    assert "2 requests came again, 1 were interrupted" == fault
    over.troubles["SIGKILL"] = 1
    assert [] == judge(over, []).faults


def test_a_span_of_nobody_or_with_the_content_of_another_is_a_violation() -> None:
    arrivals = Arrivals()
    swapped = ExportTraceServiceRequest.FromString(request(NEW, REPEATED))
    first, second = swapped.resource_spans[0].scope_spans[0].spans
    first.span_id, second.span_id = second.span_id, bytes(8)
    arrivals.take(swapped.SerializeToString(), True)
    assert 1 == sum("of nobody" in fault for fault in arrivals.faults)
    assert 2 == sum("with the attributes of" in fault for fault in arrivals.faults)


def test_what_a_process_found_in_its_books_is_a_violation(tmp_path: Path) -> None:
    over = run(tmp_path, NEW, REPEATED)
    say(tmp_path, faults=("the books do not balance",))
    assert ["steady 1: the books do not balance"] == judge(over, []).faults


def test_the_table_has_the_last_run_of_each_seed(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    run = {
        "minutes": 10.0, "with": surroundings(), "troubles": {"reset": 3, "SIGKILL": 4}, "processes": 30, "looks": 999,
        "ended": {"NEW": 20, "STORM": 80}, "arrived": {"NEW": 20, "STORM": 5}, "recovered": 6, "repeated": 1,
        "most_repeated": 8, "memory": [41 << 20, 42 << 20], "faults": [],
    }  # fmt: skip
    for seed, faults in ((7, ["lost"]), (3, []), (7, [])):
        render.add({**run, "seed": seed, "faults": faults}, path)
    rows = render.markdown(path).splitlines()[2:4]
    cells = " | 10 | 7 | 30 | 999 | 100 | 20 of 20 | 6 | 1 of 8 | 41 42 | 0 |"
    assert [f"| 3{cells}", f"| 7{cells}"] == rows


@pytest.mark.parametrize(("grown", "violations"), [(0, 0), (MOST_GROWTH, 0), (MOST_GROWTH + 1, 1)])
def test_memory_that_is_more_in_the_last_calms_than_in_the_first_is_a_violation(
    tmp_path: Path, grown: int, violations: int
) -> None:
    over = run(tmp_path, NEW, REPEATED)
    for second in range(8):
        say(tmp_path, at=float(second), rss=(1 << 20) + grown * (second > 4))
    assert violations == len(judge(over, [(second - 0.1, second + 0.1) for second in range(8)]).faults)
