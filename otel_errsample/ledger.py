"""The ledger's face in Python: how every ended span ended, counted without sampling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

ENDING_MEANINGS: Final[dict[str, str]] = {
    "delivered": "the receiver acknowledged it",
    "not_sampled": "neither a rule nor the head sampler wanted it",
    "dropped_by_rule": "a rule with the action `drop` matched",
    "sampled_out": "its trace is not in the percentage of the rule that matched",
    "suppressed": "the limit of the rule that matched was spent",
    "left_to_head": "sampled, and left to the other span processor (`head_sampled=False`), or to one added before that sends to the same place",
    "thinned": "gave up its room while it waited for the decision on its trace",
    "evicted": "given up for a more valuable span when the buffer was full",
    "buffer_full": "refused, since the buffer held nothing less valuable",
    "rejected": "the receiver refused it for its content",
    "export_failed": "the exporter failed for good",
    "undelivered": "given up at shutdown without an attempt that may have succeeded",
    "delivery_unknown": "sent, and never answered",
    "spooled": "left in the spool at shutdown, for the next process to send",
    "after_shutdown": "ended after the span processor was shut down",
    "internal_error": "lost to a failure inside this package",
}

ENDINGS: Final = tuple(ENDING_MEANINGS)
"""The closed list of endings; its order is the numbering of the extension's counters."""


class ErrorCount(NamedTuple):
    """How many errors were of one kind, fault, severity and recovery."""

    kind: str
    fault: str
    severity: str
    recovery: str
    number: int


class RuleCount(NamedTuple):
    """What one rule did; under `shadow` what it would have done.

    `matched` exceeds kept, dropped, suppressed and sampled out together by the spans it left to the head. `bytes` is
    the size of the spans it kept, encoded, without their resources and scopes.
    """

    name: str
    matched: int = 0
    kept: int = 0
    dropped: int = 0
    suppressed: int = 0
    sampled_out: int = 0
    shadowed: int = 0
    bytes: int = 0


class SpoolCount(NamedTuple):
    """What the spool did in this process.

    `state` is "ok", "closed", or why errors are in memory alone. `written` errors went to the file, of which `waiting`
    have no ending yet; `overwritten` ones lost their place to newer ones, or were larger than a half of it, and are in
    memory alone. Of processes that died `adopted` files were taken over; `expired` spans in them were too old to be sent,
    `damaged` stretches or whole files hold none, and `discarded` files were removed unread because there were too many.
    """

    state: str
    waiting: int = 0
    written: int = 0
    overwritten: int = 0
    adopted: int = 0
    expired: int = 0
    damaged: int = 0
    discarded: int = 0


@dataclass(frozen=True)
class Stats:
    """One moment of the ledger. All counts start at zero with the process, in a forked child too.

    `dry_run` is None unless OTEL_ERRSAMPLE_DRY_RUN is set; then it tells by action what the rules would have done with
    the spans that ended, and so do the counts of `rules`, while `endings` are what really became of them.

    `recovered` spans ended in processes that died, and were taken over from their spools: beside `ended`, they have
    their endings here too. `endings` has a count for every name in ENDINGS. `deciding` spans are inside `on_end`,
    `waiting` ones wait for the decision on their trace (scope "trace"), `buffered` ones for a request, `in_flight` ones
    are sent and not yet answered; these three share the buffer, whose sizes are in bytes. `cut_short` spans have texts that rules
    would have taken too long to look at. `truncated` and `repaired` spans were cut to a limit or
    had a value that could not be encoded as it was. `pulled` spans are kept only because an error below or beside them was; what
    the rules said of them is in the counts of `rules` all the same. `internal_errors` counts what was caught, by place.
    """

    ended: int
    errors: int
    endings: Mapping[str, int]
    recovered: int = 0
    deciding: int = 0
    waiting: int = 0
    buffered: int = 0
    in_flight: int = 0
    buffer_bytes: int = 0
    peak_buffer_bytes: int = 0
    capacity_bytes: int = 0
    requests: int = 0
    sent_bytes: int = 0
    retries: int = 0
    truncated: int = 0
    cut_short: int = 0
    repaired: int = 0
    scrubbed: int = 0
    """Secrets that were taken out of spans."""
    error_kinds: tuple[ErrorCount, ...] = ()
    """What was met of the four axes. The counts of these, and of each of the next three, add up to `errors`."""
    error_sources: Mapping[str, int] = field(default_factory=dict)
    """By where the errors are known from, `errsample.source`."""
    error_types: Mapping[str, int] = field(default_factory=dict)
    """By class, else code, as `error.type`: the first hundred, the others and those without either as "_OTHER"."""
    error_codes: Mapping[str, int] = field(default_factory=dict)
    """By `errsample.code`: the first hundred, the others as "_OTHER", and errors without a code under an empty text."""
    internal_errors: Mapping[str, int] = field(default_factory=dict)
    rules: tuple[RuleCount, ...] = ()
    """Those in force, then former ones that matched something: no sum ever goes back."""
    rules_source: str = "default"
    """"code", "OTEL_ERRSAMPLE_RULES", the path of the configuration file, or "default"."""
    rules_version: int = 1
    """How often other rules came into force, the first time included."""
    config_problem: str = ""
    """What is wrong with the configuration file now; empty where it is in force."""
    unreported: int = 0
    """Suppressed spans that no exported span will speak for, since their rule was removed or has no limit any more."""
    pulled: int = 0
    dry_run: Mapping[str, int] | None = None
    spool: SpoolCount | None = None
    """None unless OTEL_ERRSAMPLE_SPOOL_DIR is set."""
    exporter: str = "ok"
    """"ok", or "failing: " and the cause of the last failure, as long as nothing was delivered since."""
    worker: str = "not started"
    """"not started", "running", "stopped", or "failed: " and the reason."""

    @property
    def balanced(self) -> bool:
        """Whether every span, ended or recovered, has an ending, is being decided, waits, or is in the buffer."""
        settled = sum(self.endings.values()) + self.deciding + self.waiting + self.buffered + self.in_flight
        return self.ended + self.recovered == settled and self.deciding >= 0  # below 0: a span was given two endings

    def as_dict(self) -> dict[str, Any]:
        """Everything as values that JSON has, `balanced` included; each rule as a dict."""
        return {
            **vars(self),
            "endings": dict(self.endings),
            "error_kinds": [counted._asdict() for counted in self.error_kinds],
            "error_sources": dict(self.error_sources),
            "error_types": dict(self.error_types),
            "error_codes": dict(self.error_codes),
            "internal_errors": dict(self.internal_errors),
            "rules": [rule._asdict() for rule in self.rules],
            "spool": None if self.spool is None else self.spool._asdict(),
            "dry_run": None if self.dry_run is None else dict(self.dry_run),
            "balanced": self.balanced,
        }

    def __str__(self) -> str:
        endings = _nonzero(self.endings)
        sent = f"{self.requests} requests, {size_text(self.sent_bytes)}, {self.retries} retries"
        waiting = f"{self.buffered} spans waiting, {self.in_flight} in flight"
        peak = size_text(self.peak_buffer_bytes)
        lines = [
            f"{self.ended} spans ended, {self.errors} of them errors" + (f": {endings}" if endings else ""),
            *([f"errors: {_nonzero(kinds)}"] if (kinds := self._kinds()) else []),
            f"buffer: {waiting}, {size_text(self.buffer_bytes)} of {size_text(self.capacity_bytes)}, peak {peak}",
            f"export: {sent}; {self.truncated} spans truncated, {self.repaired} repaired",
            f"exporter {self.exporter}, worker {self.worker}",
        ]
        if self.scrubbed:
            lines.append(f"scrubbing: {self.scrubbed} secrets taken out")
        if self.spool is not None:
            state, *counts = self.spool
            told = _nonzero(dict(zip(SpoolCount._fields[1:], counts, strict=True)))
            lines.append(f"spool {state}: {self.recovered} spans recovered" + (f"; {told}" if told else ""))
        if self.pulled:
            lines.append(f"scope: {self.pulled} spans kept for the sake of an error")
        if self.waiting:
            lines.append(f"scope: {self.waiting} spans wait for the decision on their trace")
        if self.dry_run is not None:
            lines.append(f"dry run, would have been: {_nonzero(self.dry_run) or 'nothing yet'}")
        lines.append(f"rules: version {self.rules_version}, from {self.rules_source}")
        if self.config_problem:
            lines.append(f"configuration file: {self.config_problem}")
        for name, *counts in self.rules:
            outcomes = _nonzero(dict(zip(RuleCount._fields[1:], counts, strict=True)))
            lines.append(f"rule {name}: {outcomes or 'no match'}")
        if self.unreported:
            lines.append(f"{self.unreported} suppressed spans of former rules are carried by no span")
        if self.cut_short:
            lines.append(f"rules: {self.cut_short} spans whose texts take too long to look at")
        if errors := _nonzero(self.internal_errors):
            lines.append(f"internal errors: {errors}")
        if not self.balanced:
            lines.append("the counts do not add up to the spans ended")
        return "\n".join(lines)

    def _kinds(self) -> dict[str, int]:
        kinds: Counter[str] = Counter()
        for counted in self.error_kinds:
            kinds[counted.kind] += counted.number
        return dict(kinds.most_common())


def _nonzero(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def size_text(count: int) -> str:
    """A number of bytes for people."""
    for unit, scale in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"
