"""Recorded spans go through the rules one after the other, and what becomes of them is counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from otel_errsample._hot import encode
from otel_errsample.cli.files import Unreadable, decoded
from otel_errsample.cli.recording import MOST_BYTES, in_order
from otel_errsample.cli.trial import MOST_SPAN_BYTES, Trial
from otel_errsample.otlpjson import JsonError, OtlpJsonError, documents, spans_of
from otel_errsample.rules.document import Document

# Enough to see what is wrong with a file.
BAD_LINES_SHOWN: Final = 5


@dataclass(frozen=True)
class RuleOutcome:
    """What one rule did, or would have done where it is a shadow. `left` spans it left to the head sampler."""

    name: str
    action: str
    shadow: bool
    matched: int
    kept: int
    suppressed: int
    sampled_out: int
    dropped: int
    left: int
    bytes: int


class Replay:
    """Give it lines; memory is bounded by the longest one. Limits count over all of them, as in one process.

    `bytes` is the size of the spans kept and `recorded_bytes` that of all, encoded as OTLP; a span counts as `pulled`
    where a kept error below it is the only reason for it.
    """

    def __init__(self, document: Document, head: float | None = None) -> None:
        self.kinds: Counter[str] = Counter()
        self.trial = Trial(document, head, lambda verdict: self.kinds.update((verdict.facts.kind,)))
        self.lines = self.empty_lines = self.bad_lines = 0
        self.bad: list[str] = []
        self.bytes = self.recorded_bytes = 0
        self.pulled = self.pulled_bytes = 0

    def line(self, name: str, number: int, data: bytes | None) -> None:
        """The spans of one line of a file, None for one that is too long; what cannot be read is counted."""
        self.lines += 1
        try:
            self._line(name, number, data)
        except Unreadable as error:
            self.bad_lines += 1
            if len(self.bad) < BAD_LINES_SHOWN:
                self.bad.append(str(error))

    def _line(self, name: str, number: int, data: bytes | None) -> None:
        if data is None:
            raise Unreadable(f"{name}:{number}: a line is expected to have at most {MOST_BYTES} bytes")
        try:
            # All of a line or nothing: what follows a mistake is not to be trusted, nor counted half.
            found = [span for _, document in documents(decoded(data, name, number)) for span in spans_of(document)]
        except JsonError as error:
            raise Unreadable(f"{name}:{number}:{error.column}: {error.message}") from None
        except OtlpJsonError as error:
            raise Unreadable(f"{name}:{number}: {error}") from None
        self.empty_lines += not found
        for span in in_order(found):
            arriving = self.trial.arriving(span)
            self.recorded_bytes += len(encode(arriving, cap=MOST_SPAN_BYTES))
            kept = self.trial.end(arriving)
            if kept is not None:
                size = len(encode(arriving, kept.trace_state, dict(kept.extra), MOST_SPAN_BYTES))
                self.bytes += size
                self.pulled += kept.pulled
                self.pulled_bytes += size if kept.pulled else 0

    @property
    def spans(self) -> int:
        return self.trial.ledger.ended

    @property
    def kept(self) -> int:
        return self.trial.ledger.endings["delivered"]

    def outcomes(self) -> list[RuleOutcome]:
        """One for each rule, in order."""
        outcomes = []
        for rule, count in zip(self.trial.rules._rules, self.trial.table.counts(), strict=True):
            done = (count["kept"], count["suppressed"], count["sampled_out"], count["dropped"])
            left = count["matched"] - sum(done)
            action = str(rule.action)
            outcomes.append(
                RuleOutcome(count["name"], action, rule.action.shadow, count["matched"], *done, left, count["bytes"])
            )
        return outcomes

    def rest(self) -> RuleOutcome:
        """The spans that no rule decides about: the head sampler does, or the application with errsample.keep."""
        rules = [outcome for outcome in self.outcomes() if not outcome.shadow]
        matched = self.spans - sum(rule.matched - rule.left for rule in rules)
        kept = self.kept - self.pulled - sum(rule.kept for rule in rules)
        size = self.bytes - self.pulled_bytes - sum(rule.bytes for rule in rules)
        return RuleOutcome("", "head", False, matched, kept, 0, 0, 0, matched - kept, size)

    def as_dict(self) -> dict[str, Any]:
        """Everything as values that JSON has."""
        ledger, rest = self.trial.ledger, self.rest()
        return {
            "lines": self.lines,
            "lines_without_spans": self.empty_lines,
            "bad_lines": {"count": self.bad_lines, "first": self.bad},
            "spans": self.spans,
            "errors": ledger.errors,
            "errors_by_kind": dict(self.kinds.most_common()),
            "kept": self.kept,
            "bytes": self.bytes,
            "recorded_bytes": self.recorded_bytes,
            "rules": [vars(outcome) for outcome in self.outcomes()],
            "no_rule": {"spans": rest.matched, "kept": rest.kept, "bytes": rest.bytes},
            "pulled": {"kept": self.pulled, "bytes": self.pulled_bytes},
            "endings": {name: count for name, count in ledger.endings.items() if count},
            "internal_errors": dict(ledger.internal_errors),
            "balanced": self.spans == sum(ledger.endings.values()) and rest.kept >= 0,
        }
