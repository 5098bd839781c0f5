"""What counts as an error: the live exception, the event, codes and status, each in its place."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Tracer
from opentelemetry.trace.status import Status, StatusCode

from otel_errsample import _hot
from tests.failing import caused, event, make_span, raised, told_while, watch
from tests.model import classify as model

CLASSIFIER = _hot.Classifier()


def boom(message: str = "boom") -> None:
    raise ValueError(message)


def brief(facts: Any) -> tuple[Any, ...] | None:
    return None if facts is None else (facts.error, facts.exception, facts.source)


LIVE = (True, "ValueError", "live")
EVENT = (True, "ValueError", "event")


def context_manager(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s"):
        boom()


def use_span(tracer: Tracer) -> None:
    with trace.use_span(tracer.start_span("s"), end_on_exit=True):
        boom()


def span_as_manager(tracer: Tracer) -> None:
    with tracer.start_span("s"):
        boom()


def exit_stack(tracer: Tracer) -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(tracer.start_as_current_span("s"))
        boom()


def decorator(tracer: Tracer) -> None:
    tracer.start_as_current_span("s")(boom)()


def decorated_coroutine(tracer: Tracer) -> None:
    @tracer.start_as_current_span("s")
    async def work() -> None:
        await asyncio.sleep(0)
        boom()

    asyncio.run(work())


def gathered(tracer: Tracer) -> None:
    async def work() -> None:
        with tracer.start_as_current_span("s"):
            await asyncio.sleep(0)
            boom()

    async def main() -> None:
        await asyncio.gather(work())

    asyncio.run(main())


def worker_thread(tracer: Tracer) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(context_manager, tracer).result()


def end_while_propagating(tracer: Tracer) -> None:
    with tracer.start_as_current_span("s", end_on_exit=False) as span:
        try:
            boom()
        except ValueError as error:
            span.record_exception(error)
            raise
        finally:
            span.end()


@pytest.mark.parametrize(
    "situation",
    [
        context_manager, use_span, span_as_manager, exit_stack, decorator, decorated_coroutine, gathered,
        worker_thread, end_while_propagating,
    ],
    ids=lambda situation: situation.__name__,
)  # fmt: skip
def test_an_exception_that_leaves_the_span_is_taken_live(situation: Callable[[Tracer], None]) -> None:
    watcher, tracer = watch()
    with pytest.raises(ValueError, match="boom"):
        situation(tracer)
    assert LIVE == brief(watcher.facts)
    assert "tests.test_classify:boom" == watcher.facts.culprit
    assert "boom" == watcher.facts.message


def test_inner_and_outer_span_see_the_same_failure() -> None:
    watcher, tracer = watch()
    with (
        pytest.raises(ValueError, match="boom"),
        tracer.start_as_current_span("outer"),
        tracer.start_as_current_span("inner"),
    ):
        boom()
    (_, inner), (_, outer) = watcher.told
    assert LIVE == brief(inner) == brief(outer)
    assert inner.fingerprint == outer.fingerprint


def test_an_unrecorded_exception_with_status_unset_counts_as_handled() -> None:
    watcher, tracer = watch()
    with (
        pytest.raises(ValueError, match="boom"),
        tracer.start_as_current_span("s", record_exception=False, set_status_on_exception=False),
    ):
        boom()
    assert watcher.facts is None


def test_a_recorded_exception_whose_span_ends_after_the_handler_is_read_from_its_event() -> None:
    watcher, tracer = watch()
    span = tracer.start_span("s")
    try:
        boom()
    except ValueError as error:
        span.record_exception(error)
        span.set_status(StatusCode.ERROR)
    span.end()
    assert EVENT == brief(watcher.facts)
    assert "tests.test_classify:boom" == watcher.facts.culprit


@pytest.mark.parametrize("record", [True, False], ids=["recorded", "suppressed"])
def test_what_is_handled_inside_the_span_is_no_error(record: bool) -> None:
    watcher, tracer = watch()
    with tracer.start_as_current_span("s") as span:
        try:
            boom()
        except ValueError as error:
            if record:
                span.record_exception(error)
    assert watcher.facts is None


def test_a_span_ended_by_another_thread_is_read_from_its_event() -> None:
    watcher, tracer = watch()
    span = tracer.start_span("s")
    try:
        boom()
    except ValueError as error:
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, "ValueError: boom"))
        thread = threading.Thread(target=span.end)
        thread.start()
        thread.join()
    assert EVENT == brief(watcher.facts)


def test_an_escaped_event_is_an_error_whatever_the_status() -> None:
    watcher, tracer = watch()
    with tracer.start_as_current_span("s") as span:
        span.record_exception(ValueError("boom"), escaped=True)
    assert EVENT == brief(watcher.facts)


@pytest.mark.parametrize(
    ("leaving", "told"),
    [
        (KeyboardInterrupt(), (True, "KeyboardInterrupt", "live")),
        (SystemExit(1), (True, "SystemExit", "live")),
        (SystemExit(0), (False, "SystemExit", "live")),
        (SystemExit(None), (False, "SystemExit", "live")),
        (GeneratorExit(), (False, "GeneratorExit", "live")),
        (asyncio.CancelledError(), (False, "asyncio.exceptions.CancelledError", "live")),
    ],
    ids=["interrupt", "exit 1", "exit 0", "exit", "closed generator", "cancelled"],
)
def test_exits_and_cancellations_are_seen_although_the_sdk_records_nothing(
    leaving: BaseException, told: tuple[bool, str, str]
) -> None:
    watcher, tracer = watch()
    with pytest.raises(type(leaving)), tracer.start_as_current_span("s"):
        raise leaving
    assert StatusCode.UNSET is watcher.spans[0].status.status_code
    assert told == brief(watcher.facts)


def test_a_timeout_cancels_inside_and_fails_outside() -> None:
    watcher, tracer = watch()

    async def main() -> None:
        async def wait() -> None:
            with tracer.start_as_current_span("inner"):
                await asyncio.Event().wait()

        with tracer.start_as_current_span("outer"):
            await asyncio.wait_for(wait(), 0.001)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())
    told = dict(watcher.told)
    assert (False, "cancelled") == (told["inner"].error, told["inner"].kind)
    assert (True, "timeout") == (told["outer"].error, told["outer"].kind)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="task groups came with 3.11")
def test_a_task_group_fails_by_its_leaves() -> None:
    watcher, tracer = watch()

    async def main() -> None:
        async def fail() -> None:
            with tracer.start_as_current_span("child"):
                boom()

        async def sibling() -> None:
            with tracer.start_as_current_span("sibling"):
                await asyncio.Event().wait()

        with tracer.start_as_current_span("outer"):
            async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined,unused-ignore]
                group.create_task(sibling())
                group.create_task(fail())

    with pytest.raises(BaseException):  # noqa: B017 (an ExceptionGroup, unknown to 3.10)
        asyncio.run(main())
    told = dict(watcher.told)
    assert LIVE == brief(told["child"])
    assert (False, "cancelled") == (told["sibling"].error, told["sibling"].kind)
    assert (True, "ExceptionGroup", "bug") == (told["outer"].error, told["outer"].exception, told["outer"].kind)


class TestStale:
    """What was live when the span started is not this span's failure."""

    def test_a_span_opened_while_handling_and_ending_well_did_not_fail(self) -> None:
        watcher, tracer = watch()
        try:
            boom()
        except ValueError:
            with tracer.start_as_current_span("s"):
                pass
        assert watcher.facts is None

    def test_an_error_of_its_own_is_not_blamed_on_the_outer_exception(self) -> None:
        watcher, tracer = watch()
        try:
            boom()
        except ValueError:
            with tracer.start_as_current_span("s") as span:
                span.set_status(StatusCode.ERROR)
        assert (True, None, "status") == brief(watcher.facts)

    def test_raising_it_again_through_the_span_makes_it_the_spans_own(self) -> None:
        watcher, tracer = watch()
        try:
            boom()
        except ValueError:
            with pytest.raises(ValueError, match="boom"), tracer.start_as_current_span("s"):
                raise
        assert LIVE == brief(watcher.facts)

    def test_reporting_it_on_a_span_of_its_own_is_no_failure_of_that_span(self) -> None:
        watcher, tracer = watch()
        try:
            boom()
        except ValueError as error:
            with tracer.start_as_current_span("s") as span:
                span.record_exception(error)
        assert watcher.facts is None

    def test_another_exception_of_the_same_class_is_read_from_its_event(self) -> None:
        watcher, tracer = watch()
        try:
            boom("outer")
        except ValueError:
            with tracer.start_as_current_span("s") as span:
                try:
                    boom("inner")
                except ValueError as error:
                    span.record_exception(error)
                    span.set_status(StatusCode.ERROR)
        assert EVENT == brief(watcher.facts)
        assert "inner" == watcher.facts.message


class Plain(Exception):
    pass


class Meta(type):
    """A metaclass that refuses whatever may be asked of a class."""

    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)

    def __eq__(cls, other: object) -> bool:
        raise RuntimeError("eq")

    def __hash__(cls) -> int:
        raise RuntimeError("hash")

    def __instancecheck__(cls, instance: object) -> bool:
        raise RuntimeError("instance")


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("str")

    def __repr__(self) -> str:
        raise RuntimeError("repr")


class Unreadable(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


class Liar(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return int


class Property(Exception):
    @property
    def status_code(self) -> int:
        raise SystemExit(3)

    @property
    def sqlstate(self) -> str:
        raise MemoryError


class Endless(Exception):
    def __str__(self) -> str:
        return "x" * 100_000


class Odd(str):
    def __getitem__(self, key: Any) -> str:
        raise RuntimeError("slice")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = str.__hash__


class OddText(Exception):
    def __str__(self) -> str:
        return Odd("odd")


Refusing = Meta("Refusing", (Exception,), {})

HOSTILE: dict[str, tuple[Callable[[], BaseException], str, str | None]] = {
    "str raises": (lambda: Unprintable("x"), "tests.test_classify.Unprintable", None),
    "getattribute raises": (lambda: Unreadable("x"), "tests.test_classify.Unreadable", "x"),
    "class lies": (lambda: Liar("x"), "tests.test_classify.Liar", "x"),
    "properties raise": (lambda: Property("x"), "tests.test_classify.Property", "x"),
    "metaclass refuses": (lambda: Refusing("x"), "tests.test_classify.Refusing", "x"),
    "huge text": (Endless, "tests.test_classify.Endless", "x" * 1024),
    "text of a subclass": (OddText, "tests.test_classify.OddText", "odd"),
    "argument of a subclass": (lambda: ValueError(Odd("odd")), "ValueError", "odd"),
}


@pytest.mark.parametrize(("make", "name", "message"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_exception_is_classified_and_harms_nothing(
    make: Callable[[], BaseException], name: str, message: str | None
) -> None:
    facts = told_while(make(), make_span(status="ERROR"), _hot.Classifier())
    assert (True, name, message) == (facts.error, facts.exception, facts.message)
    assert message is None or str is type(facts.message)
    assert 18 == len(facts.fingerprint)


def test_an_event_of_odd_values_is_classified() -> None:
    odd = [{"exception.type": 7, "exception.message": b"x", "exception.stacktrace": 1.5, "exception.escaped": 1}]
    facts = CLASSIFIER.classify_span(make_span(status="ERROR", events=odd))
    assert facts is not None
    assert (True, None, "event", None) == (facts.error, facts.exception, facts.source, facts.message)


def test_a_cause_that_refers_back_is_followed_once() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    facts = told_while(first, make_span(status="ERROR"), CLASSIFIER)
    assert ("ValueError", "KeyError") == facts.chain


def test_a_thousand_causes_are_read_to_the_eighth() -> None:
    error: BaseException = ValueError("root")
    for _ in range(1000):
        error = caused(RuntimeError("link"), error, True)
    facts = told_while(error, make_span(status="ERROR"), CLASSIFIER)
    assert 8 == len(facts.chain)


def test_an_interrupt_that_arrives_while_an_exception_is_read_is_not_swallowed() -> None:
    class Interrupting(Exception):
        def __str__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told_while(Interrupting(), make_span(status="ERROR"), CLASSIFIER)


def test_the_message_of_the_event_spares_the_exception_its_str() -> None:
    class Counting(Exception):
        calls = 0

        def __str__(self) -> str:
            Counting.calls += 1
            return "said"

    name = model.name_of(Counting)
    facts = told_while(Counting(), make_span(status="ERROR", events=[event(name, "written")]), CLASSIFIER)
    assert ("live", "written", 0) == (facts.source, facts.message, Counting.calls)


def test_neither_exception_nor_frames_are_kept() -> None:
    class Local:
        pass

    def fail() -> weakref.ref[Local]:
        local = Local()
        alive.append(weakref.ref(local))
        raise Plain("x")

    alive: list[weakref.ref[Local]] = []
    kept: list[_hot.ErrorFacts | None] = []
    try:
        fail()
    except Plain as error:
        exception = weakref.ref(error)
        kept.append(CLASSIFIER.classify_span(make_span(status="ERROR")))
    gc.collect()
    assert kept[0] is not None
    assert "live" == kept[0].source
    assert exception() is None
    assert alive[0]() is None


class TestFacts:
    """The extractor apart from spans."""

    def test_an_exception_and_its_recorded_strings_tell_the_same(self) -> None:
        watcher, tracer = watch()
        with pytest.raises(OSError, match="boom"), tracer.start_as_current_span("s"):
            raise OSError(28, "boom")
        recorded = watcher.spans[0].events[0].attributes
        from_event = CLASSIFIER.facts(event=recorded)
        for axis in ("error", "exception", "kind", "severity", "recovery", "code", "message", "fingerprint", "culprit"):
            assert getattr(watcher.facts, axis) == getattr(from_event, axis), axis

    def test_codes_alone_are_judged_by_the_kind_of_span(self) -> None:
        facts = CLASSIFIER.facts(codes={"http.response.status_code": 503}, span_kind=SpanKind.CLIENT, name="GET")
        assert ("unavailable", "dependency", "warn") == (facts.kind, facts.fault, facts.severity)

    def test_an_exception_that_was_never_raised_is_told_by_type_message_and_place(self) -> None:
        first, again, elsewhere = (
            CLASSIFIER.facts(ValueError(f"no row {number}"), name=name)
            for number, name in ((1, "a"), (2, "a"), (1, "b"))
        )
        assert first.fingerprint == again.fingerprint != elsewhere.fingerprint
        assert first.culprit is None

    def test_nothing_tells_nothing(self) -> None:
        assert CLASSIFIER.facts() is None

    def test_raised_exceptions_know_their_place(self) -> None:
        assert "tests.failing:raised" == CLASSIFIER.facts(raised(lambda: ValueError("x"))).culprit
