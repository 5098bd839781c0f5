"""A stack that waiting errors have in common is kept once, and every request has it in full."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Status, StatusCode, Tracer

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor
from otel_errsample._hot import write_to
from otel_errsample.testing.transport import CollectingTransport
from otel_errsample.transport import Answer, Outcome
from tests.making import Make
from tests.spans import PublicSpan, make_context, make_span, parse
from tests.spools import a_ring, left_in

RETRY = Answer(Outcome.RETRY, cause="unavailable")
KEEP = "e: keep if error"


@pytest.fixture
def transport() -> CollectingTransport:
    """Away until it is told to be back."""
    return CollectingTransport(then=RETRY)


@pytest.fixture
def errors(make: Make, transport: CollectingTransport) -> Callable[..., tuple[Tracer, ErrorSpanProcessor]]:
    return lambda **settings: make(KEEP, transport=transport, **settings)


def descend(depth: int, message: str) -> None:
    """Raise where the stack above the message is longer than what is worth leaving out."""
    if depth:
        descend(depth - 1, message)
    raise ValueError(message)


def descend_abroad(depth: int, message: str) -> None:
    if depth:
        descend_abroad(depth - 1, message)  # so ist es
    raise ValueError(message)  # nicht größer als заказ


def fail_live(tracer: Tracer, message: str, depth: int = 6, descend: Callable[..., None] = descend) -> None:
    """As a request fails: the exception is live when its span ends."""
    try:
        with tracer.start_as_current_span("request"):
            descend(depth, message)
    except ValueError:
        pass


def fail_abroad(tracer: Tracer, message: str, depth: int = 6) -> None:
    """The source lines of the stack are not ASCII."""
    fail_live(tracer, message, depth, descend_abroad)


def fail_told(tracer: Tracer, message: str, depth: int = 6) -> None:
    """The span ends where nothing is left of the exception but its event."""
    span = tracer.start_span("request")
    try:
        descend(depth, message)
    except ValueError as error:
        span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, f"ValueError: {message}"))
    span.end()


WAYS = pytest.mark.parametrize("fail", [fail_live, fail_told, fail_abroad])


def attribute(span: Span, name: str) -> str:
    return next(pair.value.string_value for pair in span.events[0].attributes if pair.key == f"exception.{name}")


def delivered(processor: ErrorSpanProcessor, transport: CollectingTransport) -> dict[str, str]:
    """The stacks that arrive, by their messages; after that nothing is charged."""
    transport.then = Answer(Outcome.ACCEPTED)
    processor.force_flush()
    assert 0 == processor.stats().buffer_bytes
    return {attribute(span, "message"): attribute(span, "stacktrace") for span in transport.spans()}


def charges(
    tracer: Tracer, processor: ErrorSpanProcessor, fail: Callable[..., None], messages: list[str], **more: int
) -> list[int]:
    """What each error is charged."""
    used = [processor.stats().buffer_bytes]
    for message in messages:
        fail(tracer, message, **more)
        used.append(processor.stats().buffer_bytes)
    return [after - before for before, after in pairwise(used)]


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent, and charged to be, before it is flushed."""
    for name in ("OTEL_BSP_SCHEDULE_DELAY", "OTEL_ERRSAMPLE_FLUSH_ERRORS_MS"):
        monkeypatch.setenv(name, "60000")
    monkeypatch.setattr(ErrorSpanProcessor, "_start_worker", lambda self: None, raising=False)


@WAYS
def test_the_stack_is_charged_once(
    errors: Any, transport: CollectingTransport, fail: Callable[..., None], asleep: None
) -> None:
    tracer, processor = errors()
    messages = [f"{number}00 are missing" for number in range(10)]
    first, second, third, *rest = charges(tracer, processor, fail, messages)
    stack = len(max(delivered(processor, transport).values(), key=len).encode()) - len(f"{messages[0]}\n")
    assert stack > 500
    assert second == first + 16 + 96, "it is whole in the first, and once more for those that come"
    assert {first + 16 - stack} == {third, *rest}


@WAYS
@pytest.mark.parametrize(
    "messages",
    [
        ["plain", "another", "a third"],
        ["größer", "plain", "é"],
        ["заказ", "plain", "заказ 2"],
        ["😀", "😀 2", "plain"],
        ["two\nlines", "three\n\nlines", "one"],
        ["x" * 900, "y" * 1100, "z" * 5000],
        ["lone \ud800 surrogate", "lone \ud801 surrogate", "plain"],
    ],
    ids=["ascii", "latin", "cyrillic", "emoji", "lines", "long", "surrogates"],
)
def test_every_stack_arrives_as_it_was(
    errors: Any, transport: CollectingTransport, fail: Callable[..., None], messages: list[str]
) -> None:
    tracer, processor = errors()
    alone: dict[str, str] = {}
    for message in messages:
        away = CollectingTransport(then=RETRY)
        provider = TracerProvider(ErrorAwareSampler(ALWAYS_OFF), shutdown_on_exit=False)
        lonely = ErrorSpanProcessor(KEEP, transport=away)
        provider.add_span_processor(lonely)
        fail(provider.get_tracer("test"), message)
        alone |= delivered(lonely, away)
        lonely.shutdown()
        for _ in range(3):
            fail(tracer, message)
    assert alone == delivered(processor, transport)


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.text(max_size=60), st.integers(1, 30), st.booleans(), st.booleans()),
        max_size=20,
    ),
    st.integers(65_536, 100_000),
)
def test_the_budget_and_the_bytes_are_right_whatever_comes_and_goes(
    errors: list[tuple[int, str, int, bool, bool]], budget: int
) -> None:
    """Places, messages, how often, and whether the receiver is there; the least valuable give way meanwhile."""
    transport = CollectingTransport(then=RETRY)
    processor = ErrorSpanProcessor(KEEP, transport=transport, max_buffer_bytes=budget)
    provider = TracerProvider(ErrorAwareSampler(ALWAYS_OFF), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    for depth, message, times, live, there in errors:
        transport.then = Answer(Outcome.ACCEPTED) if there else RETRY
        for _ in range(times):
            (fail_live if live else fail_told)(tracer, message, depth)
        assert processor.stats().buffer_bytes <= budget
        if there:
            processor.force_flush()
    transport.then = Answer(Outcome.ACCEPTED)
    processor.shutdown()
    stats = processor.stats()
    assert (True, 0, {}) == (stats.balanced, stats.buffer_bytes, stats.internal_errors), stats
    for span in transport.spans():
        stack = attribute(span, "stacktrace")
        assert stack.startswith("Traceback (most recent call last):\n  File ")
        frames = stack.count(", in descend\n")
        assert frames in {depth + 1 for depth, *_ in errors} or "Previous line repeated" in stack
        assert 0 == stack.count("\0") or any("\0" in message for _, message, *_ in errors)


def place(number: int) -> Callable[[int, str], None]:
    """A function of its own that raises, its stack longer than that of the one before."""
    names: dict[str, Any] = {"descend": descend}
    name = "place" + number * "_"
    exec(compile(f"def {name}(depth, message):\n    descend(depth, message)", "shop/orders.py", "exec"), names)
    return cast("Callable[[int, str], None]", names[name])


def test_a_storm_from_many_places_has_its_stacks_in_common(errors: Any, asleep: None) -> None:
    """They are known beside each other: of 32 hardly one puts out another."""
    tracer, processor = errors()
    places = [place(number) for number in range(32)]
    for descend_there in 2 * places:
        fail_live(tracer, "order 000", 6, descend_there)
    shared = 0
    for descend_there in places:
        used = processor.stats().buffer_bytes
        fail_live(tracer, "order 000", 6, descend_there)
        shared += processor.stats().buffer_bytes - used < 1000
    assert shared > 24


@WAYS
def test_evicted_errors_leave_the_stack_to_the_others(
    errors: Any, transport: CollectingTransport, fail: Callable[..., None]
) -> None:
    tracer, processor = errors(max_buffer_bytes=65_536)
    for number in range(300):
        fail(tracer, f"order {number}")
    stats = processor.stats()
    assert stats.endings["evicted"] + stats.endings["delivery_unknown"] > 0
    arrived = delivered(processor, transport)
    assert len(arrived) > 10
    assert 1 == len({stack.rpartition("ValueError: ")[0] for stack in arrived.values()})


@WAYS
def test_the_spool_has_the_stack_in_full(
    errors: Any, transport: CollectingTransport, make: Make, fail: Callable[..., None], tmp_path: Path
) -> None:
    tracer, processor = errors(spool_dir=tmp_path)
    for number in range(5):
        fail(tracer, f"order {number}")
    processor.shutdown(200)
    assert 5 == processor.stats().endings["spooled"]
    later = CollectingTransport()
    _, heir = make(KEEP, transport=later, spool_dir=tmp_path)
    assert later.wait_for(1)
    arrived = delivered(heir, later)
    assert {f"order {number}" for number in range(5)} == set(arrived)
    assert 1 == len({stack.rpartition("ValueError: ")[0] for stack in arrived.values()})


def test_a_spool_that_comes_later_has_the_stack_in_full(
    errors: Any, transport: CollectingTransport, tmp_path: Path, asleep: None
) -> None:
    tracer, processor = errors()
    write_to(processor.buffer, None)
    for number in range(4):
        fail_told(tracer, f"order {number}")
    path = tmp_path / "later.spool"
    write_to(processor.buffer, a_ring(path, shelf=65_536))
    shelves, damaged = left_in(path.read_bytes())
    spooled = [parse(record[4]) for shelf in shelves for record in shelf]
    assert (0, 4) == (damaged, len(spooled))
    assert delivered(processor, transport) == {
        attribute(span, "message"): attribute(span, "stacktrace") for span in spooled
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_begins_its_own_account(errors: Any, transport: CollectingTransport, asleep: None) -> None:
    tracer, processor = errors()
    first, *_ = charges(tracer, processor, fail_told, ["order 000", "order 001", "order 002"])
    processor.before_fork()
    processor.after_fork_in_child()
    processor.after_fork_in_parent()
    assert 0 == processor.stats().buffer_bytes
    again, more = charges(tracer, processor, fail_told, ["order 003", "order 004"])
    assert again > first / 2 > 0 < more < again
    assert {"order 003", "order 004"} == set(delivered(processor, transport))


def test_a_chain_has_in_common_what_stands_above_the_last_message(errors: Any, transport: CollectingTransport) -> None:
    tracer, processor = errors()
    expected: dict[str, str] = {}

    def chained(number: int) -> None:
        span = tracer.start_span("request")
        try:
            try:
                descend(5, "the same")
            except ValueError as error:
                raise LookupError(f"order {number}") from error
        except LookupError as error:
            expected[f"order {number}"] = "".join(traceback.format_exception(error))
            span.record_exception(error)
        span.set_status(StatusCode.ERROR)
        span.end()

    for number in range(5):
        chained(number)
    assert expected == delivered(processor, transport)


def test_secrets_are_taken_out_of_a_known_stack(errors: Any, transport: CollectingTransport) -> None:
    tracer, processor = errors()
    for message in ("plain 1", "plain 2", "password=q7hunter2X", "plain 3"):
        fail_told(tracer, message)
    arrived = delivered(processor, transport)
    assert 4 == len(arrived)
    assert not any("q7hunter2X" in text for pair in arrived.items() for text in pair)


class Subclass(str):
    __slots__ = ()


BEGINNINGS = [
    "Traceback (most recent call last):\n" + f'  File "shop/{name}.py", line {number}, in {name}\n' * number
    for number in (4, 20, 160)
    for name in ("orders", "größe", "заказ", "\N{PILE OF POO}", "\udce9")
]
FORMS: list[Callable[[str], Any]] = [str, str, str, Subclass, str.encode, lambda text: {"exception.stacktrace": text}]


@st.composite
def exception_events(draw: st.DrawFn) -> Event:
    """As the SDK writes them, and as nobody should: with texts of other types, more of them, in another order."""
    name = draw(st.sampled_from(["ValueError", "ValueError", "shop.Überlauf", "a <b>"]))
    message = draw(st.sampled_from(["", "заказ", "two\nlines", "password=q7hunter2X", "y" * 1100]) | st.text())
    said = draw(st.sampled_from([message, message, "what the event does not say"]))
    above = "".join(draw(st.lists(st.sampled_from(BEGINNINGS), min_size=1, max_size=2)))
    stack = f"{above}{name}: {said}\n" + draw(st.sampled_from(["", "", "a note\n", "\n" + BEGINNINGS[0]]))
    form = draw(st.sampled_from(FORMS))
    attributes = {
        "exception.type": name,
        "exception.message": message,
        "exception.stacktrace": stack if "\udce9" in stack and form is str.encode else form(stack),
        "exception.escaped": "False",
        "filler": "z" * draw(st.sampled_from([0, 200, 20_000])),
    }
    return Event("exception", {key: attributes[key] for key in draw(st.permutations(list(attributes)))})


def arrived(spans: list[ReadableSpan]) -> dict[bytes, Span]:
    """What a processor sends of them, which waits until all have ended."""
    transport = CollectingTransport(then=RETRY)
    processor = ErrorSpanProcessor(KEEP, transport=transport, max_buffer_bytes=262_144)
    for span in spans:
        processor.on_end(span)
    transport.then = Answer(Outcome.ACCEPTED)
    processor.shutdown()
    stats = processor.stats()
    assert (True, 0, {}) == (stats.balanced, stats.buffer_bytes, stats.internal_errors), stats
    return {span.span_id: span for span in transport.spans()}


@settings(max_examples=40)
@given(st.lists(st.lists(exception_events(), min_size=1, max_size=3), min_size=3, max_size=10))
def test_every_span_arrives_as_from_a_processor_that_met_no_other(told: list[list[Event]]) -> None:
    spans = [
        make_span(
            context=make_context(span_id=number),
            events=events,
            attributes={"exception.stacktrace": BEGINNINGS[5]},
            status=Status(StatusCode.ERROR),
        )
        for number, events in enumerate([*told, *told, *told], 1)
    ]
    expected: dict[bytes, Span] = {}
    for span in spans:
        expected |= arrived([span])
    found = arrived(spans)
    assert found == {span_id: span for span_id, span in expected.items() if span_id in found}
    assert found


class Anew(Event):
    """Makes its attributes at each look, the second time with another stack."""

    def __init__(self, number: int, *stacks: str) -> None:
        super().__init__("exception")
        self._made = (
            {
                "exception.type": "ValueError",
                "exception.message": f"order {number}",
                "exception.stacktrace": f"{stack}ValueError: order {number}\n",
            }
            for stack in stacks
        )

    @property
    def attributes(self) -> dict[str, str]:
        return next(self._made)


def test_a_text_at_the_address_of_a_former_one_is_not_taken_for_it(errors: Any, transport: CollectingTransport) -> None:
    _, processor = errors()
    first, second = (
        "Traceback (most recent call last):\n" + f'  File "shop/{name}.py", line 1, in {name}\n' * 20 for name in "ab"
    )
    failed = Status(StatusCode.ERROR)
    for number, stacks in enumerate([(first, first)] * 3 + [(first, second)] * 3):
        context = make_context(span_id=number + 1)
        processor.on_end(make_span(of=PublicSpan, context=context, events=[Anew(number, *stacks)], status=failed))
    expected = {
        f"order {number}": f"{first if number < 3 else second}ValueError: order {number}\n" for number in range(6)
    }
    assert expected == delivered(processor, transport)
