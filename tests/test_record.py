"""An exception is recorded as the SDK does it, and nothing of it is kept."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, Span, SpanLimits, SpanProcessor, TracerProvider

from otel_errsample import _hot, printing
from tests.raising import Build, failures, load_forms, raised, texts


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Any]:
    return load_forms(tmp_path_factory.mktemp("forms"))


class Attaches(SpanProcessor):
    def __init__(self, ledger: _hot.Ledger | None = None) -> None:
        self.ledger = ledger or _hot.Ledger()
        self.recorder = _hot.Recorder(self.ledger)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.recorder.attach(span)


@pytest.fixture(scope="module")
def recording() -> Attaches:
    """One memo for a module's tests, so that most of what they record was met before."""
    return Attaches()


def start(processor: SpanProcessor | None = None, limits: SpanLimits | None = None) -> Any:
    provider = TracerProvider(shutdown_on_exit=False, span_limits=limits)
    if processor is not None:
        provider.add_span_processor(processor)
    return provider.get_tracer("tests").start_span("work")


def told(event: Event) -> list[Any]:
    attributes: Any = event.attributes
    return [event.name, event.timestamp, attributes.dropped, attributes.maxlen, *attributes.items()]


def same_as_the_sdk(error: BaseException, recording: Attaches, limits: SpanLimits | None = None, **more: Any) -> Any:
    """The event of the SDK and that of the memo, which must be one and the same."""
    stock, ours = start(None, limits), start(recording, limits)
    for span in (stock, ours):
        span.record_exception(error, **{"timestamp": 7, **more})
    assert "record_exception" in vars(ours), "the memo is used"
    assert [told(event) for event in stock.events] == [told(event) for event in ours.events]
    assert {} == recording.ledger.internal_errors
    return ours.events[-1].attributes if ours.events else None


class TestEvent:
    @given(
        build=failures(),
        limits=st.builds(
            SpanLimits,
            max_events=st.integers(0, 2),
            max_event_attributes=st.none() | st.integers(0, 6),
            max_attribute_length=st.none() | st.integers(0, 200),
        ),
        attributes=st.none() | st.dictionaries(st.sampled_from(["a", "exception.message", ""]), texts | st.integers()),
        escaped=st.booleans(),
    )
    def test_limits_attributes_and_escaped_are_honoured(
        self, build: Build, limits: SpanLimits, attributes: Any, escaped: bool, modules: Any, recording: Attaches
    ) -> None:
        same_as_the_sdk(build(modules), recording, limits, attributes=attributes, escaped=escaped)

    def test_the_second_of_a_kind_costs_no_formatting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        recording = Attaches()
        errors = [raised(ValueError(text)) for text in ("first", "second")]
        same_as_the_sdk(errors[0], recording)
        monkeypatch.setattr(printing, "first_frame", None)
        assert "second" == same_as_the_sdk(errors[1], recording)["exception.message"]

    @pytest.mark.parametrize("notes", ["text", [3], b"bytes"], ids=repr)
    def test_what_cannot_be_printed_is_recorded_by_the_sdk(self, notes: object, recording: Attaches) -> None:
        error: Any = raised(ValueError("noted"))
        error.__notes__ = notes
        same_as_the_sdk(error, recording)


class TestOthers:
    """Where somebody else decides how exceptions are recorded, they do."""

    def test_an_sdk_that_writes_another_event_is_left_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def terse(self: Any, exception: BaseException, attributes: Any, timestamp: Any, escaped: Any) -> None:
            self.add_event("exception", {"exception.type": "E"}, timestamp)

        monkeypatch.setattr(Span, "record_exception", terse)
        recording = Attaches()
        assert not recording.recorder.usable
        assert "record_exception" not in vars(start(recording))

    def test_a_method_patched_after_the_start_is_called(
        self, recording: Attaches, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        span, seen = start(recording), []
        monkeypatch.setattr(Span, "record_exception", lambda *args: seen.append(args[1:]))
        error = ValueError("x")
        span.record_exception(error, {"a": 1}, escaped=True)
        assert [(error, {"a": 1}, None, True)] == seen

    def test_an_added_event_may_be_overridden(self, recording: Attaches) -> None:
        span, seen = start(recording), []
        span.add_event = lambda **given: seen.append(given["attributes"]["exception.message"])
        span.record_exception(ValueError("x"))
        assert ["x"] == seen

    def test_a_wrapper_set_by_another_span_processor_stays(self, recording: Attaches) -> None:
        span = start()
        span.record_exception = print
        recording.recorder.attach(span)
        assert print is span.record_exception

    def test_a_span_that_overrides_it_is_left_alone(self, recording: Attaches) -> None:
        class Own(type(start())):  # type: ignore[misc]
            def record_exception(self, *args: Any, **kwargs: Any) -> None: ...

        span = start()
        span.__class__ = Own
        recording.recorder.attach(span)
        assert "record_exception" not in vars(span)


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class TestHostile:
    def test_a_message_that_cannot_be_had_raises_nothing(self) -> None:
        recording = Attaches()
        span = start(recording)
        span.record_exception(raised(Hostile()), {"a": 1})
        (event,) = span.events
        assert "Hostile" == event.attributes["exception.type"].rpartition(".")[2]
        assert "str() failed>" in event.attributes["exception.message"]
        assert "Hostile: <" in event.attributes["exception.stacktrace"]
        assert {"record_exception": 1} == recording.ledger.internal_errors

    def test_a_failure_that_cannot_be_counted_raises_nothing(self) -> None:
        class Full(_hot.Ledger):
            def swallow(self, where: str) -> None:
                raise MemoryError

        span = start(Attaches(Full()))
        span.record_exception(raised(Hostile()))
        assert [] == [*span.events]

    @pytest.mark.parametrize("name", ["__cause__", "__context__", "__traceback__", "__notes__", "__suppress_context__"])
    def test_a_failing_property_raises_nothing(self, name: str) -> None:
        def fail(self: object) -> None:
            raise RuntimeError(name)

        span = start(Attaches())
        span.record_exception(raised(type("Trap", (Exception,), {name: property(fail)})("x")))
        (event,) = span.events
        assert "Trap" == event.attributes["exception.type"].rpartition(".")[2]

    def test_attributes_that_are_none_raise_nothing(self) -> None:
        span = start(Attaches())
        span.record_exception(raised(ValueError("x")), 5)
        assert ["ValueError"] == [event.attributes["exception.type"] for event in span.events]

    def test_an_interrupt_goes_through(self, recording: Attaches) -> None:
        class Interrupted(Exception):
            def __str__(self) -> str:
                raise KeyboardInterrupt

        span = start(recording)
        with pytest.raises(KeyboardInterrupt):
            span.record_exception(raised(Interrupted()))

    def test_what_is_no_exception_is_refused_as_the_sdk_does(self, recording: Attaches) -> None:
        span = start(recording)
        with pytest.raises((TypeError, AttributeError)) as stock:
            start().record_exception("text")
        with pytest.raises(type(stock.value), match=str(stock.value)):
            span.record_exception("text")

    def test_an_ended_span_takes_no_event(self, recording: Attaches, caplog: pytest.LogCaptureFixture) -> None:
        span = start(recording)
        span.end()
        span.record_exception(raised(ValueError("x")))
        assert () == span.events
        assert ["Tried calling _add_event on an ended span."] == [entry.getMessage() for entry in caplog.records]


class TestMemory:
    def test_nothing_of_a_failure_outlives_it(self) -> None:
        class Failure(Exception):
            pass

        recording = Attaches()
        gc.disable()
        try:
            span = start(recording)
            try:
                raise Failure("x")
            except Failure as error:
                span.record_exception(error)
                alive: list[weakref.ref[Any]] = [weakref.ref(span), weakref.ref(error)]
            del span
            assert [None, None] == [ref() for ref in alive], "freed by their reference counts alone"
        finally:
            gc.enable()

    def test_a_method_that_outlives_its_span_does_nothing(self, recording: Attaches) -> None:
        method = start(recording).record_exception
        assert method(ValueError("x")) is None
