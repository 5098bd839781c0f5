"""A walk over a dict meets what PyDict_Next meets, whether it reads the table or leaves it to that."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample._hot import walked

READS_TABLES = sys.implementation.name == "cpython" and (3, 11) <= sys.version_info < (3, 14)

KEYS = st.one_of(st.text(max_size=6), st.integers(0, 9))


class Text(str):
    __slots__ = ()


@given(st.lists(st.tuples(KEYS, st.booleans()), max_size=40))
def test_items_come_in_their_order_with_deleted_ones_left_out(steps: list[tuple[Any, bool]]) -> None:
    items: dict[Any, object] = {}
    for key, stays in steps:
        items[key] = object()
        if not stays:
            del items[key]
    assert list(items.items()) == walked(items)[0]


@pytest.mark.skipif(not READS_TABLES, reason="this Python's tables are not known")
@pytest.mark.parametrize("count", [0, 1, 5, 8, 200, 70_000])
def test_the_table_of_a_dict_of_texts_is_read(count: int) -> None:
    items = {f"key {number}": number for number in range(count)}
    assert (list(items.items()), True) == walked(items)


@pytest.mark.parametrize("key", [1, None, Text("a"), ("a",)], ids=["int", "None", "subclass", "tuple"])
def test_another_dict_is_left_to_python(key: object) -> None:
    items = {"a": 1, key: 2, "b": 3}
    assert (list(items.items()), False) == walked(items)


def test_the_dictionary_of_an_instance_is_left_to_python() -> None:
    class Owner:
        def __init__(self) -> None:
            self.first, self.second = 1, 2

    items = vars(Owner())
    assert {"first": 1, "second": 2} == dict(walked(items)[0])


def test_what_is_no_dict_has_no_items() -> None:
    assert ([], False) == walked([1, 2])
