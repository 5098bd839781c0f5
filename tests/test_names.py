"""One walk over a span's attributes answers what a look-up of each name answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample._hot import asked_of


class Text(str):
    __slots__ = ()


NAMES = (
    "http.response.status_code",
    "http.status_code",
    "rpc.grpc.status_code",
    "rpc.response.status_code",
    "rpc.status_code",
    "db.response.status_code",
    "errsample.keep",
    "errsample.kind",
    "error.type",
    "error.typ",
    "errata",
    "errÿ",
    "err錯",
    "http.route",
    "hé",
    "",
)
VALUES = st.one_of(
    st.sampled_from([True, False, None, 200, 404, 503, 5, 14, "503", "UNAVAILABLE", "x", 10**30, -1]),
    st.text(max_size=3),
)
NO_NAMES, ERROR_TYPE, OTHER_NAMES = range(3)
UNDECIDED, TO_KEEP, TO_DROP = range(3)
NO_RPC = -1


@given(st.dictionaries(st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES).map(Text)), VALUES, max_size=16))
def test_a_walk_and_look_ups_answer_the_same(attributes: dict[str, Any]) -> None:
    walk, looks = asked_of(attributes), asked_of(attributes, by_name=True)
    assert looks[:4] == walk[:4]
    assert walk[4] or "db.response.status_code" not in attributes


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (None, (0, NO_RPC, NO_NAMES, UNDECIDED)),
        ({}, (0, NO_RPC, NO_NAMES, UNDECIDED)),
        ({"http.status_code": 404, "http.response.status_code": 503}, (503, NO_RPC, NO_NAMES, UNDECIDED)),
        ({"http.response.status_code": 503, "http.status_code": 404}, (503, NO_RPC, NO_NAMES, UNDECIDED)),
        ({"rpc.status_code": 5, "rpc.grpc.status_code": 14}, (0, 14, NO_NAMES, UNDECIDED)),
        ({"rpc.grpc.status_code": 14, "rpc.response.status_code": "NOT_FOUND"}, (0, 14, NO_NAMES, UNDECIDED)),
        ({"rpc.status_code": 5, "rpc.response.status_code": "UNAVAILABLE"}, (0, 14, NO_NAMES, UNDECIDED)),
        ({"error.type": "x"}, (0, NO_RPC, ERROR_TYPE, UNDECIDED)),
        ({"errsample.kind": "x", "error.type": "x"}, (0, NO_RPC, OTHER_NAMES, UNDECIDED)),
        ({"errsample.keep": True}, (0, NO_RPC, OTHER_NAMES, TO_KEEP)),
        ({"errsample.keep": False}, (0, NO_RPC, OTHER_NAMES, TO_DROP)),
        ({"errsample.keep": 1}, (0, NO_RPC, OTHER_NAMES, UNDECIDED)),
        ({f"key {number}": 1 for number in range(200)} | {"errsample.keep": True}, (0, NO_RPC, OTHER_NAMES, TO_KEEP)),
    ],
)
def test_what_is_asked(attributes: dict[str, Any] | None, expected: tuple[int, ...]) -> None:
    assert expected == asked_of(attributes)[:4]
