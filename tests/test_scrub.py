"""Over the real path: no planted secret is in any byte that leaves, by whatever way it came onto the span."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags, Tracer
from opentelemetry.util.types import AnyValue

from otel_errsample import ErrorFacts, ErrorSpanProcessor, Verdict
from otel_errsample.errors import ConfigError
from otel_errsample.testing.transport import CollectingTransport
from tests.carriers import (
    CARRIERS,
    as_event_attribute,
    as_message,
    as_note,
    as_span_name,
    fail,
)
from tests.scrubbing import Hostile, Make, attributes_of, make
from tests.secrets import Planted, planted
from tests.unready import needs_unready, unready

__all__ = ["make"]

PLANTED = planted(220)
SECRET = "q7hunter2X"
MESSAGE = f"no entry: password={SECRET} user=bob"
CLEANED = "no entry: password=[redacted] user=bob"


by_carrier = pytest.mark.parametrize("carry", CARRIERS, ids=lambda carry: carry.__name__)


@pytest.mark.scenario("I6")
@pytest.mark.parametrize("mode", ["default", "strict"])
@by_carrier
def test_no_planted_secret_leaves(make: Make, carry: Callable[[Tracer, str], None], mode: str) -> None:
    assert len(PLANTED) >= 200
    bench = make(scrub=mode)
    for case in PLANTED:
        carry(bench.tracer, case.text)
    sent = bench.sent()
    assert not [case for case in PLANTED if any(secret.encode() in sent for secret in case.secrets)]
    assert len(bench.transport.spans()) >= len(PLANTED)


@by_carrier
def test_off_changes_nothing(make: Make, carry: Callable[[Tracer, str], None]) -> None:
    bench = make(scrub="off")
    carry(bench.tracer, MESSAGE)
    assert (carry is as_note and not hasattr(ValueError(), "add_note")) or SECRET.encode() in bench.sent()
    assert 0 == bench.processor.stats().scrubbed
    assert not [span for span in bench.spans() if "errsample.scrubbed" in attributes_of(span)]


def test_a_message_stays_readable_in_all_three_places_and_is_counted(make: Make) -> None:
    bench = make()
    as_message(bench.tracer, MESSAGE)
    span = bench.span()
    event = attributes_of(span.events[0])
    assert CLEANED == event["exception.message"]
    assert event["exception.stacktrace"].endswith(f"ValueError: {CLEANED}\n")
    assert f"ValueError: {CLEANED}" == span.status.message
    assert 3 == attributes_of(span)["errsample.scrubbed"]
    assert 3 == bench.processor.stats().scrubbed
    assert "bug" == attributes_of(span)["errsample.kind"]


def test_strict_keeps_type_frames_fingerprint_and_what_was_understood(make: Make) -> None:
    bench, strict = make(), make(scrub="strict")
    for one in (bench, strict):
        as_message(one.tracer, "ordinary")
    span, plain = attributes_of(strict.span()), attributes_of(bench.span())
    assert {**plain, "errsample.scrubbed": 3} == span
    event = attributes_of(strict.span().events[0])
    assert "exception.message" not in event
    assert "ValueError" == event["exception.type"]
    assert event["exception.stacktrace"].endswith("ValueError: [redacted]\n")
    assert ", in fail\n" in event["exception.stacktrace"]
    assert "" == strict.span().status.message
    assert b"ordinary" not in strict.sent()


def test_strict_looks_at_the_spans_own_attributes_too(make: Make) -> None:
    card = "4111 1111 1111 1111"
    attributes: dict[str, AnyValue] = {
        "url.full": f"https://bob:{SECRET}@host/",
        "db.password": SECRET,
        "card": card,
        "n": 3,
        "ok": True,
    }
    for mode, expected in (
        ("default", attributes),
        (
            "strict",
            {"url.full": "https://[redacted]@host/", "db.password": "[redacted]", "card": "[redacted]", "n": 3, "ok": True,
             "errsample.scrubbed": 3},
        ),
    ):  # fmt: skip
        bench = make(scrub=mode)
        bench.tracer.start_span("work", attributes=attributes).end()
        assert expected == attributes_of(bench.span())


def test_an_event_attribute_with_a_secret_name_loses_its_value(make: Make) -> None:
    bench = make()
    with bench.tracer.start_as_current_span("work") as span:
        span.add_event("login", {"password": "x", "api.token": ["a", "b"], "tokens": 3, "token": True, "note": "x"})
    assert {
        "password": "[redacted]", "api.token": "[redacted]", "tokens": 3, "token": True, "note": "x"
    } == attributes_of(bench.span().events[0])  # fmt: skip
    assert 2 == bench.processor.stats().scrubbed


def test_an_ordinary_span_is_written_as_if_nothing_were_looked_for(make: Make) -> None:
    class Fixed(ReadableSpan):
        pass

    def one(name: str, kind: type[ReadableSpan]) -> ReadableSpan:
        return kind(
            name,
            context=SpanContext(1, 2, False, TraceFlags(1)),
            resource=Resource({}),
            events=[Event("exception", {"exception.type": "E", "exception.message": "plain", "n": (1, "é")}, 5)],
            status=Status(StatusCode.ERROR, "E: plain"),
            start_time=1,
            end_time=2,
        )

    for kind in (ReadableSpan, Fixed):
        off, on = make(scrub="off"), make()
        for bench in (off, on):
            bench.processor.on_end(one("work", kind))
        assert off.sent() == on.sent()


def test_a_stack_that_was_seen_clean_does_not_vouch_for_the_next_message(make: Make) -> None:
    bench = make()

    def place(text: str) -> None:
        fail(bench.tracer, ValueError(text))

    for text in ("one", "two", MESSAGE, "three", f"four\n{MESSAGE}", "five"):
        place(text)
    assert SECRET.encode() not in bench.sent()
    assert 6 == bench.processor.stats().scrubbed


def test_a_secret_in_the_stack_alone_is_found_behind_a_clean_message(make: Make) -> None:
    """The message was looked at; what the stack says besides is not taken for it."""
    bench = make()
    head = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nValueError: '
    for tail in ("plain\n", f"password={SECRET}\n", f"plain\nnote: {MESSAGE}\n", f"{MESSAGE} plain\n"):
        with bench.tracer.start_as_current_span("work") as span:
            attributes = {"exception.type": "ValueError", "exception.message": "plain"}
            span.add_event("exception", {**attributes, "exception.stacktrace": head + tail})
            span.set_status(Status(StatusCode.ERROR, f"password={SECRET} plain"))
    assert SECRET.encode() not in bench.sent()


@needs_unready
@pytest.mark.parametrize("mode", ["default", "strict"])
def test_a_text_that_is_not_ready_is_looked_at_whole(make: Make, mode: str) -> None:
    bench = make(scrub=mode)
    stack = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nValueError: '
    for key, text in (
        ("exception.stacktrace", f"{stack}plain\n"),
        ("exception.stacktrace", f"{stack}{MESSAGE}\n"),
        ("exception.message", MESSAGE),
        ("password", SECRET),
        ("why", "word " * 20_000 + MESSAGE),
    ):
        bench.tracer.start_span("work").end()
        span = bench.tracer.start_span("work")
        span.add_event("log", {key: unready(text)})
        span.end()
    sent = bench.sent()
    assert SECRET.encode() not in sent
    assert b"in f\n" in sent


def test_a_secret_cannot_be_cut_from_its_name(make: Make) -> None:
    """The message is cut at 1 KiB, the description at 256 bytes, the stack in its middle: the secrets are gone before."""
    bench = make()
    for filler in (*range(200, 260), *range(960, 1040), *range(2000, 2100), *range(6000, 6100, 7)):
        as_message(bench.tracer, "x" * filler + f" password={SECRET} " + "y " * 15_000)
    assert b"q7hunter" not in bench.sent()
    assert {1024} == {len(attributes_of(span.events[0])["exception.message"]) for span in bench.spans()}


def test_long_texts_are_cut_and_counted(make: Make) -> None:
    bench = make()
    as_event_attribute(bench.tracer, "word " * 10_000_000)
    why = attributes_of(bench.span().events[0])["why"]
    assert why.endswith(" characters left out ...")
    assert len(why) < 66_000
    assert (0, 1) == (bench.processor.stats().scrubbed, bench.processor.stats().truncated)


def test_of_a_long_message_only_what_is_written_matters(make: Make) -> None:
    bench = make()
    for length in (500, 900, 1000, 1020, 1100, 5_000, 100_000):
        as_message(bench.tracer, "x " * (length // 2) + f"https://bob:{SECRET}@host/ " + "word " * 20_000)
    assert b"q7hunter" not in bench.sent()


def test_behind_the_most_that_is_looked_at_nothing_is_written(make: Make) -> None:
    bench = make()
    with bench.tracer.start_as_current_span("work") as span:
        for number in range(8):
            span.add_event("note", {"text": "word " * 2_000 + f"number {number}"})
        span.add_event("note", {"text": MESSAGE})
    sent = bench.sent()
    assert b"number 3" in sent
    assert b"number 7" not in sent
    assert SECRET.encode() not in sent
    assert 1 == bench.processor.stats().truncated


def test_of_many_clean_stacks_the_frames_count_as_a_quarter(make: Make) -> None:
    frame = '  File "a.py", line 1, in f\n    f()\n'
    stacks = [f"Traceback (most recent call last):\n{frame * 60}ValueError: try {number}\n" for number in range(40)]
    bench = make()
    span = bench.tracer.start_span("work")
    for number, stack in enumerate(stacks):
        attributes = {"exception.type": "ValueError", "exception.message": f"try {number}"}
        span.add_event("exception", {**attributes, "exception.stacktrace": stack})
    span.end()
    assert 2 * 49_152 > sum(map(len, stacks)) > 49_152
    assert stacks == [attributes_of(event)["exception.stacktrace"] for event in bench.span().events]
    assert 0 == bench.processor.stats().truncated


@pytest.mark.parametrize("kind", ["TimeoutError", "ValueError"])
def test_a_place_that_raises_two_types_is_told_apart(make: Make, kind: str) -> None:
    stack = 'Traceback (most recent call last):\n  File "/srv/a.py", line 1, in f\n    f()\n'
    bench = make()
    for name in ("ValueError", "TimeoutError", kind, kind):
        span = bench.tracer.start_span("work")
        text = f"{stack}{name}: no {name}\n"
        attributes = {"exception.type": name, "exception.message": f"no {name}", "exception.stacktrace": text}
        span.add_event("exception", attributes)
        span.set_status(Status(StatusCode.ERROR))
        span.end()
    prints = [attributes_of(span)["errsample.fingerprint"] for span in bench.spans()]
    assert prints[0] != prints[1]
    assert prints[2] == prints[3] == prints[0 if kind == "ValueError" else 1]
    assert 0 == bench.processor.stats().scrubbed


class Broken(ReadableSpan):
    @property
    def dropped_events(self) -> int:
        raise RuntimeError

    @property
    def links(self) -> Any:
        raise RuntimeError


def test_a_flag_that_cannot_be_printed_costs_a_span_with_a_secret_nothing(make: Make) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError

    bench = make()
    held: Any = BoundedAttributes(128, {"exception.message": MESSAGE})
    held._dict["exception.escaped"] = Unprintable()
    event = Event("exception", held, 5)
    context = SpanContext(1, 2, False, TraceFlags(1))
    bench.processor.on_end(ReadableSpan("work", context=context, resource=Resource({}), events=[event]))
    assert SECRET.encode() not in bench.sent()
    assert {} == bench.processor.stats().internal_errors


def test_a_stack_of_another_type_is_looked_at_and_not_kept_in_mind(make: Make) -> None:
    """What goes wrong where nothing can be raised is printed by the interpreter, which fails a test."""
    bench = make()
    for message in ("no", MESSAGE):
        stack = f'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: {message}\n'
        event = Event("exception", {"exception.stacktrace": Hostile(stack)}, 5)
        context = SpanContext(1, len(message), False, TraceFlags(1))
        bench.processor.on_end(ReadableSpan("work", context=context, resource=Resource({}), events=[event]))
    sent = bench.sent()
    assert b"ValueError: no" in sent
    assert SECRET.encode() not in sent


@pytest.mark.parametrize("kind", [ReadableSpan, Broken])
@pytest.mark.parametrize(
    "value",
    [Hostile(MESSAGE), MESSAGE.encode(), bytearray(MESSAGE.encode()), {"a": {"b": MESSAGE}}, [MESSAGE], (("x", MESSAGE),),
     {"password": SECRET}, {Hostile("password"): SECRET}, memoryview(MESSAGE.encode()), range(3)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_no_instrumentation_writes_are_looked_at_too(make: Make, kind: type[ReadableSpan], value: Any) -> None:
    bench = make()
    span = kind(
        "work",
        context=SpanContext(1, 2, False, TraceFlags(1)),
        resource=Resource({}),
        events=[Event("note", {"value": value, "bare": 1}, 5)],
        status=Status(StatusCode.ERROR, Hostile(MESSAGE)),
        start_time=1,
        end_time=2,
    )
    bench.processor.on_end(span)
    assert SECRET.encode() not in bench.sent()
    assert 1 == bench.processor.stats().endings["delivered"]
    assert 1 == len(bench.span().events)


def test_a_users_exporter_gets_the_cleaned_copy_and_other_processors_the_span_as_it_was(make: Make) -> None:
    seen: list[ReadableSpan] = []

    class Other(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            seen.append(span)

    memory = InMemorySpanExporter()
    bench = make(exporter=memory)
    bench.provider.add_span_processor(Other())
    as_message(bench.tracer, MESSAGE)
    assert bench.processor.force_flush(5_000)
    (copy,) = memory.get_finished_spans()
    assert SECRET not in copy.to_json()
    assert CLEANED == (copy.events[0].attributes or {})["exception.message"]
    assert 3 == (copy.attributes or {})["errsample.scrubbed"]
    assert MESSAGE == (seen[0].events[0].attributes or {})["exception.message"]


def test_what_a_users_callback_answers_is_cleaned_and_it_is_told_no_secret(make: Make) -> None:
    told: list[str | None] = []

    def enrich(span: ReadableSpan, facts: ErrorFacts) -> dict[str, Any]:
        told.append(facts.message)
        return {"shop.detail": f"it said {MESSAGE}", "shop.token": SECRET, "shop.plain": "x"}

    def verdict(one: Verdict) -> None:
        told.append(one.facts.message)

    bench = make(enrich=enrich, on_verdict=verdict)
    as_message(bench.tracer, MESSAGE)
    assert SECRET.encode() not in bench.sent()
    attributes = attributes_of(bench.span())
    assert ("it said " + CLEANED, "[redacted]", "x") == tuple(
        attributes[f"shop.{name}"] for name in ("detail", "token", "plain")
    )
    assert 5 == attributes["errsample.scrubbed"] == bench.processor.stats().scrubbed
    assert [CLEANED, CLEANED] == told


@pytest.mark.parametrize(("answer", "told"), [("many", 3), (2, 5), (True, 3)])
def test_what_a_users_callback_calls_as_we_call_the_count_costs_no_span(make: Make, answer: object, told: int) -> None:
    bench = make(enrich=lambda span, facts: {"errsample.scrubbed": answer})
    as_message(bench.tracer, f"password={SECRET}")
    assert told == attributes_of(bench.span())["errsample.scrubbed"]


def test_rules_see_the_message_as_it_was() -> None:
    processor = ErrorSpanProcessor(f'drop if message contains "{SECRET}"', transport=CollectingTransport())
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    as_message(provider.get_tracer("tests"), MESSAGE)
    assert 1 == processor.stats().endings["dropped_by_rule"]
    processor.shutdown(1_000)


def test_messages_that_differ_in_a_secret_are_one_group_whatever_the_mode(make: Make) -> None:
    """Without a frame the fingerprint is made of the message: not even a hash of the secret leaves."""

    def fingerprint(mode: str, text: str) -> str:
        bench = make(scrub=mode)
        with bench.tracer.start_as_current_span("work") as span:
            span.set_status(Status(StatusCode.ERROR, text))
        return str(attributes_of(bench.span())["errsample.fingerprint"])

    prints = {fingerprint(mode, f"password={value}") for mode in ("off", "default") for value in ("abcde", "fghij")}
    assert 1 == len(prints)
    assert fingerprint("default", "user abcde") != fingerprint("default", "user fghij")


def test_an_attribute_of_the_span_wins_over_the_count(make: Make) -> None:
    bench = make()
    with bench.tracer.start_as_current_span("work", attributes={"errsample.scrubbed": "mine"}) as span:
        span.add_event(MESSAGE)
    assert "mine" == attributes_of(bench.span())["errsample.scrubbed"]
    assert 1 == bench.processor.stats().scrubbed


def test_the_mode_comes_from_the_environment_and_a_bad_one_warns(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_ERRSAMPLE_SCRUB", "off")
    as_span_name(make().tracer, MESSAGE)
    monkeypatch.setenv("OTEL_ERRSAMPLE_SCRUB", "of")
    with caplog.at_level(logging.WARNING):
        bench = make()
    assert (
        "OTEL_ERRSAMPLE_SCRUB: is expected to be one of off, default, strict; the default default is used"
        in caplog.text
    )
    as_span_name(bench.tracer, MESSAGE)
    assert CLEANED == bench.span().name


def test_a_bad_mode_in_code_is_refused() -> None:
    with pytest.raises(ConfigError, match="scrub is expected to be one of off, default, strict, got 'of'"):
        ErrorSpanProcessor(scrub="of")


def test_a_child_starts_to_count_at_zero(make: Make) -> None:
    bench = make()
    as_span_name(bench.tracer, MESSAGE)
    assert 1 == bench.processor.stats().scrubbed
    bench.processor.restart_in_child()
    assert 0 == bench.processor.stats().scrubbed


def test_a_planted_case_says_what_it_plants() -> None:
    case = PLANTED[0]
    assert isinstance(case, Planted)
    assert case.secrets[0] in case.text
    assert "[redacted]" in case.expected
