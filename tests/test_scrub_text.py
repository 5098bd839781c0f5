"""Which parts of a text are secrets, and that any text takes linear time and answers the same again."""

from __future__ import annotations

import textwrap
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample._hot import scrub_stack, scrub_text
from tests.secrets import ORDINARY, TEMPLATES, Planted, planted

PLANTED = planted(2 * len(TEMPLATES))


def test_the_corpora_have_the_size_they_are_known_for() -> None:
    assert 200 <= len(ORDINARY) == len(set(ORDINARY))
    assert 200 <= len({case.text for case in PLANTED})
    assert all(case.secrets for case in PLANTED)


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.expected[:40])
def test_a_planted_secret_is_taken_out_and_nothing_else(case: Planted) -> None:
    text, found = scrub_text(case.text)
    assert case.expected == text
    assert found >= 1
    assert not [secret for secret in case.secrets if secret in text]


@pytest.mark.parametrize("message", ORDINARY, ids=lambda message: message[:40])
def test_an_ordinary_message_stays_the_same_object(message: str) -> None:
    assert (message, 0) == scrub_text(message)
    assert scrub_text(message)[0] is message


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.expected[:40])
def test_what_was_cleaned_has_nothing_left_to_clean(case: Planted) -> None:
    once, _ = scrub_text(case.text)
    assert (once, 0) == scrub_text(once)


@pytest.mark.parametrize("case", PLANTED[: len(TEMPLATES)], ids=lambda case: case.expected[:40])
def test_a_secret_is_found_between_other_words_in_any_width_of_characters(case: Planted) -> None:
    for before, after in (("failed: ", "\nnext line"), ("é ", "\nà"), ("支払い ", "\n支"), ("🔥 ", "\n🔥")):
        text, _ = scrub_text(before + case.text + after)
        assert not [secret for secret in case.secrets if secret in text]
        assert text.startswith(before)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-----BEGIN RS\n\npassword=q7hunter2X\n\n PRIVATE KEY-----", "password=[redacted]"),
        ("bob@shop.example:q7hunter2X@db", "[redacted]@db"),
        ("mongodb://bob:q7pw:hunter2X@db", "mongodb://[redacted]@db"),
        ("mongodb://bob:token:q7hunter2X@db", "mongodb://[redacted]@db"),
        ("Basic password=o!", "Basic password=[redacted]!"),
        ("://bob:q7>hunter2X:pw@host", "[redacted]@host"),
        ("bob@shop.example:8080", "[redacted]:8080"),
        ("bob@shop.example:/srv/a@b", "[redacted]:/srv/a@b"),
    ],
    ids=["in the label of a key", "after an address", "with a colon", "after a name", "no padding", "with a bracket", "port", "path"],
)  # fmt: skip
def test_what_stands_before_a_secret_does_not_hide_it(text: str, expected: str) -> None:
    cleaned, found = scrub_text(text)
    assert expected in cleaned
    assert "hunter2X" not in cleaned
    assert found
    assert (cleaned, 0) == scrub_text(cleaned)


def of_schema(message: str, name: str, value: str) -> str:
    return (
        f"jsonschema.exceptions.ValidationError: {message}\n\n"
        f"Failed validating 'x' in schema['properties'][{name!r}]:\n    {{'x': 3}}\n\n"
        f"On instance[{name!r}]:\n    {value}\n"
    )


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("'q7hunter' is too short", "user"),
        ("'user' is a required property", "credentials"),
        ("Additional properties are not allowed ('note' was unexpected)", "credentials"),
        ("False schema does not allow it", "password"),
    ],
    ids=["another name", "missing", "too many", "nothing quoted"],
)
def test_of_a_schema_that_failed_only_the_values_of_secret_names_go(message: str, name: str) -> None:
    text = of_schema(message, name, "None")
    assert (text, 0) == scrub_text(text)


def test_of_a_schema_that_failed_a_value_of_several_lines_goes_whole() -> None:
    cleaned, found = scrub_text(of_schema("'q7 hunter' is too short", "token", "('q7 '\n     'hunter')"))
    assert 2 == found
    assert cleaned.endswith("On instance['token']:\n    ([redacted])\n")


@pytest.mark.parametrize("before", ["", "jsonschema.exceptions.ValidationError: ", "can't be: ", "400 é: "])
def test_of_a_schema_that_failed_words_before_the_value_do_not_hide_it(before: str) -> None:
    text = of_schema("'q7hunter' is too short", "password", "'q7hunter'").partition(": ")[2]
    assert before + text.replace("q7hunter", "[redacted]") == scrub_text(before + text)[0]


def test_of_a_schema_that_failed_the_names_above_the_last_one_count() -> None:
    text = of_schema("'q7hunter' is too short", "password", "'q7hunter'").replace("']:", "'][0]['part']:")
    assert text.replace("q7hunter", "[redacted]") == scrub_text(text)[0]


@pytest.mark.parametrize("value", ["'q7:hunter'", '"q7\'hunter"', "['q7', 'hunter']", "{'q7': 'hunter'}", "7007"])
def test_of_a_schema_that_failed_the_value_goes_where_it_is_quoted_first_too(value: str) -> None:
    text = of_schema(f"{value} is not one of ['a', 'b']", "password", value)
    cleaned, found = scrub_text(text)
    assert 2 == found
    assert not [part for part in ("q7", "hunter", "7007") if part in cleaned]
    assert " is not one of ['a', 'b']\n" in cleaned
    assert (cleaned, 0) == scrub_text(cleaned)
    stack = f'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\n{text}'
    assert stack.replace(text, cleaned) == scrub_stack(stack)[0]
    in_group = textwrap.indent(text, "  | ", lambda line: True)
    assert textwrap.indent(cleaned, "  | ", lambda line: True) == scrub_text(in_group)[0]


def longest_common(secret: str, text: str) -> int:
    return next(size for size in range(len(secret), -1, -1) if any(
        secret[at:at + size] in text for at in range(len(secret) - size + 1)
    ))  # fmt: skip


@pytest.mark.parametrize("case", PLANTED[: len(TEMPLATES)], ids=lambda case: case.expected[:40])
def test_a_text_that_someone_cut_inside_a_secret_leaves_no_useful_part_of_it(case: Planted) -> None:
    """SpanLimits cut at any character; only what is too short to tell from a word may stay."""
    for secret in case.secrets:
        if secret not in case.text or "@" in case.text or "entry" in case.text:
            continue  # the `@` after an address, or the words after a value, are what it is known by
        end = case.text.index(secret) + len(secret) - len(secret) // 4
        text, _ = scrub_text(case.text[:end])
        assert 8 >= longest_common(secret[4:], text), text


def test_a_userinfo_cut_before_its_host_is_still_one() -> None:
    assert "postgresql://[redacted]" == scrub_text("postgresql://app:q7hunter")[0]
    assert "redis://[redacted]" == scrub_text("redis://:correcthor")[0]
    assert "http://host:8080" == scrub_text("http://host:8080")[0]


def test_a_text_is_looked_at_up_to_49152_characters_and_cut_there_at_a_blank() -> None:
    text = "word " * 20_000
    cleaned, found = scrub_text(text)
    assert 0 == found
    head, _, note = cleaned.rpartition("\n")
    assert text.startswith(head)
    assert 49_152 - 256 <= len(head) <= 49_152
    assert f"... {len(text) - len(head)} characters left out ..." == note
    assert head.endswith(" ")


def test_what_lies_across_the_cut_is_left_out_whole() -> None:
    secret = "q7hunter2" * 4
    text = "x " * 24_568 + f"password={secret} " + "y" * 100_000
    assert "q7" not in scrub_text(text)[0]


def test_behind_256_secrets_the_rest_is_left_out() -> None:
    cleaned, found = scrub_text("token=q7 " * 300)
    assert 257 == found
    assert "q7" not in cleaned
    assert 257 == cleaned.count("[redacted]")


@given(st.text(st.sampled_from("=:@_-.,'\"\\ ([{}])<>/&;\npasswordtokenAKIABearerghp_eyJ0123é🔥"), max_size=200))
def test_any_text_is_survived_and_its_cleaned_form_is_of_pieces_of_it(text: str) -> None:
    cleaned, found = scrub_text(text)
    assert (found == 0) == (cleaned == text)
    at = 0
    for piece in cleaned.split("[redacted]"):
        if "[redacted]" not in text:
            at = text.index(piece, at) + len(piece)


@pytest.mark.parametrize(
    "unit",
    ["token:", "token: '", "password='", "@", "a@", "u:p@", "://", "--password ", "-----BEGIN ", "eyJ", "key=(", "[",
     "cookie:", 'input "x": "', "Key (", "'a', ", "Failing row contains (", "ghp_", "\\", "password: [", "A", "b",
     "pwd=[\\\"A b c.", "pwd=/", "pwd=a(a ", "pwd: [a(", "pwd=a(pwd: (1)", "pwd=,abc", "pwd=&a='", "://:a",
     "password : ", " :", "  =", '"password" :  ', "('token', '", '("otp",\'', "{'name': 'token', ",
     "']:", "'x'\n\nFailed validating ['token']:\n", "'x'\n\nFailed validating ['user']:\n", "On instance['token']:",
     "<token>", '<token x="">', '">', "<token><![CDATA[", "PASSWORD '", "BY '", "IDENTIFIED BY \""],
    ids=repr,
)  # fmt: skip
def test_the_work_grows_with_the_text_and_no_faster(unit: str) -> None:
    """Counted in looks, not in time: a hostile message of the greatest length ends, within the test's own limit."""
    text = unit * (65_536 // len(unit))
    for _ in range(20):
        assert scrub_text(text)[0]


def test_a_thread_with_a_small_stack_survives_calls_in_calls() -> None:
    found: list[int] = []
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=lambda: found.append(scrub_text("pwd=" + "a(" * 24_000)[1]))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join(60)
    assert [1] == found
    assert ("pwd=a(b([redacted]))", 1) == scrub_text("pwd=a(b(q7hunter2))")
