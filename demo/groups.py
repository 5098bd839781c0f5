"""Errors by rule and fingerprint, collected through the public callback `on_verdict`."""

from __future__ import annotations

from dataclasses import dataclass

from otel_errsample import Verdict


@dataclass
class ErrorGroup:
    """Failures of one kind at one place, as far as one rule decided them."""

    rule: str
    fingerprint: str
    kind: str
    fault: str
    exception: str
    """The class without its module."""
    code: str
    culprit: str
    seen: int = 0
    kept: int = 0
    limited: int = 0
    """Those decided by a limit, kept or not."""
    waiting: int = 0
    """Suppressed since the last kept one: the next kept one will carry this number."""


class Groups:
    """An `on_verdict` callback. It is called on the thread that ends the span; the shop has one."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], ErrorGroup] = {}
        self.errors = 0

    def __call__(self, verdict: Verdict) -> None:
        if not verdict.facts.error:  # a downgraded failure, such as a cancellation
            return
        self.errors += 1
        group = self._group(verdict)
        group.seen += 1
        group.kept += verdict.kept
        # Under a limit the rate is unknown beforehand, so a kept span has no threshold but a count.
        if verdict.action == "suppressed":
            group.limited += 1
            group.waiting += 1
        elif verdict.action == "keep" and verdict.threshold is None:
            group.limited += 1
            group.waiting -= verdict.suppressed

    def _group(self, verdict: Verdict) -> ErrorGroup:
        facts = verdict.facts
        key = (verdict.rule or "no rule", facts.fingerprint or facts.code or "")
        known = self._groups.get(key)
        if known is None:
            known = self._groups[key] = ErrorGroup(
                *key,
                kind=facts.kind,
                fault=facts.fault,
                exception=(facts.exception or "").rpartition(".")[2],
                code=facts.code or "",
                culprit=facts.culprit or "",
            )
        return known

    def by_size(self) -> list[ErrorGroup]:
        """The largest first."""
        return sorted(self._groups.values(), key=lambda group: (-group.seen, group.exception, group.culprit))
