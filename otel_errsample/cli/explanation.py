"""What the rules do with one span, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from otel_errsample._hot import ErrorFacts, format_threshold, verdict
from otel_errsample.cli.trial import Trial
from otel_errsample.cli.witness import Answer, Witness

CERTAIN_LOSS: Final = 1 << 56
_FACTS: Final = (
    "error", "exception", "message", "cause", "kind", "fault", "severity", "recovery", "code", "domain", "fingerprint",
    "culprit", "source",
)  # fmt: skip
_OUTCOMES: Final = ("kept", "dropped", "suppressed", "sampled_out")


@dataclass(frozen=True)
class Explanation:
    """`answers` are those of the rules that were asked, `unasked` names the others.

    `action` is what was decided, by `rule`; None stands for the application's errsample.keep where the action is
    "keep" or "drop", and for no matching rule where it is "head". `threshold` is what ot=th says of the decision.
    `pulled` tells that it is exported although that says no, with a kept error below it in its trace. `would` tells for each shadow rule that matched what it would have done. `facts` is None where nothing failed.
    """

    span: ReadableSpan
    sampled: bool
    facts: ErrorFacts | None
    answers: list[Answer]
    unasked: list[str]
    action: str
    rule: Answer | None
    weight: str
    threshold: int
    exported: bool
    pulled: bool = False
    added: dict[str, Any] = field(default_factory=dict)
    trace_state: str | None = None
    would: dict[str, str] = field(default_factory=dict)

    @property
    def trace_id(self) -> str:
        context = self.span.get_span_context()
        return f"{context.trace_id if context else 0:032x}"

    @property
    def span_id(self) -> str:
        context = self.span.get_span_context()
        return f"{context.span_id if context else 0:016x}"

    def as_dict(self) -> dict[str, Any]:
        """Everything as values that JSON has."""
        return {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "name": self.span.name,
            "sampled": self.sampled,
            "facts": self.facts and {name: getattr(self.facts, name) for name in _FACTS},
            "rules": [
                {
                    "name": str(answer.rule.name),
                    "action": str(answer.rule.action),
                    "condition": str(answer.rule.condition or "") or None,
                    "matches": answer.matches,
                    "failing": answer.failing or None,
                    "seen": list(answer.seen),
                    "would": self.would.get(str(answer.rule.name)),
                }
                for answer in self.answers
            ],
            "unasked": self.unasked,
            "action": self.action,
            "rule": self.rule and str(self.rule.rule.name),
            "threshold": format_threshold(self.threshold) if self.weight == "set" else None,
            "exported": self.exported,
            "pulled": self.pulled,
            "added": self.added,
            "trace_state": self.trace_state,
        }


def explain(span: ReadableSpan, trial: Trial, witness: Witness) -> Explanation:
    """Let the span end in a process whose limits are all unspent."""
    span = trial.arriving(span)
    context = span.get_span_context()
    sampled = context is not None and context.trace_flags.sampled
    facts = trial.classifier.classify_span(span)
    trial.reset()
    action, number, weight, threshold, *_ = verdict(trial.table, span, facts, sampled)
    would = _would(trial)
    trial.reset()
    kept = trial.end(span)
    answers = witness.answers(span, facts, sampled)
    decided = action != "head" and number < 0
    asked = 0 if decided else number + 1 or len(answers)
    return Explanation(
        span,
        sampled,
        facts,
        answers[:asked],
        [str(answer.rule.name) for answer in answers[asked:]],
        action,
        answers[number] if number >= 0 else None,
        weight,
        threshold,
        kept is not None,
        kept is not None and kept.pulled,
        dict(kept.extra) if kept else {},
        kept.trace_state if kept else None,
        would,
    )


def _would(trial: Trial) -> dict[str, str]:
    """What each shadow rule that matched would have done."""
    found = {}
    for count in trial.table.counts():
        if count["shadowed"]:
            done = [outcome for outcome in _OUTCOMES if count[outcome]]
            found[count["name"]] = done[0].replace("_", " ") if done else "left to the head sampler"
    return found
