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
    Decision,
    ParentBasedTraceIdRatio,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.util.types import Attributes

from otel_errsample.errors import ConfigError
from otel_errsample.sampler import ErrorAwareSampler

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

    @pytest.mark.parametrize("answer", [ValueError("token=secret"), None, "yes"], ids=["raises", "None", "text"])
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


def test_the_span_processor_recognises_it_by_an_attribute() -> None:
    assert ErrorAwareSampler.records_everything is True


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
