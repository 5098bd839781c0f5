"""The sampler that lets unsampled spans reach the span processor."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from otel_errsample._hot import ClassicState, format_threshold, parse_ot, randomness_of, threshold_of, weigh
from otel_errsample.errors import ConfigError

_logger: Final = logging.getLogger(__name__)


class ErrorAwareSampler(Sampler):
    """Records spans that are not sampled too, so that an error among them can still be exported.

    What the head sampler wants sampled is sampled; what it drops is recorded only: the trace flags on the wire stay
    unsampled, other span processors skip the span, and it costs about 20 us where a dropped one costs 5. Has to be the
    outermost sampler: inside a ParentBased the children of unsampled spans would be dropped before it is asked.

    `ratio_or_sampler` is the head sampler, or a number from 0 to 1: the share of traces to sample, decided at the root
    by consistent probability sampling, which writes its threshold into the trace state (`ot=th`); spans with a parent
    follow its sampled flag. The SDK's ratio sampler, alone or as the root of a ParentBased, writes no threshold; the
    spans that are exported of traces it began in this process say one all the same.

    `record`, above 0 and at most 1, is the share of all traces that is recorded whole, those that are sampled among
    them; the others are dropped as without this sampler. An error stands for 1 / `record` then, if no more is sampled.

    Raises ConfigError for anything else.

    A head sampler that raises, or returns no SamplingResult, counts as one that drops: `failures` is their number, the
    first one is logged.
    """

    def __init__(self, ratio_or_sampler: float | Sampler, *, record: float = 1.0) -> None:
        if not _is_share(record) or not record:
            raise ConfigError(
                f"record is expected to be a number above 0 and at most 1, got {record!r}; "
                "hint: record=0.25 records a quarter of all traces"
            )
        self._record = float(record)
        self.recorded_from = threshold_of(self._record)
        """The randomness from which on traces are recorded: by it the span processor knows which spans arrive."""
        if isinstance(ratio_or_sampler, Sampler):
            self._head = ratio_or_sampler
        else:
            self._head = _ConsistentRatio(_ratio(ratio_or_sampler), self.recorded_from)
        bound = _classic_bound(self._head)
        # Shared by every span of the traces that begin here.
        self._classic_state = None if bound is None else ClassicState(bound)
        self._composite = _is_composite(self._head)
        self.failures = 0

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
        """The head sampler's result, with RECORD_ONLY for DROP where the trace is recorded."""
        try:
            if trace_state is None and self._composite:
                trace_state = get_current_span(parent_context).get_span_context().trace_state
            result = self._head.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
            if type(self._head) is _ConsistentRatio:
                return result
            return self._recorded(_checked(result), parent_context, trace_id, attributes)
        except Exception as error:  # nothing may reach the application
            self._count_failure(error)
            state = get_current_span(parent_context).get_span_context().trace_state
            decision = _unsampled(self.recorded_from, state, trace_id)
            return SamplingResult(decision, attributes if isinstance(attributes, Mapping) else None, state)

    def get_description(self) -> str:
        share = f",record:{self._record}" if self._record < 1 else ""
        return f"ErrorAwareSampler{{{self._head.get_description()}{share}}}"

    def _recorded(
        self, result: SamplingResult, parent_context: Context | None, trace_id: int, given: Attributes
    ) -> SamplingResult:
        state = result.trace_state
        if not state and (self._classic_state is not None or type(state) is ClassicState):
            state = self._state_of_classic(parent_context, state)
        decision = result.decision
        attributes: Attributes = result.attributes
        if decision is Decision.DROP:
            decision = _unsampled(self.recorded_from, state, trace_id)
        elif not self._composite:
            return result if state is result.trace_state else SamplingResult(decision, attributes, state)
        # The SDK's samplers leave the span's own attributes out when they drop it, composable ones even when they
        # sample it, and rules need them.
        return SamplingResult(decision, {**(given or {}), **attributes} if attributes else given, state)

    def _state_of_classic(self, parent_context: Context | None, state: TraceState | None) -> TraceState | None:
        """The state that knows the rate, for a root and where the parent has it from this sampler; else none does."""
        parent = get_current_span(parent_context).get_span_context()
        if not parent.is_valid or parent.trace_state is self._classic_state:
            return self._classic_state
        return None if type(state) is ClassicState else state

    def _count_failure(self, error: Exception) -> None:
        self.failures += 1
        if self.failures == 1:
            _logger.warning(
                "the head sampler failed with %s; its spans count as not sampled (logged once)", type(error).__name__
            )


class _ConsistentRatio(Sampler):
    """The parent-based consistent probability sampler of a ratio; what it does not sample it may record."""

    def __init__(self, ratio: float, recorded_from: int) -> None:
        self._ratio = ratio
        self._threshold = threshold_of(ratio)
        self._recorded_from = recorded_from
        # Shared by the sampled roots that come without a trace state, which is nearly every root.
        self._root_state = weigh(None, self._threshold) if ratio else None

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
        parent = get_current_span(parent_context).get_span_context()
        if parent.is_valid:
            sampled = parent.trace_flags.sampled
            state = _consistent(parent.trace_state, trace_id, sampled)
        else:
            sampled = randomness_of(trace_state, trace_id) >= self._threshold
            if trace_state:
                state = weigh(trace_state, self._threshold if sampled else None)
            else:
                state = self._root_state if sampled else None
        return SamplingResult(
            Decision.RECORD_AND_SAMPLE if sampled else _unsampled(self._recorded_from, state, trace_id),
            attributes,
            state,
        )

    def get_description(self) -> str:
        th = format_threshold(self._threshold) if self._ratio else "none"
        return f"ConsistentParentBased{{{self._ratio},th:{th}}}"


def _consistent(state: TraceState, trace_id: int, sampled: bool) -> TraceState | None:
    """The parent's trace state, without a th that contradicts the sampled flag: that rate is not the span's."""
    threshold = parse_ot(state.get("ot", ""))[0] if state else None
    if threshold is None or (randomness_of(state, trace_id) >= threshold) == sampled:
        return state
    return weigh(state, None)


def _unsampled(recorded_from: int, state: TraceState | None, trace_id: int) -> Decision:
    """By the randomness of the trace, so that every sampler of the same share records the same traces whole."""
    if recorded_from == 0 or randomness_of(state, trace_id) >= recorded_from:
        return Decision.RECORD_ONLY
    return Decision.DROP


def _checked(result: object) -> SamplingResult:
    """What the SDK can go on with; it looks at a result unguarded, on the application's thread."""
    if not isinstance(result, SamplingResult):
        raise TypeError("expected a SamplingResult")
    state = result.trace_state
    if not isinstance(result.decision, Decision) or (state is not None and not isinstance(state, TraceState)):
        raise TypeError("expected a Decision and a TraceState")
    if type(result.attributes) is not MappingProxyType:
        return SamplingResult(result.decision, dict(result.attributes or {}), state)
    return result


def _classic_bound(head: Sampler) -> int | None:
    """The bound below which the SDK's ratio sampler takes the trace id of a root; None for other samplers.

    With other samplers of ours for the children the decision about a root would not be theirs.
    """
    if type(head) in (ParentBased, ParentBasedTraceIdRatio):
        fields = vars(head)
        if fields.get("_local_parent_sampled") is not ALWAYS_ON:
            return None
        if fields.get("_local_parent_not_sampled") is not ALWAYS_OFF:
            return None
        head = fields.get("_root", head)
    return head.bound if type(head) is TraceIdRatioBased else None


def _is_composite(head: Sampler) -> bool:
    """Whether it is the SDK's sampler made of composable ones, which reads the parent's trace state from an argument.

    The SDK's tracer does not pass that argument, so that children of sampled spans would lose trace state and rate.
    """
    made = type(head)
    return made.__name__ == "_CompositeSampler" and made.__module__.startswith("opentelemetry.sdk.trace.")


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def _ratio(value: object) -> float:
    if isinstance(value, (int, float)) and _is_share(value):
        return float(value)
    raise ConfigError(
        f"ratio_or_sampler is expected to be a number from 0 to 1 or a Sampler, got {value!r}; "
        "hint: ErrorAwareSampler(0.01) samples one trace in a hundred"
    )
