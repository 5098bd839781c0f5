"""The user's patterns: refused at start where they cannot be used, and afterwards nothing they match leaves."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags, Tracer

from otel_errsample import ErrorFacts, Verdict, patterns
from otel_errsample.errors import ConfigError, RuleError
from otel_errsample.patterns import LONGEST_PATTERN, MOST_WORK, Patterns, flaw
from otel_errsample.regex import Regex
from otel_errsample.scrub import MOST_PATTERNS
from otel_errsample.setting import Flaw
from tests.carriers import CARRIERS, as_message, as_span_name, fail
from tests.scrubbing import Bench, Hostile, Make, attributes_of, make

__all__ = ["make"]

CUSTOMER = "q7-customer-4711"
OURS = [r"q7-customer-\d+", r"^Patient .+$"]


@pytest.mark.parametrize(
    ("pattern", "message", "piece"),
    [
        ("(a", "is refused by RE2: missing )", "(a"),
        ("a**", "is refused by RE2: bad repetition operator", "**"),
        ("(?=a)", "is refused by RE2: invalid perl operator", "(?="),
        (r"(a)\1", "is refused by RE2: invalid escape sequence", r"\1"),
        ("a{1001}", "is refused by RE2: invalid repetition size", "{1001}"),
        (r"\Qa", "is refused by RE2: missing )", r"(?m:\Qa)"),
        ("\ud800", "is refused by RE2: not encodable as UTF-8", ""),
        (r"\pL{1,100}", "is refused by RE2: pattern too large - compile failed", ""),
        (r"\pL{5}", "is too large", ""),
        ("x" * (LONGEST_PATTERN + 1), "is expected to have 1 to 512 characters", ""),
        ("", "is expected to have 1 to 512 characters", ""),
        ("a*", "matches where there is nothing", ""),
        ("a|", "matches where there is nothing", ""),
        ("^", "matches where there is nothing", ""),
        (r"\b", "matches where there is nothing", ""),
        (r"\B", "matches where there is nothing", ""),
        ("(?i)(x?)", "matches where there is nothing", ""),
    ],
)
def test_a_pattern_that_cannot_be_used_says_why_and_where(pattern: str, message: str, piece: str) -> None:
    found = flaw(pattern)
    assert found is not None
    assert (pattern, message, piece) == (found.part, found.message, found.piece)


@pytest.mark.parametrize(
    "pattern", ["a", "x" * LONGEST_PATTERN, r"\pL+", "^a$", r"\bfoo\b", "(?P<n>a)", r".{1,500}", "[^ ]+", "é"]
)
def test_a_pattern_that_can_be_used_has_no_flaw(pattern: str) -> None:
    assert flaw(pattern) is None


@pytest.mark.parametrize("module", [None, ModuleType("re2")], ids=["not installed", "another re2"])
def test_without_re2_no_pattern_can(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    monkeypatch.setitem(sys.modules, "re2", module)
    assert Flaw("a", "needs RE2, which is not installed", hint="pip install 'otel-errsample[re2]'") == flaw("a")


@pytest.mark.parametrize(
    ("given", "text", "behind", "expected"),
    [
        (["b+"], "abbcb", 0, [(1, 3), (4, 5)]),
        (["bc", "abc"], "abc", 0, [(0, 3), (1, 3)]),
        (["(?P<n>a)", "(?P<n>b)"], "ab", 0, [(0, 1), (1, 2)]),
        (["(?i)a", "b"], "AB", 0, [(0, 1)]),
        (["a|b", "c"], "cb", 0, [(0, 1), (1, 2)]),
        (["^b$"], "a\nb\nc", 0, [(2, 3)]),
        (["^b"], "E: bb", 3, [(3, 4)]),
        (["b"], "E: bb", 3, [(3, 4), (4, 5)]),
        (["é+"], "支éé🔥é", 0, [(1, 3), (4, 5)]),
        (["."], "\ud800\udfff", 0, [(0, 1), (1, 2)]),
        (["redacted"], "[redacted] redacted", 0, [(11, 19)]),
        ([r"x \[redacted\]"], "x [redacted]", 0, [(0, 12)]),
        (["redacted", "redacted] q7"], "[redacted] q7", 0, [(1, 13)]),
        (["q"], "none", 0, []),
    ],
)
def test_where_patterns_match(given: list[str], text: str, behind: int, expected: list[tuple[int, int]]) -> None:
    some = Patterns(given)
    assert expected == some.find(text, behind)
    assert bool(expected) == some.occur(text, behind)


def test_no_patterns_are_none() -> None:
    assert Patterns.of(()) is None


class Counting(Regex):
    """Counts over how many characters it is led."""

    led = 0

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        at = 0
        for start, end in super().spans(text):
            self.led += len(text) - at
            at = end
            yield start, end
        self.led += len(text) - at


@pytest.mark.parametrize("pattern", ["x", "x(.*y)?", "(x+x+)+y", "(x?){50}x{50}", ".{1,500}y"])
def test_the_work_for_a_text_is_bounded(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Counting] = []

    def counted(text: str, memory: int) -> Counting:
        made.append(Counting(text, memory))
        return made[-1]

    monkeypatch.setattr(patterns, "Regex", counted)
    some = Patterns([pattern, "x"])
    text = "x" * 49_152
    found = some.find(text, 0)
    assert max(end for _, end in found) == len(text)
    assert some.occur(text, 0)
    assert all(one.led <= 2 * (MOST_WORK + len(text)) for one in made)


def test_as_many_as_are_allowed_work_together() -> None:
    some = Patterns([rf".{{1,500}}number{number}" for number in range(MOST_PATTERNS)])
    assert all(flaw(rf".{{1,500}}number{number}") is None for number in range(MOST_PATTERNS))
    assert [(0, 9)] == some.find("a number7", 0)
    assert some.occur("a number7", 0)
    assert not some.occur("a number", 0)


@pytest.mark.parametrize("mode", ["default", "strict"])
@pytest.mark.parametrize("carry", CARRIERS, ids=lambda carry: carry.__name__)
def test_nothing_they_match_leaves_by_any_way(make: Make, carry: Callable[[Tracer, str], None], mode: str) -> None:
    bench = make(scrub=mode, options={"scrub_patterns": OURS})
    for text in (
        f"no order of {CUSTOMER}",
        "Patient Q7 Doe",
        f"two lines\nPatient Q7 Doe\n{CUSTOMER}é支",
        f"\udc80 {CUSTOMER}",
    ):
        carry(bench.tracer, text)
    sent = bench.sent()
    assert b"q7-customer" not in sent
    carried = carry.__name__ != "as_note" or hasattr(ValueError(), "add_note")
    if carry.__name__ not in ("as_key", "as_cause"):
        assert b"Q7 Doe" not in sent  # behind the quote of a KeyError is no beginning
    if mode == "default":
        assert (b"no order of [redacted]" in sent) == carried
        assert (bench.processor.stats().scrubbed > 0) == carried


def test_a_message_is_cleaned_in_all_three_places_and_counted(make: Make) -> None:
    bench = make(options={"scrub_patterns": [*OURS, "by [a-z]+ [0-9.]+"], "scrub_also": ["ip_addresses"]})
    as_message(bench.tracer, f"{CUSTOMER}: password=q7hunter2X by bob 203.0.113.9")
    cleaned = "[redacted]: password=[redacted] [redacted]"
    span = bench.span()
    event = attributes_of(span.events[0])
    assert cleaned == event["exception.message"]
    assert event["exception.stacktrace"].endswith(f"ValueError: {cleaned}\n")
    assert f"ValueError: {cleaned}" == span.status.message
    assert 9 == attributes_of(span)["errsample.scrubbed"] == bench.processor.stats().scrubbed


def test_frames_and_source_lines_stay(make: Make) -> None:
    bench = make(options={"scrub_patterns": ["raise error", r"carriers\.py"]})
    as_message(bench.tracer, "raise error of carriers.py")
    stack = attributes_of(bench.span().events[0])["exception.stacktrace"]
    assert 'carriers.py", line' in stack
    assert "    raise error\n" in stack
    assert stack.endswith("ValueError: [redacted] of [redacted]\n")


def test_a_pattern_may_want_the_type(make: Make) -> None:
    bench = make(options={"scrub_patterns": ["ValueError: [0-9]+"]})
    for text in ("x", "17", "18"):
        fail(bench.tracer, ValueError(text))
    stacks = [attributes_of(span.events[0])["exception.stacktrace"] for span in bench.spans()]
    assert ["ValueError: x", "[redacted]", "[redacted]"] == [stack.splitlines()[-1] for stack in stacks]


def test_one_clean_stack_does_not_vouch_for_the_next(make: Make) -> None:
    bench = make(options={"scrub_patterns": OURS})
    for text in ("one", "two", CUSTOMER, "three", f"four\n{CUSTOMER}", "five"):
        fail(bench.tracer, ValueError(text))
    assert b"q7-customer" not in bench.sent()
    assert 6 == bench.processor.stats().scrubbed


def test_a_users_exporter_callbacks_and_the_spool_get_the_cleaned_texts(make: Make, tmp_path: Path) -> None:
    told: list[str | None] = []

    def enrich(span: object, facts: ErrorFacts) -> dict[str, Any]:
        told.append(facts.message)
        return {"shop.detail": f"of {CUSTOMER}"}

    def verdict(one: Verdict) -> None:
        told.append(one.facts.message)

    memory = InMemorySpanExporter()
    options = {"scrub_patterns": OURS}
    bench = make(exporter=memory, enrich=enrich, on_verdict=verdict, options=options)
    as_message(bench.tracer, CUSTOMER)
    assert bench.processor.force_flush(5_000)
    (copy,) = memory.get_finished_spans()
    assert CUSTOMER not in copy.to_json()
    assert "of [redacted]" == (copy.attributes or {})["shop.detail"]
    assert 4 == (copy.attributes or {})["errsample.scrubbed"]
    assert ["[redacted]", "[redacted]"] == told
    if sys.platform == "linux":
        spooling = make(spool_dir=tmp_path / "spool", options=options)
        as_message(spooling.tracer, f"no order of {CUSTOMER}")
        on_disk = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert b"no order of [redacted]" in on_disk
        assert CUSTOMER.encode() not in on_disk


@pytest.mark.parametrize(
    "value",
    [
        Hostile(CUSTOMER),
        CUSTOMER.encode(),
        bytearray(CUSTOMER.encode()),
        {"a": {"b": CUSTOMER}},
        [CUSTOMER],
        ((CUSTOMER,),),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_no_instrumentation_writes_are_looked_at_too(make: Make, value: Any) -> None:
    bench = make(options={"scrub_patterns": OURS})
    span = ReadableSpan(
        "work",
        context=SpanContext(1, 2, False, TraceFlags(1)),
        resource=Resource({}),
        events=[Event("note", {"value": value}, 5)],
        status=Status(StatusCode.ERROR, Hostile(CUSTOMER)),
    )
    bench.processor.on_end(span)
    assert CUSTOMER.encode() not in bench.sent()
    assert 1 == len(bench.span().events)


def test_not_even_a_hash_of_it_leaves(make: Make) -> None:
    def fingerprint(name: str, **options: Any) -> str:
        bench = make(options=options)
        with bench.tracer.start_as_current_span("work") as span:
            span.set_status(Status(StatusCode.ERROR, f"Patient {name}"))
        return str(attributes_of(bench.span())["errsample.fingerprint"])

    assert fingerprint("Ann", scrub_patterns=OURS) == fingerprint("Bob", scrub_patterns=OURS)
    assert fingerprint("Ann") != fingerprint("Bob")


class Failing:
    """Patterns that fail in one of their two ways."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def occur(self, text: str, behind: int) -> bool:
        raise self.error

    find = occur


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), MemoryError(), RecursionError()], ids=lambda error: type(error).__name__
)
def test_what_a_pattern_raises_is_counted_and_costs_the_text(
    make: Make, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(Patterns, "of", lambda patterns: Failing(error))
    bench = make(options={"scrub_patterns": OURS})
    as_message(bench.tracer, f"no order of {CUSTOMER}")
    span = bench.span()
    assert "[redacted]" == span.name == span.status.message == attributes_of(span.events[0])["exception.message"]
    assert attributes_of(span.events[0])["exception.stacktrace"].endswith("    raise error\n[redacted]")
    assert 1 <= bench.processor.stats().internal_errors["scrub_patterns"]
    assert 1 == bench.processor.stats().endings["delivered"]


def test_ctrl_c_inside_a_pattern_reaches_the_application(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patterns, "of", lambda patterns: Failing(KeyboardInterrupt()))
    bench = make(options={"scrub_patterns": OURS})
    with pytest.raises(KeyboardInterrupt):
        as_span_name(bench.tracer, CUSTOMER)
        for _ in range(1000):
            pass
    monkeypatch.undo()
    assert CUSTOMER.encode() not in b"".join(bench.transport.payloads)
    assert bench.processor.stats().internal_errors["scrub_patterns"]


def test_a_span_may_end_inside_a_pattern(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a signal handler runs there."""
    some = Patterns(OURS)
    inner: list[str] = []

    class Nested:
        def occur(self, text: str, behind: int) -> bool:
            if len(inner) < 3:
                inner.append(text)
                as_message(bench.tracer, f"inner {CUSTOMER}")
            return some.occur(text, behind)

        find = staticmethod(some.find)

    monkeypatch.setattr(Patterns, "of", lambda patterns: Nested())
    bench = make(options={"scrub_patterns": OURS})
    as_message(bench.tracer, f"outer {CUSTOMER}")
    sent = bench.sent()
    assert b"q7-customer" not in sent
    assert 4 == len(bench.spans())
    assert 12 <= bench.processor.stats().scrubbed  # the inner ones have the outer one for their context


def test_bad_ones_in_code_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        Bench(options={"scrub_patterns": ["fine", "(?=x)"]})
    assert str(caught.value) == (
        "scrub_patterns[1] is refused by RE2: invalid perl operator at '(?=', got '(?=x)'; "
        "hint: it has no look-around and no references"
    )


def test_in_code_re2_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(ConfigError) as caught:
        Bench(options={"scrub_patterns": ["fine"]})
    assert str(caught.value) == (
        "scrub_patterns[0] needs RE2, which is not installed, got 'fine'; hint: pip install 'otel-errsample[re2]'"
    )


def test_off_and_patterns_in_code_contradict_each_other() -> None:
    with pytest.raises(
        ConfigError, match="scrub_patterns has no effect where scrub is 'off'; hint: leave one of them out"
    ):
        Bench(scrub="off", options={"scrub_patterns": ["fine"]})


def test_the_environment_has_one_on_a_line(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_ERRSAMPLE_SCRUB_PATTERNS", "q7-[a-z]{2,8}-\\d+\n\n  name,value  \n")
    bench = make()
    as_span_name(bench.tracer, f"{CUSTOMER} name,value x")
    assert "[redacted] [redacted] x" == bench.span().name


FILE = f"rules: keep\nsettings:\n  scrub_patterns: ['{OURS[0]}']\n"


def test_a_file_has_a_list(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "errsample.yaml"
    path.write_text(FILE)
    bench = make(config=path)
    as_span_name(bench.tracer, f"{CUSTOMER} x")
    assert "[redacted] x" == bench.span().name


def test_a_file_in_code_with_a_bad_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "errsample.yaml"
    path.write_text("settings:\n  scrub_patterns:\n    - fine\n    - 'a(b'\n    - \"é a*(?=b)\"\n    - x?\n")
    with pytest.raises(RuleError) as caught:
        Bench(config=path)
    assert [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems] == [
        "4:8: 'scrub_patterns': this is refused by RE2: missing )",
        "5:12: 'scrub_patterns': this is refused by RE2: invalid perl operator (it has no look-around and no references)",
        "6:7: 'scrub_patterns': this matches where there is nothing (say what has to stand there at least, as in x+ for x*)",
    ]


@pytest.mark.parametrize("how", ["bad pattern", "no RE2", "bad kind", "bad file", "no RE2 for a file"])
def test_what_an_operator_asked_for_and_cannot_have_leaves_no_message(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "errsample.yaml"
    path.write_text(FILE + ("nonsense: 1\n" if how == "bad file" else ""))
    if "no RE2" in how:
        monkeypatch.setitem(sys.modules, "re2", None)
    name, value, why = {
        "bad pattern": ("SCRUB_PATTERNS", "fine\n(q7", "number 2 is refused by RE2: missing )"),
        "no RE2": (
            "SCRUB_PATTERNS",
            OURS[0],
            "number 1 needs RE2, which is not installed (pip install 'otel-errsample[re2]')",
        ),
        "bad kind": (
            "SCRUB_ALSO",
            "ip_adresses",
            "number 1 is none of ip_addresses, phone_numbers, card_numbers, quoted (did you mean 'ip_addresses'?)",
        ),
        "bad file": ("CONFIG", str(path), "unknown key 'nonsense'"),
        "no RE2 for a file": ("CONFIG", str(path), "this needs RE2, which is not installed"),
    }[how]
    monkeypatch.setenv(f"OTEL_ERRSAMPLE_{name}", value)
    with caplog.at_level(logging.WARNING):
        bench = make()
    (warning,) = caplog.messages
    assert warning.startswith(f"OTEL_ERRSAMPLE_{name}: ")
    assert why in warning
    assert "strict therefore" in warning
    assert "q7" not in warning
    as_message(bench.tracer, f"no order of {CUSTOMER}")
    assert b"no order" not in bench.sent()
    assert attributes_of(bench.span().events[0])["exception.stacktrace"].endswith("ValueError: [redacted]\n")


def test_a_bad_file_that_asks_for_no_scrubbing_makes_nothing_strict(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    path = tmp_path / "errsample.yaml"
    path.write_text("settings: {scrub: default}\nnonsense: 1\n")
    monkeypatch.setenv("OTEL_ERRSAMPLE_CONFIG", str(path))
    bench = make()
    assert "strict" not in caplog.text
    as_message(bench.tracer, "no order")
    assert b"no order" in bench.sent()


def test_off_is_off_and_said(make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_ERRSAMPLE_SCRUB_PATTERNS", "x")
    bench = make(scrub="off")
    assert ["OTEL_ERRSAMPLE_SCRUB_PATTERNS: has no effect, since scrub is off"] == caplog.messages
    as_span_name(bench.tracer, "x")
    assert "x" == bench.span().name
