"""Scope "trace" in readable Python: the definition that ext/traces.pyx, waiting.pyx and undecided.pyx are compared with.

Room and time are without end here. Every span has a kind that says what the rules make of it: "error" is kept and keeps
its trace, "alone" is kept by a rule of scope "span", "share" by a rule for half of all traces, "limit" by one that has
room for one span; "drop" is dropped, "never" forbidden by the application, and "plain" left to the head sampler.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

HALF = 1 << 55
HEAD = 3 << 54
"""Threshold of the head sampler for the traces that it samples."""


class Ended(NamedTuple):
    trace: int
    span: int
    parent: int
    kind: str


class Exported(NamedTuple):
    threshold: int | None
    pulled: bool
    partial: bool


@dataclass
class Local:
    """The local part of a trace, from its first start to its last end."""

    partial: bool
    kept: bool
    open: list[int] = field(default_factory=list)
    waiting: list[Ended] = field(default_factory=list)


class ModelTraces:
    def __init__(self, sampled: set[int], in_half: set[int]) -> None:
        self.sampled = sampled
        self.in_half = in_half
        self.locals: dict[int, Local] = {}
        self.past: dict[int, bool] = {}
        self.exported: dict[tuple[int, int], list[Exported]] = {}
        self.endings: dict[str, int] = {}
        self.limit_spent = False

    @property
    def waiting(self) -> int:
        return sum(len(local.waiting) for local in self.locals.values())

    def start(self, trace: int, span: int, parent: int) -> None:
        """`parent` 0: none in this process."""
        if trace not in self.locals:
            late = parent != 0 or trace in self.past
            self.locals[trace] = Local(late, self.past.get(trace, False))
        self.locals[trace].open.append(span)

    def end(self, it: Ended) -> None:
        local = self.locals.get(it.trace)
        if it.kind == "never":
            self.count("dropped_by_rule")
        elif local.kept if local else self.past.get(it.trace, False):
            self.export(it, waited=False, partial=local.partial if local else True)
        elif it.kind == "error":
            partial = local.partial if local else it.trace in self.past
            self.exported.setdefault((it.trace, it.span), []).append(Exported(0, False, partial))
            self.keep(it.trace)
        elif local is None or self.stands_for_itself(it) or local.open in ([], [it.span]):
            self.settle(it)
        else:
            local.waiting.append(it)
        self.close(it)

    def stands_for_itself(self, it: Ended) -> bool:
        """Whether it is exported whatever becomes of its trace, and for how many it stands is certain."""
        if it.kind == "limit" and not self.limit_spent:
            return True
        return it.kind == "alone"

    def keep(self, trace: int) -> None:
        local = self.locals.get(trace)
        if local is None:
            self.past[trace] = True
            return
        local.kept = True
        waiting, local.waiting = local.waiting, []
        for it in waiting:
            self.export(it, waited=True, partial=local.partial)

    def close(self, it: Ended) -> None:
        local = self.locals.get(it.trace)
        if local is None:
            return
        if it.span in local.open:
            local.open.reverse()
            local.open.remove(it.span)  # the one that started last, where two have the same id
            local.open.reverse()
        if not local.open:
            self.finish(it.trace)

    def finish(self, trace: int) -> None:
        local = self.locals.pop(trace)
        unwanted = [it for it in local.waiting if not self.wanted(it)]
        if local.kept:
            self.past[trace] = True
        elif local.partial or unwanted:
            self.past.setdefault(trace, False)
        for it in local.waiting:
            self.settle(it, waited=True)

    def shut_down(self) -> None:
        for local in self.locals.values():
            for it in local.waiting:
                self.settle(it, waited=True)
            local.waiting = []

    def wanted(self, it: Ended) -> bool:
        if it.kind == "share":
            return it.trace in self.in_half
        return it.kind == "plain" and it.trace in self.sampled

    def settle(self, it: Ended, waited: bool = False) -> None:
        """Its own decision."""
        key = (it.trace, it.span)
        if it.kind == "alone":
            self.exported.setdefault(key, []).append(Exported(0, False, False))
        elif it.kind == "limit" and not self.limit_spent and not waited:
            self.limit_spent = True
            self.exported.setdefault(key, []).append(Exported(None, False, False))
        elif self.wanted(it):
            threshold = HALF if it.kind == "share" else HEAD
            self.exported.setdefault(key, []).append(Exported(threshold, False, False))
        else:
            self.count(
                {"drop": "dropped_by_rule", "share": "sampled_out", "limit": "suppressed"}.get(it.kind, "not_sampled")
            )

    def export(self, it: Ended, *, waited: bool, partial: bool) -> None:
        """For the sake of an error that is kept with certainty; what a limit did not see before it is not asked about."""
        own = it.kind in ("alone", "error") or self.wanted(it) or (it.kind == "limit" and not waited)
        told = partial and (not own or it.kind == "error")
        self.exported.setdefault((it.trace, it.span), []).append(Exported(0, not own, told))

    def count(self, ending: str) -> None:
        self.endings[ending] = self.endings.get(ending, 0) + 1
