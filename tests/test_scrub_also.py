"""What is taken out by the side of secrets: what each kind finds, what only looks like it, and in all ways onto a span."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import Tracer

from otel_errsample._hot import scrub_stack, scrub_text
from otel_errsample.scrub import ALSO, REDACTED
from tests.carriers import CARRIERS, as_message, as_span_name
from tests.scrubbing import Bench, Make, attributes_of, make
from tests.secrets import CORPUS, ORDINARY, TEMPLATES, Planted, card_number, planted

__all__ = ["make"]

ADDRESS = "203.0.113.9"
UNQUOTED = tuple(kind for kind in ALSO if kind != "quoted")


def corpus() -> list[tuple[str, str]]:
    """(kind, template) of every line."""
    kind = ""
    rows = []
    for line in (CORPUS / "scrub_also.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line[1:-1] in ALSO:
            kind = line[1:-1]
        elif kind:
            rows.append((kind, line))
    return rows


ROWS = corpus()
ASKED = [(kind, line) for kind, line in ROWS if "«" in line]
LEFT = [(kind, line) for kind, line in ROWS if "«" not in line]


def shown(row: tuple[str, str]) -> str:
    return f"{row[0]}: {row[1][:40]}"


def plain(template: str) -> str:
    return template.replace("«", "").replace("»", "")


def expected(template: str) -> str:
    return re.sub("«.*?»", REDACTED, template)


def test_the_corpus_has_a_good_number_of_each() -> None:
    for kind in ALSO:
        assert 5 <= sum(one == kind for one, _ in ASKED)
        assert 7 <= sum(one == kind for one, _ in LEFT)
    assert 60 <= len(ASKED)
    assert 90 <= len(LEFT)


@pytest.mark.parametrize("row", ASKED, ids=shown)
def test_what_is_asked_for_goes_and_nothing_else(row: tuple[str, str]) -> None:
    kind, template = row
    text = plain(template)
    cleaned, found = scrub_text(text, [kind])
    assert expected(template) == cleaned
    assert template.count("«") == found
    assert (cleaned, 0) == scrub_text(cleaned, [kind])
    for before, after in (("failed: ", "\nnext line"), ("é\n", "\nà"), ("支払い\n", "\n支")):
        assert before + expected(template) + after == scrub_text(before + text + after, [kind])[0]


@pytest.mark.parametrize("row", LEFT, ids=shown)
def test_what_only_looks_like_it_stays(row: tuple[str, str]) -> None:
    kind, text = row
    assert (text, 0) == scrub_text(text, [kind])
    assert scrub_text(text, [kind])[0] is text
    if kind != "quoted":
        others = [one for one in UNQUOTED if one != kind]
        assert scrub_text(text, others) == scrub_text(text, UNQUOTED)


@pytest.mark.parametrize("row", ASKED, ids=shown)
def test_what_is_not_asked_for_stays(row: tuple[str, str]) -> None:
    kind, template = row
    text = plain(template)
    if kind != "quoted":
        assert (text, 0) == scrub_text(text)
        assert (text, 0) == scrub_text(text, [one for one in UNQUOTED if one != kind])


@pytest.mark.parametrize("message", ORDINARY, ids=lambda message: message[:40])
def test_of_ordinary_messages_only_addresses_go(message: str) -> None:
    number = "+1 555 0100"
    numberless = (message.replace(number, REDACTED), message.count(number))
    assert numberless == scrub_text(message, ["phone_numbers", "card_numbers"])
    cleaned, found = scrub_text(message, ["ip_addresses"])
    addresses = [one for one in re.findall(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])", message) if one[:4] != "127."]
    for address in addresses:
        message = message.replace(address, REDACTED)
    assert (message, len(addresses)) == (cleaned, found)


@pytest.mark.parametrize("case", planted(len(TEMPLATES)), ids=lambda case: case.expected[:40])
def test_what_is_asked_for_hides_no_secret(case: Planted) -> None:
    for kinds in (["quoted"], UNQUOTED, ALSO):
        cleaned, found = scrub_text(case.text, kinds)
        assert found
        assert not [secret for secret in case.secrets if secret in cleaned]


@pytest.mark.parametrize(
    ("text", "cleaned", "found"),
    [
        ("it said 'password=q7hunter2X of bob'", "it said '[redacted]'", 1),
        ("{'password': 12345678, 'a': 1}", "{'[redacted]': [redacted], '[redacted]': 1}", 3),
        ("login 'bob' at https://bob:q7pw@203.0.113.9/'x'", "login '[redacted]' at https://[redacted]@[redacted]/'[redacted]'", 4),
        ("password='4111 1111 1111 1111'", "password='[redacted]'", 1),
        ("Key (phone)=(+49 30 1234567)", "Key (phone)=([redacted])", 1),
    ],
)  # fmt: skip
def test_what_overlaps_is_one(text: str, cleaned: str, found: int) -> None:
    assert (cleaned, found) == scrub_text(text, ALSO)


def test_card_numbers_need_a_right_check_digit() -> None:
    source = random.Random(7)
    for _ in range(50):
        number = card_number(source)
        grouped = " ".join(number[at : at + 4] for at in range(0, 16, 4))
        for text in (f"card {number} declined", f"card {grouped} declined", f"({number})"):
            assert (text, 0) == scrub_text(text)
            cleaned, found = scrub_text(text, ["card_numbers"])
            assert 1 == found
            assert number not in cleaned.replace(" ", "")
        wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
        assert 0 == scrub_text(f"card {wrong} declined", ["card_numbers"])[1]


def test_of_a_stack_only_messages_are_looked_at() -> None:
    frame = '  File "/srv/a.py", line 1, in f\n    connect("203.0.113.9", \'x\')\n'
    stack = f"Traceback (most recent call last):\n{frame}OSError: 203.0.113.9 refused 'bob'\n"
    cleaned = f"Traceback (most recent call last):\n{frame}OSError: [redacted] refused '[redacted]'\n"
    assert (cleaned, 2) == scrub_stack(stack, also=ALSO)


def test_the_line_that_a_syntax_error_names_keeps_its_file() -> None:
    stack = (
        'Traceback (most recent call last):\n  File "/srv/a.py", line 1, in f\n    f()\n'
        '  File "<string>", line 1\n    x = \'bob\n        ^\nSyntaxError: unterminated string literal (detected at line 1)\n'
    )
    assert stack.replace("'bob\n", "'[redacted]\n") == scrub_stack(stack, also=["quoted"])[0]


@given(
    st.text(st.sampled_from("0123456789.:+-() /'\"\\abcdefxphone=éß支\n"), max_size=120), st.sets(st.sampled_from(ALSO))
)
def test_any_text_is_survived_and_its_cleaned_form_is_of_pieces_of_it(text: str, kinds: set[str]) -> None:
    cleaned, found = scrub_text(text, kinds)
    assert (found == 0) == (cleaned == text)
    assert found == cleaned.count(REDACTED)
    at = 0
    for piece in cleaned.split(REDACTED):
        at = text.index(piece, at) + len(piece)


@pytest.mark.parametrize(
    "unit", ["'", "''", "a'", "\\'", "b'", '"a', "1", "1 ", "1.", "1.1.1.1.", "(1", "+1", "0171 ", "1-", ":", "a:", "::", "1:",
             "phone ", "phone 1 ", "version 1.1.1.1 ", "4111 ", "'\\", "555-123-"],
    ids=repr,
)  # fmt: skip
def test_the_work_grows_with_the_text_and_no_faster(unit: str) -> None:
    """Not timed: twenty hostile messages of the greatest length end within the test's own limit."""
    text = unit * (65_536 // len(unit))
    for _ in range(20):
        assert scrub_text(text, ALSO)[0]


@pytest.mark.parametrize("mode", ["default", "strict"])
@pytest.mark.parametrize("carry", CARRIERS, ids=lambda carry: carry.__name__)
def test_none_of_it_leaves_by_any_way(make: Make, carry: Callable[[Tracer, str], None], mode: str) -> None:
    parts = {"ip_addresses": ADDRESS, "phone_numbers": "+49 30 1234567", "card_numbers": "4111 1111 1111 1111"}
    bench, quoting = (
        make(scrub=mode, options={"scrub_also": list(parts)}),
        make(scrub=mode, options={"scrub_also": ["quoted"]}),
    )
    for part in parts.values():
        carry(bench.tracer, f"no way to {part} for q7")
    carry(quoting.tracer, "no way to 'q7hunter2'")
    sent = bench.sent()
    assert not [part for part in parts.values() if part.encode() in sent]
    assert b"q7hunter2" not in quoting.sent()
    if mode == "default":
        carried = carry.__name__ != "as_note" or hasattr(ValueError(), "add_note")
        assert (b"no way to [redacted] for q7" in sent) == carried
        assert bench.processor.stats().scrubbed >= 3 * carried
        assert [span for span in bench.spans() if "errsample.scrubbed" in attributes_of(span)] or not carried


def test_by_default_all_of_it_leaves(make: Make) -> None:
    bench = make()
    as_message(bench.tracer, f"no way to {ADDRESS}, +49 30 1234567, 4111 1111 1111 1111 'bob'")
    assert b"no way to 203.0.113.9, +49 30 1234567, 4111 1111 1111 1111 'bob'" in bench.sent()
    assert 0 == bench.processor.stats().scrubbed


def test_a_stack_that_was_seen_clean_does_not_vouch_for_the_next_message(make: Make) -> None:
    bench = make(options={"scrub_also": ["ip_addresses"]})
    for text in ("one", "two", f"no way to {ADDRESS}", "three"):
        as_message(bench.tracer, text)
    assert ADDRESS.encode() not in bench.sent()
    assert 3 == bench.processor.stats().scrubbed


@pytest.mark.parametrize("given", ["ip_addresses, quoted", " quoted,,ip_addresses "])
def test_the_environment_names_them(make: Make, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("OTEL_ERRSAMPLE_SCRUB_ALSO", given)
    bench = make()
    as_span_name(bench.tracer, f"{ADDRESS} 'bob' +49 30 1234567")
    assert "[redacted] '[redacted]' +49 30 1234567" == bench.span().name


def test_off_is_off(make: Make) -> None:
    bench: Bench = make(scrub="off")
    as_span_name(bench.tracer, ADDRESS)
    assert ADDRESS == bench.span().name
