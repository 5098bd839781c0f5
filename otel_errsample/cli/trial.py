"""The path of a span processor for recorded spans: the rules decide as they would, and nothing is sent."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import SpanContext, TraceFlags
from opentelemetry.util.types import AnyValue

from otel_errsample._hot import (
    Buffer,
    Classifier,
    Ledger,
    Limits,
    Path,
    RuleTable,
    Scrubber,
    Tallies,
    Verdict,
    probe,
    take,
)
from otel_errsample.cli.rulefile import rules_of
from otel_errsample.config import Settings
from otel_errsample.patterns import Patterns
from otel_errsample.readable import copied
from otel_errsample.rules.document import Document
from otel_errsample.sampler import ErrorAwareSampler

MOST_SPAN_BYTES: Final = 2 << 20
_BUFFER_BYTES: Final = 64 << 20  # never full: what is kept is taken out at once


class Kept(NamedTuple):
    """What is exported with a span: a tracestate header in place of its own (None: its own), and attributes.

    `pulled` tells that it is there for the sake of a kept error below it only.
    """

    trace_state: str | None
    extra: Mapping[str, AnyValue]
    pulled: bool = False


class Trial:
    """Give it spans in the order in which they ended; limits count by the spans' own end times.

    `rules` are those of the document and the default ones; its settings and its rows for the taxonomy count too.
    Every span arrives, as with ErrorAwareSampler. `head` is the ratio of a head sampler to put in place of what was
    recorded; without it a span is as sampled as its flags say.
    """

    def __init__(
        self,
        document: Document,
        head: float | None = None,
        on_verdict: Callable[[Verdict], None] | None = None,
    ) -> None:
        probe()
        self._now = 0
        self._head = None if head is None else ErrorAwareSampler(head)
        self._kept: Kept | None = None
        self._path = Path()
        self.ledger = Ledger()
        self.limits = Limits(lambda: self._now)
        self.rules = rules_of(document).with_defaults()
        self.tallies = Tallies()
        # What else is wrong with the variables is the application's to hear.
        settings = Settings.from_env(os.environ, lambda *_: None, document.settings)
        self.internal_domains = settings.internal_domains
        self.table = RuleTable(self.rules, self.limits, self.tallies, internal_domains=self.internal_domains)
        scrubber = Scrubber(settings.scrub, settings.scrub_also, Patterns.of(settings.scrub_patterns), self.ledger)
        self.classifier = Classifier(
            in_app_include=settings.in_app_include,
            helper_frames=settings.helper_frames,
            user_rows=document.classify,
            stack_hashes=settings.stack_hash,
            scrubber=scrubber,
        )
        self._buffer = Buffer(self.ledger, self.limits, _BUFFER_BYTES, 0, 1 << 30, _BUFFER_BYTES)
        self._path.prepare(
            self.ledger,
            self.limits,
            self.tallies,
            self._buffer,
            self.table,
            self.classifier,
            recorder=None,
            scope=settings.scope,
            most_span_bytes=MOST_SPAN_BYTES,
            most_waiting_ns=settings.trace_wait_ms * 1_000_000,
            enabled=True,
            leaves_head_sampled=False,
            dry_run=False,
            repeats_stacks=settings.propagated_stacks,
            tells_handled=settings.handled,
            scrubber=scrubber,
            user_enrich=None,
            on_verdict=on_verdict,
            rebuild=self._note,
            start_worker=lambda: None,
            fingerprint_aliases=settings.fingerprint_aliases,
        )
        started: Any = _Started()
        self._path.on_start(started)

    def arriving(self, span: ReadableSpan) -> ReadableSpan:
        """The span as the head sampler lets it through: with its sampled flag and its threshold."""
        context = span.get_span_context()
        if self._head is None or context is None:
            return span
        result = self._head.should_sample(
            None, context.trace_id, span.name, span.kind, span.attributes, span.links, context.trace_state
        )
        flags = TraceFlags(TraceFlags.SAMPLED if result.decision is Decision.RECORD_AND_SAMPLE else 0)
        sampled = SpanContext(context.trace_id, context.span_id, context.is_remote, flags, result.trace_state)
        return copied(span, sampled, span._attributes)

    def reset(self) -> None:
        """Fill every limit and count from zero."""
        self.limits.reset()
        self.tallies.reset()

    def end(self, span: ReadableSpan) -> Kept | None:
        """Let a span that arrived end; what is exported with it, None where it is not."""
        self._now = span.end_time or self._now
        self._kept = None
        pulled = self._path.pulled
        self._path.on_end(span)
        batch = take(self._buffer, 1, _BUFFER_BYTES, self._buffer.newest, False)
        if batch is None:
            return None
        batch.end(0, 1, "delivered")
        return self._kept and self._kept._replace(pulled=self._path.pulled > pulled)

    def _note(
        self,
        span: ReadableSpan,
        trace_state: str | None,
        extra: Mapping[str, AnyValue] | None,
        bare: Mapping[str, AnyValue] | None,
    ) -> ReadableSpan:
        self._kept = Kept(trace_state, extra or {})
        return span


class _Started:
    """What the path reads of a span that starts: by its sampler it knows that unsampled spans arrive too."""

    _sampler: Final = ErrorAwareSampler(1.0)
    context: Final = None
