"""An exception that passes several spans is told once: the first kept one is its origin, the others point there."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from otel_errsample import ErrorFacts, ErrorSpanProcessor, Rules, Verdict
from otel_errsample._hot import Classifier, RuleTable
from otel_errsample.taxonomy import UserRow
from otel_errsample.testing import CollectingTransport, ManualClock
from tests.failures import HAS_GROUPS


class Failed(Exception):
    pass


class Service:
    """A processor under rules of its own; `spans()` ends it, proves the books and answers what was sent."""

    def __init__(self, rules: str = "keep if error", **arguments: Any) -> None:
        self.transport = CollectingTransport()
        self.clock = ManualClock()
        self.verdicts: list[Verdict] = []
        self.processor = ErrorSpanProcessor(
            rules,
            transport=self.transport,
            clock=self.clock.monotonic_ns,
            scope="span",
            on_verdict=self.verdicts.append,
            **arguments,
        )
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(self.processor)
        self.tracer: Tracer = provider.get_tracer("test")

    def spans(self) -> list[Span]:
        assert self.processor.shutdown(10_000)
        stats = self.processor.stats()
        assert stats.balanced, stats
        assert not stats.internal_errors, stats
        return list(self.transport.spans())

    def named(self) -> dict[str, Span]:
        return {span.name: span for span in self.spans()}


def test_a_time_out_points_at_the_span_that_it_stopped() -> None:
    service = Service("keep")

    async def slow() -> None:
        with service.tracer.start_as_current_span("slow"):
            await asyncio.sleep(60)

    async def main() -> None:
        with service.tracer.start_as_current_span("main"):
            await asyncio.wait_for(slow(), 0.001)

    with suppress(asyncio.TimeoutError):
        asyncio.run(main())
    spans = service.named()
    assert spans["slow"].span_id.hex() == origin(spans["main"])


def fail() -> None:
    raise Failed("boom")


def nested(tracer: Tracer, *names: str, error: BaseException | None = None) -> None:
    """An exception through spans inside each other, the outermost first."""
    if not names:
        if error is not None:
            raise error
        fail()
    with tracer.start_as_current_span(names[0]):
        nested(tracer, *names[1:], error=error)


def call(tracer: Tracer, error: Exception, kind: SpanKind = SpanKind.CLIENT) -> None:
    """A call that fails, in a span that somebody wrote by hand."""
    with tracer.start_as_current_span("call", kind=kind):
        raise error


class TestFault:
    @pytest.mark.parametrize(
        ("inner", "error", "around"),
        [
            (SpanKind.CLIENT, TimeoutError("slow"), "dependency"),
            (SpanKind.PRODUCER, ConnectionResetError("gone"), "dependency"),
            (SpanKind.INTERNAL, TimeoutError("slow"), "self"),
            (SpanKind.CLIENT, ValueError("no"), "self"),
        ],
    )
    def test_what_failed_for_the_moment_in_a_call_is_no_fault_of_the_spans_around(
        self, inner: SpanKind, error: Exception, around: str
    ) -> None:
        service = Service()
        with (
            suppress(type(error)),
            service.tracer.start_as_current_span("request", kind=SpanKind.SERVER),
            service.tracer.start_as_current_span("step"),
        ):
            call(service.tracer, error, inner)
        named = service.named()
        assert [around, around] == [text(named[name], "errsample.fault") for name in ("step", "request")]

    def test_nor_is_what_was_raised_because_of_it(self) -> None:
        service = Service()
        with suppress(TimeoutError), service.tracer.start_as_current_span("request", kind=SpanKind.SERVER):
            try:
                call(service.tracer, ConnectionResetError("gone"))
            except ConnectionResetError as error:
                raise TimeoutError("given up") from error
        assert "dependency" == text(service.named()["request"], "errsample.fault")

    def test_a_bug_that_shows_after_a_failed_call_is(self) -> None:
        service = Service()
        with suppress(KeyError), service.tracer.start_as_current_span("request", kind=SpanKind.SERVER):
            try:
                call(service.tracer, ConnectionResetError("gone"))
            except ConnectionResetError:
                raise KeyError("no such fallback")  # noqa: B904  as it happens by mistake
        named = service.named()
        assert ["dependency", "self"] == [text(named[name], "errsample.fault") for name in ("call", "request")]

    def test_a_failed_call_that_was_handled_is_forgotten(self) -> None:
        service = Service()
        with suppress(TimeoutError), service.tracer.start_as_current_span("request", kind=SpanKind.SERVER):
            with suppress(ConnectionResetError):
                call(service.tracer, ConnectionResetError("gone"))
            raise TimeoutError("our own lock")
        assert "self" == text(service.named()["request"], "errsample.fault")

    def test_what_is_stated_counts(self) -> None:
        service = Service()
        row = UserRow(exception="TimeoutError", kind="timeout", fault="self")
        service.processor.exchange(None, Classifier(user_rows=[row]))
        with suppress(TimeoutError), service.tracer.start_as_current_span("request", kind=SpanKind.SERVER):
            call(service.tracer, TimeoutError("ours"))
        assert "self" == text(service.named()["request"], "errsample.fault")


def text(span: Span, key: str) -> str | None:
    return next((item.value.string_value for item in span.attributes if item.key == key), None)


def origin(span: Span) -> str | None:
    return text(span, "errsample.origin.span_id")


def propagated(span: Span) -> bool:
    return any(item.key == "errsample.propagated" and item.value.bool_value for item in span.attributes)


def stacks(span: Span) -> int:
    return sum(item.key == "exception.stacktrace" for event in span.events for item in event.attributes)


class TestPointers:
    def test_outer_spans_point_at_the_first_and_leave_the_stack_to_it(self) -> None:
        service = Service()
        with pytest.raises(Failed):
            nested(service.tracer, "root", "mid", "leaf")
        spans = service.named()
        leaf = spans["leaf"].span_id.hex()
        assert [None, leaf, leaf] == [origin(spans[name]) for name in ("leaf", "mid", "root")]
        assert [False, True, True] == [propagated(spans[name]) for name in ("leaf", "mid", "root")]
        assert [1, 0, 0] == [stacks(spans[name]) for name in ("leaf", "mid", "root")]
        assert 1 == len({text(span, "errsample.fingerprint") for span in spans.values()})
        message = [item.value.string_value for item in spans["root"].events[0].attributes]
        assert "boom" in message, "type and message stay"

    def test_the_stack_is_repeated_where_that_is_wanted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_ERRSAMPLE_PROPAGATED_STACKS", "true")
        service = Service()
        with pytest.raises(Failed):
            nested(service.tracer, "root", "leaf")
        spans = service.named()
        assert [1, 1] == [stacks(span) for span in spans.values()]
        assert propagated(spans["root"])

    def test_a_callback_is_told(self) -> None:
        told: list[tuple[str, str | None, bool]] = []

        def enrich(span: ReadableSpan, facts: ErrorFacts) -> None:
            told.append((span.name, facts.origin_span_id, facts.propagated))

        service = Service(enrich=enrich)
        with pytest.raises(Failed):
            nested(service.tracer, "root", "leaf")
        leaf = service.named()["leaf"].span_id.hex()
        assert [("leaf", None, False), ("root", leaf, True)] == told

    def test_a_users_exporter_sees_the_same(self) -> None:
        exporter = InMemorySpanExporter()
        processor = ErrorSpanProcessor("keep if error", exporter, scope="span")
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        with pytest.raises(Failed):
            nested(provider.get_tracer("test"), "root", "leaf")
        assert processor.shutdown(10_000)
        leaf, root = exporter.get_finished_spans()
        assert leaf.context is not None
        assert f"{leaf.context.span_id:016x}" == (root.attributes or {})["errsample.origin.span_id"]
        assert ["exception.stacktrace" in (span.events[0].attributes or {}) for span in (leaf, root)] == [True, False]

    def test_what_wraps_an_error_points_at_where_that_was(self) -> None:
        service = Service()
        with pytest.raises(LookupError), service.tracer.start_as_current_span("root"):
            try:
                nested(service.tracer, "leaf")
            except Failed as error:
                raise LookupError("wrapped") from error
        spans = service.named()
        assert (spans["leaf"].span_id.hex(), False, 1) == (
            origin(spans["root"]), propagated(spans["root"]), stacks(spans["root"]),
        )  # fmt: skip

    @pytest.mark.skipif(not HAS_GROUPS, reason="groups came with 3.11")
    def test_a_task_group_points_at_the_span_of_the_task_that_failed(self) -> None:
        service = Service()

        async def task() -> None:
            with service.tracer.start_as_current_span("leaf"):
                await asyncio.sleep(0)
                fail()

        async def main() -> None:
            with service.tracer.start_as_current_span("root"):
                async with asyncio.TaskGroup() as tasks:  # type: ignore[attr-defined,unused-ignore]
                    tasks.create_task(task())

        with suppress(BaseException):
            asyncio.run(main())
        spans = service.named()
        assert spans["leaf"].span_id.hex() == origin(spans["root"])

    def test_a_span_that_is_no_error_is_passed(self) -> None:
        service = Service()
        tracer = service.tracer
        mid = tracer.start_as_current_span("mid", record_exception=False, set_status_on_exception=False)
        with pytest.raises(Failed), tracer.start_as_current_span("root"), mid:
            nested(tracer, "leaf")
        spans = service.named()
        assert spans["leaf"].span_id.hex() == origin(spans["root"])

    def test_only_a_kept_span_is_pointed_at(self) -> None:
        service = Service('drop if name == "leaf"\nkeep if error')
        with pytest.raises(Failed):
            nested(service.tracer, "root", "mid", "leaf")
        spans = service.named()
        assert {"root", "mid"} == set(spans)
        assert (None, 1) == (origin(spans["mid"]), stacks(spans["mid"]))
        assert (spans["mid"].span_id.hex(), 0) == (origin(spans["root"]), stacks(spans["root"]))

    def test_other_recorded_exceptions_keep_their_stacks(self) -> None:
        service = Service()
        with pytest.raises(Failed), service.tracer.start_as_current_span("root") as span:
            span.record_exception(KeyError("handled before"))
            nested(service.tracer, "leaf")
        assert 1 == stacks(service.named()["root"])


class TestMistakes:
    """What looks like one exception and is another."""

    def test_a_singleton_does_not_lead_into_another_trace(self) -> None:
        service = Service()
        singleton = Failed("the only one")
        for _ in range(2):
            with pytest.raises(Failed):
                nested(service.tracer, "root", "leaf", error=singleton)
        spans = service.spans()
        leaves = {span.trace_id: span.span_id.hex() for span in spans if span.name == "leaf"}
        assert 2 == len(leaves)
        assert [None, leaves[spans[1].trace_id], None, leaves[spans[3].trace_id]] == [origin(span) for span in spans]

    def test_errors_one_after_the_other_are_origins_each(self) -> None:
        service = Service()
        with service.tracer.start_as_current_span("root"):
            for number in range(100):
                with suppress(Failed):
                    nested(service.tracer, f"attempt {number}")
        assert {None} == {origin(span) for span in service.spans()}

    def test_an_error_at_the_address_of_a_former_one_is_its_own_origin(self) -> None:
        service = Service()
        addresses: set[int] = set()
        for _ in range(50):
            with pytest.raises(Failed) as caught, service.tracer.start_as_current_span("root"):
                try:
                    nested(service.tracer, "leaf")
                except Failed as error:
                    addresses.add(id(error))
                raise Failed("another")
            addresses.add(id(caught.value))
            del caught
        assert len(addresses) < 100, "an address was used again"
        assert {None} == {origin(span) for span in service.spans()}

    def test_another_class_is_another_error(self) -> None:
        service = Service()
        with pytest.raises(LookupError), service.tracer.start_as_current_span("root"):
            with suppress(Failed):
                nested(service.tracer, "leaf")
            raise LookupError
        assert origin(service.named()["root"]) is None


class TestVerdicts:
    def test_one_error_spends_one_token(self) -> None:
        service = Service("all: keep 2 per hour if error\nrest: drop")
        for _ in range(5):
            with pytest.raises(Failed):
                nested(service.tracer, "root", "mid", "leaf")
        names = [span.name for span in service.spans()]
        assert ["leaf", "mid", "root"] * 2 == names
        assert ["keep"] * 6 + ["suppressed"] * 9 == [verdict.action for verdict in service.verdicts]

    def test_suppressed_errors_are_counted_once(self) -> None:
        service = Service("all: keep 1 per minute if error\nrest: drop")
        for _ in range(4):
            with pytest.raises(Failed):
                nested(service.tracer, "root", "mid", "leaf")
        service.clock.advance(60)
        with pytest.raises(Failed):
            nested(service.tracer, "root", "mid", "leaf")
        carried = [
            (span.name, item.value.int_value)
            for span in service.spans()
            for item in span.attributes
            if item.key == "errsample.suppressed"
        ]
        assert [("leaf", 3)] == carried

    def test_the_limit_of_another_rule_is_asked(self) -> None:
        service = Service('root: keep 5 per hour if name == "root"\nleaf: keep 1 per hour if error\nrest: drop')
        for _ in range(3):
            with pytest.raises(Failed):
                nested(service.tracer, "root", "leaf")
        assert ["leaf", "root", "root", "root"] == [span.name for span in service.spans()]

    def test_a_rule_without_a_limit_judges_every_span_itself(self) -> None:
        service = Service('drop if name == "mid"\nkeep 1 per hour if error\nrest: drop')
        with pytest.raises(Failed):
            nested(service.tracer, "root", "mid", "leaf")
        assert ["leaf", "root"] == [span.name for span in service.spans()]

    def test_sampled_out_it_stays_out_by_that_rule(self) -> None:
        service = Service("keep first 1 per hour then 0.000001% if error\nrest: drop")
        for _ in range(3):
            with pytest.raises(Failed):
                nested(service.tracer, "root", "leaf")
        assert ["leaf", "root"] == [span.name for span in service.spans()]
        assert ["keep"] * 2 + ["sampled_out"] * 4 == [verdict.action for verdict in service.verdicts]


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise AssertionError(name)


class Hostile(Exception, metaclass=Meta):
    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AssertionError(name)

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    def __hash__(self) -> int:
        raise AssertionError


class TestExceptions:
    def test_hostile_classes_are_followed_too(self) -> None:
        service = Service()
        quiet: Any = {"record_exception": False, "set_status_on_exception": False}
        with suppress(Exception), service.tracer.start_as_current_span("root", **quiet) as root:
            root.set_status(StatusCode.ERROR)
            with service.tracer.start_as_current_span("leaf", **quiet) as leaf:
                leaf.set_status(StatusCode.ERROR)
                raise Hostile
        spans = service.named()
        assert spans["leaf"].span_id.hex() == origin(spans["root"])

    def test_the_exception_is_neither_changed_nor_kept(self) -> None:
        service = Service()
        with pytest.raises(Failed) as caught:
            nested(service.tracer, "root", "leaf")
        assert {} == vars(caught.value)
        alive = weakref.ref(caught.value)
        caught.value.__traceback__ = None
        del caught
        gc.collect()
        assert alive() is None
        assert 2 == len(service.spans())


def test_what_is_on_its_way_in_the_parent_is_forgotten_by_a_child() -> None:
    service = Service()
    with pytest.raises(Failed), service.tracer.start_as_current_span("root"):
        try:
            nested(service.tracer, "leaf")
        finally:
            service.processor.restart_in_child()
    assert [None, None] == [verdict.facts.origin_span_id for verdict in service.verdicts]


def test_a_verdict_by_former_rules_does_not_decide_for_the_new_ones() -> None:
    # What an exception has spent is told by the place of the rule, where another rule stands after an exchange.
    service = Service("former: keep 1 per hour if error")
    start, processor = service.tracer.start_as_current_span, service.processor
    with pytest.raises(Failed), start("first"):
        raise Failed

    def leave_the_inner() -> None:
        try:
            with start("inner"):
                raise Failed
        finally:
            new = RuleTable(Rules.parse("new: keep 1 per hour if error"), processor.limits, processor.tallies)
            processor.exchange(new, None)

    with pytest.raises(Failed), start("outer"):
        leave_the_inner()
    assert {"first", "outer"} == set(service.named())
