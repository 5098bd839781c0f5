"""Hostile exceptions cost the application nothing: their span is delivered with a placeholder, the work is bounded."""

from __future__ import annotations

import builtins
import os
import signal
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor, _hot
from otel_errsample.testing import CollectingTransport
from tests.failing import caused, event, make_span, told_while
from tests.failures import HAS_GROUPS

GROUP: Any = getattr(builtins, "ExceptionGroup", None)  # came with 3.11


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


class Recursing(Exception):
    def __str__(self) -> str:
        return f"{self}"

    __repr__ = __str__


class Uncomparable(Exception):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __hash__(self) -> int:
        raise RuntimeError("hash")

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __len__(self) -> int:
        raise RuntimeError("len")


class NoText(Exception):
    __str__ = lambda self: 7  # type: ignore[assignment,return-value]  # noqa: E731


Refusing = Meta("Refusing", (Exception,), {})

HOSTILE: dict[str, tuple[Callable[[], BaseException], str, str | None]] = {
    "str raises": (lambda: Unprintable("x"), "tests.test_hostile.Unprintable", None),
    "getattribute raises": (lambda: Unreadable("x"), "tests.test_hostile.Unreadable", "x"),
    "class lies": (lambda: Liar("x"), "tests.test_hostile.Liar", "x"),
    "properties raise": (lambda: Property("x"), "tests.test_hostile.Property", "x"),
    "metaclass refuses": (lambda: Refusing("x"), "tests.test_hostile.Refusing", "x"),
    "huge text": (Endless, "tests.test_hostile.Endless", "x" * 1024),
    "text of a subclass": (OddText, "tests.test_hostile.OddText", "odd"),
    "str recurses": (lambda: Recursing("x"), "tests.test_hostile.Recursing", None),
    "cannot be compared": (lambda: Uncomparable("x"), "tests.test_hostile.Uncomparable", "x"),
    "str answers an int": (lambda: NoText("x"), "tests.test_hostile.NoText", None),
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


def delivered(error: BaseException) -> tuple[BaseException | None, Span]:
    """What the application sees of an exception that leaves a span, and the span that was sent."""
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    seen: BaseException | None = None
    manager = provider.get_tracer("test").start_as_current_span(
        "s", record_exception=False, set_status_on_exception=False
    )
    try:
        with manager as span:
            span.set_status(StatusCode.ERROR)
            raise error
    except BaseException as left:  # whatever it is
        seen = left
    assert processor.shutdown(10_000)
    stats = processor.stats()
    assert stats.balanced
    assert {} == stats.internal_errors
    (sent,) = transport.spans()
    return seen, sent


class Lazy(Exception):
    """Every attribute raises, even those the interpreter has."""

    def raises(self, name: str) -> None:
        raise RuntimeError(name)

    __traceback__ = property(lambda self: self.raises("traceback"), lambda self, value: None)

    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("cause")

    @property
    def args(self) -> Any:  # type: ignore[override]
        raise RuntimeError("args")

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("dict")


@pytest.mark.scenario("A2")
@pytest.mark.parametrize(
    "make",
    [*(make for make, _, _ in HOSTILE.values()), lambda: Lazy("x")],
    ids=[*HOSTILE, "attributes of the interpreter raise"],
)
def test_the_span_is_delivered_and_the_application_sees_its_own_exception(make: Callable[[], BaseException]) -> None:
    error = make()
    seen, sent = delivered(error)
    assert error is seen
    texts = {item.key: item.value.string_value for item in sent.attributes}
    assert type.__dict__["__qualname__"].__get__(type(error)) == texts["error.type"].rpartition(".")[2]
    assert texts["errsample.fingerprint"].startswith("1-")
    assert "live" == texts["errsample.source"]


@pytest.mark.skipif(not HAS_GROUPS, reason="groups came with 3.11")
@pytest.mark.parametrize("make", [make for make, _, _ in HOSTILE.values()], ids=HOSTILE)
def test_hostile_members_of_a_group_are_counted_as_any(make: Callable[[], BaseException]) -> None:
    group = GROUP("g", [ValueError("x"), make()])
    seen, sent = delivered(group)
    assert group is seen
    assert "ExceptionGroup" in [item.value.string_value for item in sent.attributes]


def nested(depth: int, width: int) -> BaseException:
    """Groups of many members, of which each is the next group: more ways through them than can be gone."""
    group: BaseException = KeyError("x")
    for _ in range(depth):
        group = GROUP("g", [group] * width)
    return group


def fanned(depth: int, width: int) -> BaseException:
    """The same, with the next group as the cause of each."""
    inner: BaseException = KeyError("x")
    for _ in range(depth):
        members = [caused(RuntimeError("task"), inner, explicit=True) for _ in range(width)]
        inner = GROUP("g", members)
    return inner


@pytest.mark.skipif(not HAS_GROUPS, reason="groups came with 3.11")
@pytest.mark.parametrize("make", [nested, fanned])
def test_groups_inside_groups_are_looked_at_in_bounded_time(make: Callable[[int, int], BaseException]) -> None:
    assert "bug" == _hot.Classifier().facts(make(2, 3)).kind
    assert "bug" == _hot.Classifier().facts(make(12, 60)).kind


def test_hostile_links_of_a_chain_are_followed() -> None:
    error = caused(ValueError("x"), caused(Unreadable("y"), Refusing("z"), False), True)
    facts = _hot.Classifier().facts(error)
    assert ("ValueError", "tests.test_hostile.Unreadable", "tests.test_hostile.Refusing") == facts.chain


class TestBounds:
    """Work that grows with what an application throws would be the application's to wait for."""

    def test_text_is_asked_for_once_and_only_where_no_event_tells_it(self) -> None:
        asked: list[str] = []

        class Counting(Exception):
            def __str__(self) -> str:
                asked.append("str")
                return "said"

            def __repr__(self) -> str:
                asked.append("repr")
                return "said"

        error = Counting()
        _hot.Classifier().facts(caused(ValueError("x"), error, True))
        assert [] == asked
        assert "said" == _hot.Classifier().facts(error).message
        assert ["str"] == asked

    def test_of_a_long_chain_only_the_first_links_are_asked_for_codes(self) -> None:
        asked: list[int] = []

        class Link(Exception):
            def __init__(self, number: int) -> None:
                super().__init__(number)
                self.number = number

            @property
            def status_code(self) -> None:
                asked.append(self.number)

        error: BaseException = Link(300)
        for number in range(299, -1, -1):
            error = caused(Link(number), error, True)
        facts = _hot.Classifier().facts(error)
        assert facts.chain is not None
        assert 8 == len(facts.chain)
        assert list(range(8)) == sorted(set(asked))
        assert 24 >= len(asked)

    @pytest.mark.parametrize("source", ["live", "event", "event of a cut text", "description", "stack without event"])
    def test_fifty_million_characters_are_not_copied(self, source: str) -> None:
        huge = "x" * 50_000_000
        error: BaseException = ValueError(huge)
        classifier = _hot.Classifier()
        stack = f'Traceback (most recent call last):\n  File "/srv/app/a.py", line 1, in pay\nValueError: {huge}\n'
        spans = {
            "live": {"events": [event("ValueError", huge)]},
            "event": {"events": [event("ValueError", huge, **{"exception.stacktrace": stack})]},
            "event of a cut text": {"events": [event("ValueError", huge, **{"exception.stacktrace": stack[:-9]})]},
            "description": {"description": huge},
            "stack without event": {"events": [event("ValueError", "", **{"exception.stacktrace": stack})]},
        }
        span = make_span(status="ERROR", **spans[source])  # type: ignore[arg-type]
        told_while(error, make_span(status="ERROR"), classifier)
        tracemalloc.start()
        try:
            facts = told_while(error, span, classifier) if source == "live" else classifier.classify_span(span)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert facts is not None
        assert facts.error
        assert peak < 200_000
        if source == "event":
            assert "srv.app.a:pay" == facts.culprit

    def test_a_forged_stack_of_a_megabyte_is_read_in_part(self) -> None:
        frames = '  File "/evil/forged.py", line 1, in forged\n' * 20_000
        stack = f"Traceback (most recent call last):\n{frames}ValueError: no\n"
        facts = _hot.Classifier().facts(
            event={"exception.type": "ValueError", "exception.message": "no", "exception.stacktrace": stack}
        )
        assert ("event", "evil.forged:forged") == (facts.source, facts.culprit)


def test_an_interrupt_that_arrives_while_an_exception_is_read_is_not_swallowed() -> None:
    class Interrupting(Exception):
        def __str__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told_while(Interrupting(), make_span(status="ERROR"), _hot.Classifier())


class Interrupted(Sequence[int]):
    """A user's own value; Ctrl-C comes while it is read."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, at: Any) -> Any:
        if at:
            raise IndexError
        os.kill(os.getpid(), signal.SIGINT)
        return 1


def test_an_interrupt_that_arrives_while_a_value_is_read_reaches_the_application() -> None:
    transport = CollectingTransport()
    processor = ErrorSpanProcessor("keep", transport=transport, flush_errors_ms=60_000)
    with pytest.raises(KeyboardInterrupt):  # at an instruction after the hook
        processor.on_end(make_span(status="ERROR", attributes={"sizes": Interrupted()}))
        for _ in range(1_000):
            pass
    assert processor.shutdown(10_000)
    assert {"delivered": 1} == {name: count for name, count in processor.stats().endings.items() if count}
