"""The sampler that lets unsampled spans reach the span processor."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from otel_errsample._hot import format_threshold, parse_ot, randomness_of, threshold_of, weigh
from otel_errsample.errors import ConfigError

_logger: Final = logging.getLogger(__name__)


class ErrorAwareSampler(Sampler):
    """Records every span, so that an error in a trace that is not sampled can still be exported.

    What the head sampler wants sampled is sampled; what it drops is recorded only: the trace flags on the wire stay
    unsampled, other span processors skip the span, and it costs about 29 us where a dropped one costs 5. Has to be the
    outermost sampler: inside a ParentBased the children of unsampled spans would be dropped before it is asked.

    `ratio_or_sampler` is the head sampler, or a number from 0 to 1: the share of traces to sample, decided at the root
    by consistent probability sampling, which writes its threshold into the trace state (`ot=th`); spans with a parent
    follow its sampled flag. Raises ConfigError for anything else.

    A head sampler that raises counts as one that drops: `failures` is their number, the first one is logged.
    """

    records_everything: Final = True
    """By this the span processor knows that unsampled spans arrive too."""

    def __init__(self, ratio_or_sampler: float | Sampler) -> None:
        if isinstance(ratio_or_sampler, Sampler):
            self._head = ratio_or_sampler
        else:
            self._head = _ConsistentRatio(_ratio(ratio_or_sampler))
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
        """The head sampler's result, with RECORD_ONLY for DROP."""
        try:
            result = self._head.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
            if result.decision is not Decision.DROP:
                return result
            # The SDK's samplers leave the span's own attributes out when they drop it, and rules need them.
            if result.attributes:
                attributes = {**(attributes or {}), **result.attributes}
            return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)
        except Exception as error:  # nothing may reach the application
            self._count_failure(error)
            return SamplingResult(
                Decision.RECORD_ONLY,
                attributes if isinstance(attributes, Mapping) else None,
                get_current_span(parent_context).get_span_context().trace_state,
            )

    def get_description(self) -> str:
        return f"ErrorAwareSampler{{{self._head.get_description()}}}"

    def _count_failure(self, error: Exception) -> None:
        self.failures += 1
        if self.failures == 1:
            _logger.warning(
                "the head sampler raised %s; its spans are recorded but not sampled (logged once)", type(error).__name__
            )


class _ConsistentRatio(Sampler):
    """The parent-based consistent probability sampler of a ratio; what it does not sample it records."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._threshold = threshold_of(ratio)
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
            Decision.RECORD_AND_SAMPLE if sampled else Decision.RECORD_ONLY,
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


def _ratio(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise ConfigError(
        f"ratio_or_sampler is expected to be a number from 0 to 1 or a Sampler, got {value!r}; "
        "hint: ErrorAwareSampler(0.01) samples one trace in a hundred"
    )
