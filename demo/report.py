"""The result on one page: where every span went, what each rule did, which errors there were, and the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from demo.books import Check
from demo.groups import ErrorGroup
from demo.text import PIPED_WIDTH, Style, bar, share, size, table
from otel_errsample.ledger import Stats

_BAR: Final = 40


def page(
    style: Style, stats: Stats, groups: Sequence[ErrorGroup], answers: Mapping[int, int], checks: Sequence[Check]
) -> str:
    """Everything that is shown after the run."""
    sections = [
        _endings(style, stats),
        _rules(style, stats),
        _groups(style, groups, answers),
        _export(style, stats),
        _audit(style, checks),
    ]
    return "\n\n".join("\n".join(section) for section in sections)


def _endings(style: Style, stats: Stats) -> list[str]:
    endings = sorted(stats.endings.items(), key=lambda ending: -ending[1])
    width = max(map(len, stats.endings))
    lines = [
        style.bold(f"{stats.ended:,} spans ended, {stats.errors:,} of them errors")
        + style.dim(f"   {share(stats.endings['delivered'], stats.ended)} of the spans were sent")
    ]
    lines += [
        f"  {name.replace('_', ' '):<{width}}  {count:>9,}  {share(count, stats.ended):>7}  "
        + bar(style, count, stats.ended, _BAR)
        for name, count in endings
        if count
    ]
    return lines


def _rules(style: Style, stats: Stats) -> list[str]:
    columns = ("rule", "matched", "kept", "suppressed", "sampled out", "dropped")
    rows = [
        (rule.name, rule.matched, rule.kept, rule.suppressed, rule.sampled_out, rule.dropped) for rule in stats.rules
    ]
    return [style.bold("What the rules did"), *table(style, columns, rows)]


def _groups(style: Style, groups: Sequence[ErrorGroup], answers: Mapping[int, int]) -> list[str]:
    columns = ["seen", "kept", "kind", "fault", "exception", "code", "culprit"]
    if style.width < PIPED_WIDTH:
        columns.remove("code")  # the place says more
    rows = [[getattr(group, name) for name in columns] for group in groups]
    statuses = ", ".join(f"{count:,} x {status}" for status, count in sorted(answers.items())) or "none"
    return [
        style.bold("What failed"),
        *table(style, columns, rows),
        style.dim(f"  answers: {statuses}"),
        style.dim("  An exception that was recorded and answered with 422 is no error."),
    ]


def _export(style: Style, stats: Stats) -> list[str]:
    delivered = stats.endings["delivered"]
    each = f", {size(stats.sent_bytes // delivered)} a span" if delivered else ""
    filled = share(stats.peak_buffer_bytes, stats.capacity_bytes)
    return [
        style.bold("What it took"),
        f"  sent         {size(stats.sent_bytes)}{each}",
        f"  requests     {stats.requests:,}, retries {stats.retries:,}",
        f"  peak buffer  {size(stats.peak_buffer_bytes)} of {size(stats.capacity_bytes)} ({filled})",
    ]


def _audit(style: Style, checks: Sequence[Check]) -> list[str]:
    rows = [
        ("ok" if check.agrees else "DIFFERS", check.left, check.left_label, check.right, check.right_label)
        for check in checks
    ]
    _, *lines = table(style, ("",) * 5, rows)
    painted = [
        line.replace("ok", style.good("ok"), 1) if check.agrees else style.bad(line)
        for line, check in zip(lines, checks, strict=True)
    ]
    return [style.bold("Do the books balance?"), *painted]
