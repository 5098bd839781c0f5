"""Strings: UTF-8 of any text, surrogates replaced one by one, cuts between characters, nothing left behind."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import Status, StatusCode

from tests.spans import hot, make_span, parse


def repaired(text: str) -> str:
    return "".join("\N{REPLACEMENT CHARACTER}" if 0xD800 <= ord(c) < 0xE000 else c for c in text)


def written(value: Any, cap: int = 1 << 21) -> str:
    return parse(hot.encode(make_span(attributes={"k": value}), cap=cap)).attributes[0].value.string_value


@settings(deadline=None)
@given(st.text(st.characters(categories=None) | st.characters(categories=["Cs"]), max_size=300))
def test_any_text_is_written_as_utf8_with_a_replacement_for_each_lone_surrogate(text: str) -> None:
    field, _, repairs = hot.encode_counted(make_span(attributes={"k": text}))
    expected = repaired(text)
    assert (expected, int(expected != text)) == (parse(field).attributes[0].value.string_value, repairs)


@pytest.mark.scenario("B1")
@pytest.mark.parametrize("where", ["name", "key", "description", "nested"])
def test_surrogates_are_repaired_wherever_text_stands(where: str) -> None:
    bad = "a\ud83d\ude00z"
    span = {
        "name": make_span(bad),
        "key": make_span(attributes={bad: 1}),
        "description": make_span(status=Status(StatusCode.ERROR, bad)),
        "nested": make_span(attributes={"k": [{bad: 1}]}),
    }[where]
    field, _, repairs = hot.encode_counted(span)
    parsed = parse(field)
    texts = [parsed.name, parsed.status.message]
    for attribute in parsed.attributes:
        texts += [attribute.key, *(item.kvlist_value.values[0].key for item in attribute.value.array_value.values)]
    assert 1 == repairs
    assert "a\ufffd\ufffdz" in texts


@settings(deadline=None)
@given(st.text(st.sampled_from("xé€\N{PILE OF POO}\udc00"), min_size=1, max_size=9), st.integers(1020, 1040))
def test_a_cut_text_is_the_longest_head_within_the_limit(pattern: str, length: int) -> None:
    text = (pattern * length)[:length]
    head = written(text, cap=4096) if len(text.encode(errors="surrogatepass")) > 4096 else None
    if head is None:
        # Too short to overflow the cap alone: a neighbour that is cut too brings it to the same level.
        span = make_span(attributes={"k": text, "other": "o" * 5000})
        head = parse(hot.encode(span, cap=4096)).attributes[0].value.string_value
    expected = repaired(text)
    assert expected.startswith(head)
    rest = expected[len(head) :]
    assert len(head.encode()) <= 1024
    assert not rest or len((head + rest[0]).encode()) > 1024


@pytest.mark.parametrize("text", ["é" * 100, "€" * 100, "\N{PILE OF POO}" * 100], ids=["latin", "bmp", "astral"])
def test_no_utf8_copy_stays_behind_on_the_users_string(text: str) -> None:
    text = text[:-1]
    before = sys.getsizeof(text)
    written(text)
    assert before == sys.getsizeof(text)


class Text(str):
    """A str whose methods are not to be called."""

    def __str__(self) -> str:
        raise RuntimeError

    encode = __repr__ = __len__ = __getitem__ = __iter__ = __str__  # type: ignore[assignment]


@pytest.mark.parametrize("text", ["ascii", "é", "€", "\N{PILE OF POO}", "x" * 9000, "€" * 9000])
def test_a_subclass_of_str_is_read_by_its_base_type(text: str) -> None:
    assert str.__str__(text)[: 1024 if text[0] == "x" else 341] == written(Text(text), cap=4096)
    assert text == written(Text(text))


class Odd(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)


class Evil(metaclass=Odd):
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __hash__(self) -> int:
        return 7


Moduleless = type("Moduleless", (), {"__module__": 5})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(b"GET /caf\xc3\xa9 \xff", "GET /café \ufffd", id="bytes"),
        pytest.param(b"x" * 100_000, "x" * 65_536, id="long bytes"),
        pytest.param(5, "5", id="int"),
        pytest.param(2**5000, "<builtins.int>", id="huge int"),
        pytest.param(1.5, "<builtins.float>", id="float"),
        pytest.param(object(), "<builtins.object>", id="object"),
        pytest.param(Evil(), "<tests.test_utf8.Evil>", id="hostile class"),
        pytest.param(Moduleless(), "<?.Moduleless>", id="module that is no str"),
        pytest.param(type("C" * 500, (), {"__module__": "m" * 500})(), f"<{'m' * 128}.{'C' * 128}>", id="long names"),
    ],
)
def test_a_name_of_another_type_becomes_text(name: Any, expected: str) -> None:
    field, _, repairs = hot.encode_counted(make_span(name))
    assert (expected, 1) == (parse(field).name, repairs)


def test_the_interpreters_limit_on_decimal_text_is_no_obstacle() -> None:
    digits = sys.get_int_max_str_digits() if hasattr(sys, "get_int_max_str_digits") else 0
    if not digits:
        pytest.skip("this interpreter has no such limit")
    sys.set_int_max_str_digits(640)
    try:
        assert "<builtins.int>" == written(2**4000)
        assert str(2**2000) == written(2**2000)
    finally:
        sys.set_int_max_str_digits(digits)


def test_none_and_empty_are_not_written() -> None:
    assert hot.encode(make_span(None)) == hot.encode(make_span(""))
    assert not parse(hot.encode(make_span(None))).name
