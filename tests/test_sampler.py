"""sampler.py: every span is recorded, and what is sampled says at which rate."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    Decision,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from otel_errsample import ErrorSpanProcessor, Verdict
from otel_errsample._hot import ClassicState, parse_ot, randomness_of
from otel_errsample.errors import ConfigError
from otel_errsample.sampler import ErrorAwareSampler
from otel_errsample.testing.transport import CollectingTransport

SCALE = 1 << 56
trace_ids = st.integers(1, (1 << 128) - 1)


class Stub(Sampler):
    """A head sampler that answers with what it was given, or raises it."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[return-value]

    def get_description(self) -> str:
        return "Stub"


def state(header: str) -> TraceState:
    return TraceState.from_header([header])


def header(result: SamplingResult) -> str:
    return result.trace_state.to_header() if result.trace_state is not None else ""


def sampled(result: SamplingResult) -> bool:
    return result.decision is Decision.RECORD_AND_SAMPLE


def parent(sampled: bool, trace_state: str = "", *, trace_id: int = 7, remote: bool = True) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 9, remote, flags, state(trace_state))))


class TestAroundAnotherSampler:
    def test_drop_becomes_record_only_with_the_trace_state_of_the_head_sampler(self) -> None:
        given_state = state("a=1")
        sampler = ErrorAwareSampler(Stub(SamplingResult(Decision.DROP, {"rate": 3}, given_state)))
        result = sampler.should_sample(None, 7, "n", attributes={"http.route": "/", "rate": 1})
        assert result.decision is Decision.RECORD_ONLY
        assert {"http.route": "/", "rate": 3} == dict(result.attributes)
        assert result.trace_state is given_state

    def test_a_dropped_span_keeps_the_attributes_it_was_started_with(self) -> None:
        result = ErrorAwareSampler(ALWAYS_OFF).should_sample(None, 7, "n", attributes={"http.route": "/"})
        assert {"http.route": "/"} == dict(result.attributes)

    @pytest.mark.parametrize("decision", [Decision.RECORD_ONLY, Decision.RECORD_AND_SAMPLE], ids=lambda d: d.name)
    def test_any_other_result_is_passed_on_as_it_is(self, decision: Decision) -> None:
        answer = SamplingResult(decision, {"a": 1}, state("a=1"))
        assert ErrorAwareSampler(Stub(answer)).should_sample(None, 7, "n") is answer

    @given(trace_ids)
    def test_the_head_sampler_decides_what_is_sampled(self, trace_id: int) -> None:
        head = ParentBasedTraceIdRatio(0.5)
        expected = sampled(head.should_sample(None, trace_id, "n"))
        assert expected == sampled(ErrorAwareSampler(head).should_sample(None, trace_id, "n"))

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(ValueError("token=secret"), id="raises"),
            pytest.param(None, id="None"),
            pytest.param("yes", id="text"),
            pytest.param(Decision.RECORD_AND_SAMPLE, id="a decision alone"),
            pytest.param(SamplingResult("yes"), id="no decision"),  # type: ignore[arg-type]
            pytest.param(SamplingResult(Decision.DROP, None, "a=1"), id="no trace state"),  # type: ignore[arg-type]
        ],
    )
    def test_a_failing_head_sampler_counts_and_is_logged_once(
        self, answer: object, caplog: pytest.LogCaptureFixture
    ) -> None:
        sampler = ErrorAwareSampler(Stub(answer))
        with caplog.at_level(logging.WARNING):
            results = [sampler.should_sample(parent(True, "a=1"), 7, "n", attributes={"k": 1}) for _ in range(3)]
        assert sampler.failures == 3
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "secret" not in caplog.text
        for result in results:
            assert result.decision is Decision.RECORD_ONLY
            assert ({"k": 1}, "a=1") == (dict(result.attributes), header(result))

    def test_attributes_put_into_a_result_later_are_made_what_the_sdk_expects(self) -> None:
        answer = SamplingResult(Decision.RECORD_AND_SAMPLE)
        answer.attributes = None  # type: ignore[assignment]
        result = ErrorAwareSampler(Stub(answer)).should_sample(None, 7, "n")
        assert (Decision.RECORD_AND_SAMPLE, {}) == (result.decision, dict(result.attributes.copy()))

    def test_attributes_that_are_no_mapping_do_not_reach_the_application_as_an_error(self) -> None:
        result = ErrorAwareSampler(ALWAYS_OFF).should_sample(None, 7, "n", attributes=[1])  # type: ignore[arg-type]
        assert (Decision.RECORD_ONLY, {}) == (result.decision, dict(result.attributes))

    def test_an_interrupt_is_the_applications(self) -> None:
        with pytest.raises(KeyboardInterrupt):
            ErrorAwareSampler(Stub(KeyboardInterrupt())).should_sample(None, 7, "n")


class TestRatio:
    @given(trace_ids, st.sampled_from([(0.5, 1 << 55, "8"), (0.25, 3 << 54, "c"), (0.01, 0xFD70A << 36, "fd70a")]))
    def test_a_root_is_sampled_when_its_randomness_reaches_the_threshold(
        self, trace_id: int, case: tuple[float, int, str]
    ) -> None:
        ratio, threshold, th = case
        result = ErrorAwareSampler(ratio).should_sample(None, trace_id, "n", attributes={"k": 1})
        sampled = trace_id % SCALE >= threshold
        assert (Decision.RECORD_AND_SAMPLE if sampled else Decision.RECORD_ONLY) is result.decision
        assert (f"ot=th:{th}" if sampled else "") == header(result)
        assert {"k": 1} == dict(result.attributes)

    @pytest.mark.parametrize(
        ("low", "expected"), [((1 << 55) - 1, Decision.RECORD_ONLY), (1 << 55, Decision.RECORD_AND_SAMPLE)]
    )
    def test_the_threshold_itself_is_sampled(self, low: int, expected: Decision) -> None:
        assert expected is ErrorAwareSampler(0.5).should_sample(None, 1 << 120 | low, "n").decision

    @given(trace_ids)
    def test_1_samples_every_root_and_0_none(self, trace_id: int) -> None:
        assert ErrorAwareSampler(1).should_sample(None, trace_id, "n").decision is Decision.RECORD_AND_SAMPLE
        assert ErrorAwareSampler(0).should_sample(None, trace_id, "n").decision is Decision.RECORD_ONLY

    @pytest.mark.parametrize(
        ("given_state", "expected", "expected_state"),
        [
            pytest.param("ot=rv:80000000000000,a=1", True, "ot=th:8;rv:80000000000000,a=1", id="rv reaches"),
            pytest.param("ot=rv:7fffffffffffff,a=1", False, "ot=rv:7fffffffffffff,a=1", id="rv does not"),
            pytest.param("ot=th:c;rv:00000000000000,a=1", False, "ot=rv:00000000000000,a=1", id="stale th goes"),
        ],
    )
    def test_a_root_with_a_trace_state_decides_by_its_rv(
        self, given_state: str, expected: bool, expected_state: str
    ) -> None:
        result = ErrorAwareSampler(0.5).should_sample(None, 7, "n", trace_state=state(given_state))
        assert (expected, expected_state) == (sampled(result), header(result))

    @pytest.mark.parametrize("remote", [True, False], ids=["remote", "local"])
    @pytest.mark.parametrize("ratio", [0, 1])
    @pytest.mark.parametrize("sampled", [True, False], ids=["sampled", "unsampled"])
    @pytest.mark.parametrize("trace_state", ["", "a=1", "ot=rv:80000000000000,a=1"], ids=["none", "other", "rv"])
    def test_a_child_follows_its_parent(self, remote: bool, ratio: float, sampled: bool, trace_state: str) -> None:
        context = parent(sampled, trace_state, remote=remote)
        result = ErrorAwareSampler(ratio).should_sample(context, 7, "n")
        assert (Decision.RECORD_AND_SAMPLE if sampled else Decision.RECORD_ONLY) is result.decision
        assert trace_state == header(result)

    @pytest.mark.parametrize(
        ("sampled", "trace_id", "expected"),
        [
            pytest.param(True, 1 << 55, "a=1,ot=th:8", id="sampled and in"),
            pytest.param(True, (1 << 55) - 1, "a=1", id="sampled although out"),
            pytest.param(False, (1 << 55) - 1, "a=1,ot=th:8", id="unsampled and out"),
            pytest.param(False, 1 << 55, "a=1", id="unsampled although in"),
        ],
    )
    def test_a_th_that_contradicts_the_sampled_flag_is_not_passed_on(
        self, sampled: bool, trace_id: int, expected: str
    ) -> None:
        context = parent(sampled, "a=1,ot=th:8", trace_id=trace_id)
        assert expected == header(ErrorAwareSampler(0.1).should_sample(context, trace_id, "n"))

    def test_through_the_sdk_every_span_ends_in_the_processor(self) -> None:
        ended: list[ReadableSpan] = []

        class Collect(SpanProcessor):
            def on_end(self, span: ReadableSpan) -> None:
                ended.append(span)

        provider = TracerProvider(sampler=ErrorAwareSampler(0), shutdown_on_exit=False)
        provider.add_span_processor(Collect())
        tracer = provider.get_tracer("t")
        with (
            tracer.start_as_current_span("outer", attributes={"http.route": "/"}),
            tracer.start_as_current_span("inner"),
        ):
            pass
        assert ["inner", "outer"] == [span.name for span in ended]
        assert [False, False] == [span.get_span_context().trace_flags.sampled for span in ended]  # type: ignore[union-attr]
        assert {"http.route": "/"} == dict(ended[1].attributes or {})


class TestAroundTheClassicRatio:
    """The SDK's ratio sampler writes nothing; what it decides by is told to the span processor alone."""

    HEADS = (TraceIdRatioBased(0.25), ParentBased(TraceIdRatioBased(0.25)), ParentBasedTraceIdRatio(0.25))
    heads = pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)

    @heads
    @given(trace_id=trace_ids)
    def test_a_root_knows_its_rate_and_the_wire_does_not(self, head: Sampler, trace_id: int) -> None:
        result = ErrorAwareSampler(head).should_sample(None, trace_id, "n")
        assert isinstance(result.trace_state, ClassicState)
        assert 3 << 54 == result.trace_state.threshold
        assert sampled(result) == (randomness_of(result.trace_state, trace_id) >= 3 << 54)
        carrier: dict[str, str] = {}
        flags = TraceFlags(sampled(result))
        root = NonRecordingSpan(SpanContext(trace_id, 9, False, flags, result.trace_state))
        TraceContextTextMapPropagator().inject(carrier, set_span_in_context(root))
        assert ["traceparent"] == list(carrier)

    @heads
    @pytest.mark.parametrize("trace_id", [1, (1 << 64) - 1], ids=["sampled", "unsampled"])
    def test_children_in_this_process_know_it_too(self, head: Sampler, trace_id: int) -> None:
        sampler = ErrorAwareSampler(head)
        root = sampler.should_sample(None, trace_id, "n")
        flags = TraceFlags(sampled(root))
        context = set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 9, False, flags, root.trace_state)))
        child = sampler.should_sample(context, trace_id, "n")
        assert child.trace_state is root.trace_state
        assert sampled(child) == sampled(root)

    @heads
    @pytest.mark.parametrize("trace_state", ["", "a=1", "ot=th:8"])
    @pytest.mark.parametrize("flag", [True, False], ids=["sampled", "unsampled"])
    def test_behind_a_remote_parent_nothing_is_claimed(self, head: Sampler, trace_state: str, flag: bool) -> None:
        result = ErrorAwareSampler(head).should_sample(parent(flag, trace_state), 1, "n")
        assert not isinstance(result.trace_state, ClassicState)
        assert trace_state == header(result)

    @pytest.mark.parametrize(
        "head",
        [
            ParentBased(TraceIdRatioBased(0.25), local_parent_not_sampled=ALWAYS_ON),
            ParentBased(TraceIdRatioBased(0.25), local_parent_sampled=TraceIdRatioBased(0.5)),
            ParentBased(ParentBased(TraceIdRatioBased(0.25))),
            ALWAYS_ON,
        ],
        ids=["other children", "fewer children", "nested", "no ratio"],
    )
    def test_no_claim_where_spans_of_a_trace_have_other_rates(self, head: Sampler) -> None:
        assert not isinstance(ErrorAwareSampler(head).should_sample(None, 1, "n").trace_state, ClassicState)

    @pytest.mark.parametrize("other", [ALWAYS_ON, TraceIdRatioBased(0.5), ParentBased(TraceIdRatioBased(0.25))])
    def test_the_claim_of_another_sampler_is_not_taken_over(self, other: Sampler) -> None:
        root = ErrorAwareSampler(TraceIdRatioBased(0.25)).should_sample(None, 1, "n")
        context = set_span_in_context(
            NonRecordingSpan(SpanContext(1, 9, False, TraceFlags(TraceFlags.SAMPLED), root.trace_state))
        )
        assert ErrorAwareSampler(other).should_sample(context, 1, "n").trace_state is None

    def test_exported_spans_say_th_and_rv_and_percentages_draw_by_it(self) -> None:
        transport = CollectingTransport()
        processor = ErrorSpanProcessor(
            "pay: keep if error\nhalf: keep 50% if app.half exists\nhead: head", transport=transport
        )
        sampler = ErrorAwareSampler(ParentBasedTraceIdRatio(0.25))
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(processor)
        tracer = provider.get_tracer("t")
        for _ in range(200):
            with tracer.start_as_current_span("root"):
                tracer.start_span("healthy").end()
                tracer.start_span("half", attributes={"app.half": 1}).end()
                failing = tracer.start_span("failing")
                failing.set_status(StatusCode.ERROR)
                failing.end()
        assert processor.shutdown(20_000)
        told: dict[str, set[int]] = {}
        for span in transport.spans():
            th, rv, others = parse_ot(span.trace_state.removeprefix("ot="))
            trace_id = int.from_bytes(span.trace_id, "big")
            assert (randomness_of(ClassicState(1 << 62), trace_id), {}) == (rv, others)
            assert th is not None
            assert rv is not None
            assert rv >= th
            told.setdefault(span.name, set()).add(th)
        assert {"root": {0}, "healthy": {3 << 54}, "half": {1 << 55}, "failing": {0}} == told


class TestRecordedShare:
    def test_only_the_share_is_recorded_by_the_randomness_of_the_trace(self) -> None:
        sampler = ErrorAwareSampler(0.25, record=0.5)
        decided = [sampler.should_sample(None, low << 54, "n", attributes={"k": 1}) for low in range(4)]
        assert [Decision.DROP, Decision.DROP, Decision.RECORD_ONLY, Decision.RECORD_AND_SAMPLE] == [
            result.decision for result in decided
        ]

    @pytest.mark.parametrize(
        "head", [0.0, ALWAYS_OFF, DEFAULT_OFF, Stub(SamplingResult(Decision.DROP)), Stub(None)], ids=type
    )
    @given(trace_id=trace_ids)
    def test_around_every_sampler_a_trace_is_recorded_whole_or_not_at_all(
        self, head: float | Sampler, trace_id: int
    ) -> None:
        sampler = ErrorAwareSampler(head, record=0.5)
        root = sampler.should_sample(None, trace_id, "n")
        child = sampler.should_sample(parent(False, header(root), trace_id=trace_id, remote=False), trace_id, "n")
        expected = Decision.RECORD_ONLY if trace_id % SCALE >= 1 << 55 else Decision.DROP
        assert (expected, expected) == (root.decision, child.decision)

    @given(trace_id=trace_ids)
    def test_around_the_classic_ratio_sampled_traces_are_among_the_recorded(self, trace_id: int) -> None:
        """Both shares are of the same bits, so that together they are the larger and not their sum."""
        sampler = ErrorAwareSampler(ParentBasedTraceIdRatio(0.25), record=0.5)
        result = sampler.should_sample(None, trace_id, "n")
        assert (result.decision is not Decision.DROP) == (trace_id % (1 << 64) < 1 << 63)

    def test_what_the_head_sampler_records_itself_is_recorded(self) -> None:
        answer = SamplingResult(Decision.RECORD_ONLY, {"a": 1})
        assert ErrorAwareSampler(Stub(answer), record=0.5).should_sample(None, 1, "n") is answer

    def test_a_kept_error_stands_for_those_that_were_not_recorded(self) -> None:
        transport = CollectingTransport()
        verdicts: list[Verdict] = []
        processor = ErrorSpanProcessor("keep if error", transport=transport, on_verdict=verdicts.append)
        provider = TracerProvider(sampler=ErrorAwareSampler(0.125, record=0.25), shutdown_on_exit=False)
        provider.add_span_processor(processor)
        for _ in range(200):
            with provider.get_tracer("t").start_as_current_span("root") as root:
                root.set_status(StatusCode.ERROR)
        assert processor.shutdown(20_000)
        assert 20 <= len(transport.spans()) <= 90
        assert {"ot=th:c"} == {span.trace_state for span in transport.spans()}
        assert {3 << 54} == {verdict.threshold for verdict in verdicts}

    @pytest.mark.parametrize("record", [0, -0.1, 1.1, float("nan"), "0.5", None, True], ids=repr)
    def test_another_share_is_refused_with_expectation_value_and_hint(self, record: object) -> None:
        with pytest.raises(ConfigError) as caught:
            ErrorAwareSampler(0.01, record=record)  # type: ignore[arg-type]
        assert str(caught.value) == (
            f"record is expected to be a number above 0 and at most 1, got {record!r}; "
            "hint: record=0.25 records a quarter of all traces"
        )


class TestAroundComposableSamplers:
    @pytest.mark.parametrize("flag", [True, False], ids=["sampled", "unsampled"])
    def test_a_child_has_the_threshold_of_its_parent(self, flag: bool) -> None:
        """The tracer passes no trace state, by which these samplers know it."""
        composable = pytest.importorskip("opentelemetry.sdk.trace._sampling_experimental")
        root = composable.composable_traceid_ratio_based(0.5)
        sampler = ErrorAwareSampler(composable.composite_sampler(composable.composable_parent_threshold(root)))
        trace_id = (1 << 56) - 1 if flag else 1
        first = sampler.should_sample(None, trace_id, "n", attributes={"k": 1})
        state = "ot=th:8" if flag else ""
        assert (flag, state, {"k": 1}) == (sampled(first), header(first), dict(first.attributes))
        child = sampler.should_sample(parent(flag, state, trace_id=trace_id, remote=False), trace_id, "n")
        assert (flag, state) == (sampled(child), header(child))

    def test_a_remote_parents_entries_of_others_go_on(self) -> None:
        composable = pytest.importorskip("opentelemetry.sdk.trace._sampling_experimental")
        head = composable.composite_sampler(composable.composable_parent_threshold(composable.composable_always_on()))
        assert header(ErrorAwareSampler(head).should_sample(parent(True, "a=1"), 7, "n")) == "a=1"


def test_unless_a_share_is_said_the_span_processor_learns_that_every_span_arrives() -> None:
    assert (0, 3 << 54) == (ErrorAwareSampler(0.01).recorded_from, ErrorAwareSampler(0.01, record=0.25).recorded_from)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        pytest.param(0.01, "ErrorAwareSampler{ConsistentParentBased{0.01,th:fd70a}}", id="ratio"),
        pytest.param(0, "ErrorAwareSampler{ConsistentParentBased{0.0,th:none}}", id="zero"),
        pytest.param(ALWAYS_ON, "ErrorAwareSampler{AlwaysOnSampler}", id="sampler"),
    ],
)
def test_description(argument: float | Sampler, expected: str) -> None:
    assert expected == ErrorAwareSampler(argument).get_description()


@pytest.mark.parametrize("argument", [-0.1, 1.1, float("nan"), "0.1", None, True, Stub], ids=repr)
def test_anything_else_is_refused_with_expectation_value_and_hint(argument: object) -> None:
    with pytest.raises(ConfigError) as caught:
        ErrorAwareSampler(argument)  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"ratio_or_sampler is expected to be a number from 0 to 1 or a Sampler, got {argument!r}; "
        "hint: ErrorAwareSampler(0.01) samples one trace in a hundred"
    )
