"""What is told of a failure: from the exception, from its recorded strings, from codes; the extractor without spans.

Which of them is used where a span ends is the subject of test_situations.py.
"""

from __future__ import annotations

import gc
import traceback
import weakref
from types import MappingProxyType

import pytest
from opentelemetry.trace import SpanKind

from otel_errsample import _hot
from tests.failing import event, make_span, raised, told_while, watch
from tests.model.stated import name_of
from tests.unready import needs_unready, unready

CLASSIFIER = _hot.Classifier()


def boom() -> None:
    raise ValueError("boom")


def test_inner_and_outer_span_see_the_same_failure() -> None:
    watcher, tracer = watch()
    with (
        pytest.raises(ValueError, match="boom"),
        tracer.start_as_current_span("outer"),
        tracer.start_as_current_span("inner"),
    ):
        boom()
    (_, inner), (_, outer) = watcher.told
    assert ("live", "boom", "tests.test_classify:boom") == (inner.source, inner.message, inner.culprit)
    assert (inner.fingerprint, inner.message, inner.culprit) == (outer.fingerprint, outer.message, outer.culprit)


def test_an_event_knows_the_place_as_well() -> None:
    watcher, tracer = watch()
    span = tracer.start_span("s")
    try:
        boom()
    except ValueError as error:
        span.record_exception(error, escaped=True)
    span.end()
    assert ("event", "tests.test_classify:boom") == (watcher.facts.source, watcher.facts.culprit)


class Plain(Exception):
    pass


def test_an_event_of_odd_values_is_classified() -> None:
    odd = [{"exception.type": 7, "exception.message": b"x", "exception.stacktrace": 1.5, "exception.escaped": 1}]
    facts = CLASSIFIER.classify_span(make_span(status="ERROR", events=odd))
    assert facts is not None
    assert (True, None, "event", None) == (facts.error, facts.exception, facts.source, facts.message)


@needs_unready
def test_an_event_of_texts_that_are_not_ready_is_classified() -> None:
    stack = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\nValueError: no\n'
    texts = {"exception.type": "ValueError", "exception.message": "no", "exception.stacktrace": stack}
    odd = {key: unready(text) for key, text in texts.items()} | {"exception.escaped": unready("True")}
    facts, expected = (
        CLASSIFIER.classify_span(make_span(status="ERROR", events=[attributes])) for attributes in (odd, texts)
    )
    assert facts is not None
    assert expected is not None
    assert ("ValueError", "no", expected.fingerprint) == (facts.exception, facts.message, facts.fingerprint)


def test_the_message_of_the_event_spares_the_exception_its_str() -> None:
    class Counting(Exception):
        calls = 0

        def __str__(self) -> str:
            Counting.calls += 1
            return "said"

    name = name_of(Counting)
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

    def test_the_attributes_of_a_log_record_do(self) -> None:
        error = raised(lambda: OSError(28, "boom"))
        stack = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        record = MappingProxyType(
            {"exception.type": "OSError", "exception.message": str(error), "exception.stacktrace": stack, "other": 1}
        )
        facts, live = CLASSIFIER.facts(event=record, codes=record), CLASSIFIER.facts(error)
        assert ("resource", "errno:ENOSPC", "event") == (facts.kind, facts.code, facts.source)
        assert (live.fingerprint, live.severity, live.fault) == (facts.fingerprint, facts.severity, facts.fault)

    def test_nothing_tells_nothing(self) -> None:
        assert CLASSIFIER.facts() is None

    def test_raised_exceptions_know_their_place(self) -> None:
        assert "tests.failing:raised" == CLASSIFIER.facts(raised(lambda: ValueError("x"))).culprit
