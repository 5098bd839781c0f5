"""What a program under a released instrumentation exports: it plays its scenes and prints the spans of each as JSON."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind

from otel_errsample import ErrorAwareSampler, ErrorSpanProcessor, Verdict
from otel_errsample.taxonomy import KINDS
from otel_errsample.testing import CollectingTransport
from otel_errsample.testing.store import Received, unpack

APPLICATION = "application"
ENDING_IN = 20.0  # seconds within which every span that a scene started has to end
# Every span is kept, by a rule that tells the kind also of what was downgraded to no error.
RULES = "\n".join([*(f'{kind}: keep if kind == "{kind}"' for kind in KINDS), "healthy: keep"])


class _Open(SpanProcessor):
    """Counts the spans that have started and not ended; registered last, so that an end has been seen by the others."""

    def __init__(self) -> None:
        self._open = 0
        self._changed = threading.Condition()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        with self._changed:
            self._open += 1

    def on_end(self, span: ReadableSpan) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def wait(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._open == 0, ENDING_IN), f"{self._open} spans never ended"


class Recorder:
    """An application's telemetry: the processor behind the global tracer provider, with a transport that collects.

    The head sampler wants nothing, as in production most of the time: what is exported, a rule has kept.
    """

    def __init__(self) -> None:
        self._transport = CollectingTransport()
        self._verdicts: dict[int, Verdict] = {}
        self._processor = ErrorSpanProcessor(RULES, scope="span", transport=self._transport, on_verdict=self._note)
        self._open = _Open()
        self._provider = TracerProvider(sampler=ErrorAwareSampler(0), shutdown_on_exit=False)
        self._provider.add_span_processor(self._processor)
        self._provider.add_span_processor(self._open)
        trace.set_tracer_provider(self._provider)

    def application(self) -> AbstractContextManager[Any]:
        """A span of the application's own, around a call or inside a handler."""
        return trace.get_tracer(APPLICATION).start_as_current_span(APPLICATION)

    def play(self, scenes: Mapping[str, Callable[[], object]]) -> None:
        """Play every scene twice; print per scene the spans that each time exported."""
        print(json.dumps({name: [self._spans_of(scene) for _ in range(2)] for name, scene in scenes.items()}))
        self._provider.shutdown()

    def _spans_of(self, scene: Callable[[], object]) -> list[dict[str, Any]]:
        seen = len(self._transport.accepted)
        try:
            scene()
        except (Exception, asyncio.CancelledError):  # what the scene is about
            pass
        self._open.wait()
        assert self._processor.force_flush()
        assert not self._processor.stats().internal_errors
        return [self._readable(received) for payload in self._transport.accepted[seen:] for received in unpack(payload)]

    def _note(self, verdict: Verdict) -> None:
        self._verdicts[verdict.span_id] = verdict

    def _readable(self, received: Received) -> dict[str, Any]:
        span = received.span
        verdict = self._verdicts.get(int.from_bytes(span.span_id, "big"))
        return {
            "scope": received.scope.name,
            "kind": SpanKind(span.kind - 1).name,
            "error": verdict is not None,
            "exception": None if verdict is None else verdict.facts.exception,
            "attributes": {item.key: item.value.string_value for item in span.attributes},
        }
