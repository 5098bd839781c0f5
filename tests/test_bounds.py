"""The copy for a user's exporter carries the texts of errors as the wire does: cut to size, stacks in their middle."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Status, StatusCode

from otel_errsample.bounds import bounded_events, bounded_status, without_middle


def event(**texts: Any) -> Event:
    attributes = BoundedAttributes(8, {f"exception.{name}": text for name, text in texts.items()})
    return Event("exception", attributes, 7)


def texts_of(events: Any) -> list[dict[str, Any]]:
    return [dict(event.attributes) for event in events]


def test_short_texts_stay_as_they_are() -> None:
    events = [event(message="m" * 1024, stacktrace="s" * 8192), Event("other", None, 1)]
    assert events is bounded_events(events, None)
    status = Status(StatusCode.ERROR, "d" * 256)
    assert status is bounded_status(status)
    assert bounded_status(Status()).description is None


def test_long_texts_are_cut_and_the_rest_stays() -> None:
    given = event(message="m" * 1025, type="ValueError", stacktrace="s" * 9000)
    (cut,) = bounded_events([given], None)
    texts = dict(cut.attributes or {})
    assert ("m" * 1024, "ValueError") == (texts["exception.message"], texts["exception.type"])
    assert 8192 >= len(str(texts["exception.stacktrace"])) > 8100
    assert (7, "exception") == (cut.timestamp, cut.name)
    assert 9000 == len(given.attributes["exception.stacktrace"])  # type: ignore[index,arg-type]  # shared with others
    status = bounded_status(Status(StatusCode.ERROR, "d" * 257))
    assert (StatusCode.ERROR, "d" * 256) == (status.status_code, status.description)


def test_a_stack_keeps_where_it_began_and_above_all_where_it_ended() -> None:
    lines = "".join(f"line {number}\n" for number in range(5000))
    head, _, rest = without_middle(lines).partition("\n... ")
    marker, _, tail = rest.partition(" ...\n")
    assert lines.startswith(head)
    assert lines.endswith(tail)
    assert f"{len(lines) - len(head) - len(tail)} characters left out" == marker
    assert len(tail) == pytest.approx(3 * len(head), abs=4)


@pytest.mark.parametrize("known", [True, False], ids=["SDK", "other"])
def test_the_stack_of_one_event_alone_is_left_to_another_span(known: bool) -> None:
    first, second = event(message="a", stacktrace="s"), event(message="a", stacktrace="s")
    own: Any = second._attributes
    bare = own._dict if known else {"exception.stacktrace": "s"}
    expected = [{"exception.message": "a", "exception.stacktrace": "s"}] * 2
    if known:
        expected[1] = {"exception.message": "a"}
    assert expected == texts_of(bounded_events([first, second], bare))
