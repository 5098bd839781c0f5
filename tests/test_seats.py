"""The place of an instance's value answers what its name answers, and nothing where the value is kept elsewhere."""

from __future__ import annotations

import sys

import pytest

from otel_errsample import _hot

ARRAYS = sys.implementation.name == "cpython" and (3, 11) <= sys.version_info < (3, 14)
only_with_arrays = pytest.mark.skipif(not ARRAYS, reason="this Python's instances have no array of values we know")


class Span:
    def __init__(self, name: str, kind: object) -> None:
        self.name = name
        self.kind = kind


class Slotted:
    __slots__ = ("name",)

    def __init__(self) -> None:
        self.name = "checkout"


@only_with_arrays
def test_a_place_found_in_one_instance_holds_in_the_others() -> None:
    name, kind = "checkout", object()
    span = Span(name, kind)
    place = _hot.seat_of(span, kind)
    assert 1 == place
    others = [Span(f"span {number}", object()) for number in range(100)]
    assert [other.kind for other in others] == [_hot.seated(other, place) for other in others]


@only_with_arrays
def test_a_value_that_was_changed_is_read_as_it_is_now() -> None:
    span = Span("checkout", object())
    place = _hot.seat_of(span, span.name)
    span.name = "renamed"
    assert "renamed" == _hot.seated(span, place)


@only_with_arrays
def test_a_deleted_value_is_read_by_its_name() -> None:
    span = Span("checkout", object())
    place = _hot.seat_of(span, span.kind)
    del span.kind
    assert _hot.seated(span, place) is None


@only_with_arrays
def test_an_instance_that_outgrew_its_class_is_read_by_name_or_rightly() -> None:
    span = Span("checkout", object())
    place = _hot.seat_of(span, span.kind)
    for number in range(100):
        setattr(span, f"extra_{number}", number)
    assert _hot.seated(span, place) in (None, span.kind)


def test_an_instance_with_a_dictionary_of_its_own_is_read_by_name_or_rightly() -> None:
    span = Span("checkout", object())
    place = _hot.seat_of(span, span.kind)
    vars(span)["kind"] = other = object()
    assert _hot.seated(span, place) in (None, other)
    span.__dict__ = {"kind": object()}
    assert _hot.seated(span, place) in (None, span.kind)


def test_what_is_held_twice_has_no_place() -> None:
    twice = object()
    assert -1 == _hot.seat_of(Span(twice, twice), twice)  # type: ignore[arg-type]


@pytest.mark.parametrize("owner", [Slotted(), "text", 5, (1, 2), object()], ids=lambda owner: type(owner).__name__)
def test_an_object_without_such_values_has_no_places(owner: object) -> None:
    assert -1 == _hot.seat_of(owner, None)
    assert _hot.seated(owner, -1) is None


@only_with_arrays
def test_every_field_of_the_sdk_has_a_place() -> None:
    """What the benchmarks promise rests on it; an SDK where a field has none is read right, but slower."""
    assert _hot.probe()
    assert [] == [place for place in _hot.seats() if place < 0]
