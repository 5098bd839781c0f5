"""What has to hold at the end of a soak: every ended span has arrived or was counted, and nothing has grown."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from chaos.soak.books import Identity, Kind, books
from chaos.soak.driver import Soak
from chaos.soak.said import Said, lines

MOST_GROWTH: Final = 8 << 20
"""Bytes of resident memory, the median of the last three calms less that of the three after the first.

Between neighbours it goes up and down by up to 9 MiB: 4 MiB are the buffer's, and messages of 1 MB leave holes in the heap.
"""
OF_CALMS: Final = 3
MORE_THREADS: Final = 2
MORE_FILES: Final = 4

_LOST: Final = ("evicted", "buffer_full", "rejected", "undelivered", "delivery_unknown")
"""Endings in which an error does not arrive, or may not. One more, `suppressed`, is for storms alone: their rule."""
_OF_ONE: Final = ("SIGKILL", "SIGTERM")
_OF_ALL: Final = ("restarts", "away")
"""Troubles that interrupt a request of one application, and of all that send to a receiver."""


@dataclass
class Verdict:
    """`faults` are what must not be; the figures are for people."""

    faults: list[str]
    ended: Counter[str] = field(default_factory=Counter)
    arrived: Counter[str] = field(default_factory=Counter)
    again: int = 0
    repeated: int = 0
    most_repeated: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    recovered: int = 0
    processes: int = 0
    looks: int = 0
    memory: list[int] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return vars(self)


def judge(soak: Soak, calms: list[tuple[float, float]]) -> Verdict:
    """After `soak.end()`. `calms` are the beginnings and ends of the moments in which all was well."""
    verdict = Verdict([*soak.faults, *soak.arrivals.faults])
    said = {one[0].process: one for one in lines(soak.directory) if one}
    verdict.processes = len(books(soak.directory))
    verdict.looks = sum(map(len, said.values()))
    for one in said.values():
        last = one[-1]
        verdict.faults += [f"{last.line['name']} {last.process}: {fault}" for fault in last.line["faults"]]
        verdict.endings.update(last.line["endings"])
        verdict.recovered += last.line["recovered"]
    _compare(soak, said, verdict)
    _bound_repetition(soak, verdict)
    steady = [one for one in said.values() if one[0].line["name"] == "steady" and len(one) > 1]
    if steady:
        _measure(max(steady, key=len), calms, verdict)
    return verdict


def _compare(soak: Soak, said: dict[int, list[Said]], verdict: Verdict) -> None:
    """What ended against what arrived, by process and kind.

    The errors that a process left to others have their endings in the books of whoever adopted them, so only all
    processes together can answer for those; who left none answers alone.
    """
    arrived = Counter((one.process, one.kind) for one in soak.arrivals.times)
    verdict.arrived.update(one.kind.name for one in soak.arrivals.times)
    left = left_and_counted = 0
    for book in books(soak.directory):
        _look_for_new(soak, book.last(), said.get(book.process), verdict)
        ended = Counter[Kind]()
        for last in book.last():
            ended[last.kind] += last.number
            verdict.ended[last.kind.name] += last.number
        missing = {kind: max(0, ended[kind] - arrived[book.process, kind]) for kind in Kind}
        suppressed = missing[Kind.STORM]
        others = sum(missing[kind] for kind in (Kind.REPEATED, Kind.HOSTILE, Kind.UNWELCOME))
        if book.process not in said:  # it was killed before it looked at its books for the first time
            left += others
            left_and_counted += ended.total()
            continue
        word = said[book.process][-1]
        if any(one.line["rules_source"] == "default" for one in said[book.process]):
            # It started while the rules were broken: the default ones limit whatever comes again.
            suppressed, others = suppressed + others, 0
        others += max(0, suppressed - word.ended_as("suppressed"))
        counted = word.ended_as(*_LOST)
        if word.line["final"] and not word.ended_as("spooled"):
            if others > counted:
                verdict.faults.append(
                    f"{word.line['name']} {book.process}: {others} errors have not arrived, {counted} are counted as lost"
                )
        else:
            left += others
        # Of one that was killed nobody can tell what was counted since it last told.
        untold = (
            0 if word.line["final"] else ended.total() - word.line["ended_here"] + word.line["spool"]["overwritten"]
        )
        left_and_counted += counted + untold
    if left > left_and_counted:
        verdict.faults.append(
            f"{left} errors that processes left to others have not arrived, {left_and_counted} are counted as lost"
        )


def _look_for_new(soak: Soak, last: Any, said: list[Said] | None, verdict: Verdict) -> None:
    """Errors that nobody has seen before arrive, every single one."""
    lost = []
    for one in last:
        if one.kind is Kind.NEW:
            every = (Identity(one.process, one.thread, one.kind, number + 1) for number in range(one.number))
            lost += [each for each in every if not soak.arrivals.times[each]]
    excused = said[-1].ended_as("undelivered", "delivery_unknown") if said and not said[-1].has_spool else 0
    if len(lost) > excused:
        name = said[-1].line["name"] if said else "a process that has said nothing"
        verdict.faults.append(f"{name}: {len(lost)} errors of new fingerprints are lost, the first of them {lost[0]}")


def _bound_repetition(soak: Soak, verdict: Verdict) -> None:
    """A request whose answer did not come is sent once more, and nothing else is."""
    verdict.again = soak.arrivals.times.total() - len(soak.arrivals.times)
    verdict.repeated = len(soak.arrivals.repeated)
    # A fork interrupts the request of the parent; an application and a child of it may send to a receiver at once.
    verdict.most_repeated = soak.arrivals.unanswered + verdict.processes
    verdict.most_repeated += sum(soak.troubles[name] for name in _OF_ONE) + 2 * sum(
        soak.troubles[name] for name in _OF_ALL
    )
    if verdict.repeated > verdict.most_repeated:
        verdict.faults.append(f"{verdict.repeated} requests came again, {verdict.most_repeated} were interrupted")


def _measure(steady: list[Said], calms: list[tuple[float, float]], verdict: Verdict) -> None:
    """Memory, threads and files in the calms: what they are when all that waited has been sent."""
    moments = []
    for begin, end in calms:
        within = [one.line for one in steady if (begin + end) / 2 <= one.line["at"] <= end]
        if within:
            moments.append({what: min(line[what] for line in within) for what in ("rss", "threads", "files")})
    verdict.memory = [moment["rss"] for moment in moments]
    if len(moments) < 2 * OF_CALMS:
        return
    early, late = moments[1 : OF_CALMS + 1], moments[-OF_CALMS:]
    for what, most in (("rss", MOST_GROWTH), ("threads", MORE_THREADS), ("files", MORE_FILES)):
        before, after = (int(statistics.median(moment[what] for moment in part)) for part in (early, late))
        if after - before > most:
            verdict.faults.append(f"{what} of the steady application grew from {before} to {after}")
