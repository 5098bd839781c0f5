"""The audit: whether the application, the ledger, the callback and the receiver tell the same story to the span."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import SpanKind

from demo.groups import Groups
from otel_errsample.ledger import Stats

LOSSES: Final = (
    "evicted",
    "buffer_full",
    "rejected",
    "export_failed",
    "undelivered",
    "delivery_unknown",
    "after_shutdown",
    "internal_error",
)
"""The endings of spans that were to be kept and did not arrive."""


class Witness(SpanProcessor):
    """Counts what ends, on its own, beside the span processor it is to check."""

    def __init__(self) -> None:
        self.ended = 0
        self.served = 0

    def on_end(self, span: ReadableSpan) -> None:
        self.ended += 1
        self.served += span.kind is SpanKind.SERVER


@dataclass
class Received:
    """What the receiver holds, each span once however often it came."""

    spans: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    """Spans by fingerprint."""
    suppressed: int = 0
    """The sum of what errors say they stand for besides themselves."""

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Received:
        received = cls()
        for span in {(span.trace_id, span.span_id): span for span in spans}.values():
            received.spans += 1
            attributes = {item.key: item.value for item in span.attributes}
            if "errsample.fingerprint" in attributes:
                received.kept[attributes["errsample.fingerprint"].string_value] += 1
                if "errsample.suppressed" in attributes:
                    received.suppressed += attributes["errsample.suppressed"].int_value
        return received


class Check(NamedTuple):
    """Two numbers that have to be equal, each with what it counts."""

    left_label: str
    left: int
    right_label: str
    right: int

    @property
    def agrees(self) -> bool:
        return self.left == self.right


def audit(answered: int, witness: Witness, stats: Stats, groups: Groups, received: Received | None) -> list[Check]:
    """Every pair of numbers that has to agree; without `received` those that need no look into the receiver."""
    checks = [
        Check("requests answered", answered, "server spans counted", witness.served),
        Check("spans counted", witness.ended, "spans ended in the ledger", stats.ended),
        Check("spans ended", stats.ended, "sum of their endings", sum(stats.endings.values())),
        Check("errors in the ledger", stats.errors, "verdicts called back", groups.errors),
        Check("exceptions swallowed", sum(stats.internal_errors.values()), "expected", 0),
        Check("spans lost on their way", sum(stats.endings[name] for name in LOSSES), "expected", 0),
    ]
    if received is not None:
        checks += _on_arrival(stats, groups, received)
    return checks


def _on_arrival(stats: Stats, groups: Groups, received: Received) -> list[Check]:
    by_size = groups.by_size()
    kept: Counter[str] = Counter()
    for group in by_size:
        kept[group.fingerprint] += group.kept
    agreeing = sum(count == received.kept[fingerprint] for fingerprint, count in kept.items())
    kept_under_limit = sum(group.kept for group in by_size if group.limited)
    accounted = kept_under_limit + received.suppressed + sum(group.waiting for group in by_size)
    return [
        Check("spans delivered", stats.endings["delivered"], "distinct spans received", received.spans),
        Check("error groups", len(kept), "received as they were kept", agreeing),
        Check(
            "errors under a limit",
            sum(group.limited for group in by_size),
            "kept + suppressed + waiting",
            accounted,
        ),
    ]
