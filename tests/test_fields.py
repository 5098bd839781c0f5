"""Ids, times, counts, enums and flags: clamped or masked to what the wire holds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from tests.spans import PublicContext, hot, make_context, make_span, parse


class Number(int):
    __int__ = __index__ = __and__ = __rand__ = __repr__ = __str__ = None  # type: ignore[assignment]


@pytest.mark.scenario("B2")
@pytest.mark.parametrize("of", [None, PublicContext], ids=["known", "public"])
@pytest.mark.parametrize(
    ("trace_id", "span_id", "expected", "repairs"),
    [
        pytest.param(2**128 - 2, 2**64 - 2, ("f" * 31 + "e", "f" * 15 + "e"), 0, id="largest"),
        pytest.param(2**127, 2**63, ("8" + "0" * 31, "8" + "0" * 15), 0, id="top bit"),
        pytest.param(0, 0, ("0" * 32, "0" * 16), 0, id="zero"),
        pytest.param(None, None, ("0" * 32, "0" * 16), 2, id="none"),
        pytest.param("ab", b"ab", ("0" * 32, "0" * 16), 2, id="text"),
        pytest.param(2**128 + 5, 2**64 + 5, ("0" * 31 + "5", "0" * 15 + "5"), 2, id="too wide"),
        pytest.param(-1, -1, ("f" * 32, "f" * 16), 2, id="negative"),
        pytest.param(Number(2**130 + 6), Number(2**70 + 6), ("0" * 31 + "6", "0" * 15 + "6"), 2, id="subclass"),
    ],
)
def test_ids_are_masked(trace_id: Any, span_id: Any, expected: tuple[str, str], repairs: int, of: Any) -> None:
    context = make_context(trace_id, span_id)
    context = context if of is None else tuple.__new__(of, context)
    field, _, repaired = hot.encode_counted(make_span(context=context))
    span = parse(field)
    assert (expected, repairs) == ((span.trace_id.hex(), span.span_id.hex()), repaired)
    span = parse(hot.encode(make_span(parent=context, links=[Link(context)])))
    assert (expected[1], *expected) == (
        span.parent_span_id.hex(),
        span.links[0].trace_id.hex(),
        span.links[0].span_id.hex(),
    )


@pytest.mark.scenario("B2")
@pytest.mark.parametrize(
    ("time", "expected", "repairs"),
    [
        pytest.param(None, 0, 0, id="none"),
        pytest.param(2**64 - 1, 2**64 - 1, 0, id="largest"),
        pytest.param(2**63, 2**63, 0, id="top bit"),
        pytest.param(2**64, 2**64 - 1, 1, id="too large"),
        pytest.param(2**900, 2**64 - 1, 1, id="far too large"),
        pytest.param(-1, 0, 1, id="negative"),
        pytest.param(-(2**900), 0, 1, id="far too small"),
        pytest.param(Number(7), 7, 0, id="subclass"),
        pytest.param(1.5e18, 1_500_000_000_000_000_000, 1, id="float"),
        pytest.param(-1.5, 0, 1, id="negative float"),
        pytest.param(math.nan, 0, 1, id="nan"),
        pytest.param(math.inf, 2**64 - 1, 1, id="infinite"),
        pytest.param(-math.inf, 0, 1, id="minus infinite"),
        pytest.param("now", 0, 1, id="text"),
    ],
)
def test_times_are_clamped(time: Any, expected: int, repairs: int) -> None:
    event = Event("e", {}, 1)
    event._timestamp = time
    field, _, repaired = hot.encode_counted(make_span(start_time=time, end_time=time, events=[event]))
    span = parse(field)
    found = (span.start_time_unix_nano, span.end_time_unix_nano, span.events[0].time_unix_nano)
    assert ((expected,) * 3, 3 * repairs) == (found, repaired)


@pytest.mark.parametrize(
    ("dropped", "expected"),
    [
        pytest.param(2**32 - 1, 2**32 - 1, id="largest"),
        pytest.param(2**32, 2**32 - 1, id="too large"),
        pytest.param(2**70, 2**32 - 1, id="far too large"),
        pytest.param(-5, 0, id="negative"),
        pytest.param("5", 0, id="text"),
        pytest.param(None, 0, id="none"),
    ],
)
def test_dropped_counts_are_clamped(dropped: Any, expected: int) -> None:
    attributes = BoundedAttributes(8, {"a": 1})
    attributes.dropped = dropped
    span = parse(hot.encode(make_span(attributes=attributes, links=[Link(make_context(), attributes)])))
    assert (expected, expected) == (span.dropped_attributes_count, span.links[0].dropped_attributes_count)


@pytest.mark.scenario("B2")
@pytest.mark.parametrize(
    ("kind", "expected", "repairs"),
    [
        *(pytest.param(kind, kind.value + 1, 0, id=kind.name) for kind in SpanKind),
        pytest.param(None, 0, 0, id="none"),
        pytest.param(2, 0, 1, id="number"),
        pytest.param("SERVER", 0, 1, id="text"),
        pytest.param(StatusCode.ERROR, 0, 1, id="another enum"),
    ],
)
def test_a_kind_that_is_no_member_is_unspecified(kind: Any, expected: int, repairs: int) -> None:
    field, _, repaired = hot.encode_counted(make_span(kind=kind))
    assert (expected, repairs) == (parse(field).kind, repaired)


@pytest.mark.parametrize(
    ("code", "expected", "repairs"),
    [
        *(pytest.param(code, code.value, 0, id=code.name) for code in StatusCode),
        pytest.param(2, 0, 1, id="number"),
        pytest.param("ERROR", 0, 1, id="text"),
    ],
)
def test_a_status_code_that_is_no_member_is_unset(code: Any, expected: int, repairs: int) -> None:
    status = Status()
    status._status_code, status._description = code, b"why"  # type: ignore[assignment]
    field, _, repaired = hot.encode_counted(make_span(status=status))
    span = parse(field)
    assert (expected, "why", repairs + 1) == (span.status.code, span.status.message, repaired)


def test_no_status_is_no_message() -> None:
    assert not parse(hot.encode(make_span(status=None))).HasField("status")
    assert parse(hot.encode(make_span(status=Status()))).HasField("status")


class Unsure:
    def __bool__(self) -> bool:
        raise RuntimeError


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        pytest.param(True, 0x300, id="remote"),
        pytest.param(False, 0x100, id="local"),
        pytest.param(1, 0x300, id="truthy"),
        pytest.param("", 0x100, id="falsy"),
        pytest.param(Unsure(), 0x100, id="raising"),
    ],
)
def test_flags_say_whether_the_parent_is_remote(remote: Any, expected: int) -> None:
    context = make_context(3, 4, remote)
    span = parse(hot.encode(make_span(parent=context, links=[Link(context)])))
    assert (expected, expected) == (span.flags, span.links[0].flags)
    assert 0x100 == parse(hot.encode(make_span())).flags
