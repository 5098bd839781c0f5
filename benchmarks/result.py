"""What measuring a case gives, as the drivers return it and results.json holds it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cases import Case
from benchmarks.sides import Tally


@dataclass
class Result:
    """Values per repeat of every arm, in the case's unit; `also` holds further figures, arm -> name -> median.

    `tallies` prove that an arm did what it was timed for: a case in which a span met another ending is not valid.
    """

    case: Case
    values: Mapping[str, Sequence[float]]
    tallies: Mapping[str, Tally | None] = field(default_factory=dict)
    also: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    noise: float = 1.0

    @property
    def valid(self) -> bool:
        return all(tally is None or tally.met == tally.ended for tally in self.tallies.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "sentence": self.case.sentence,
            "unit": self.case.unit,
            "clock": self.case.clock,
            "arms": {arm: self._arm(arm) for arm in self.values},
            "targets": [target.check(self.values) for target in self.case.targets],
            "valid": self.valid,
            "noise": self.noise,
        }

    def _arm(self, arm: str) -> dict[str, Any]:
        values = self.values[arm]
        spread = {"median": statistics.median(values), "min": min(values), "max": max(values)}
        spread.update(self.also.get(arm, {}))
        tally = self.tallies.get(arm)
        if tally is None:
            return spread
        return spread | {
            "ended": tally.ended,
            "delivered": tally.delivered,
            "not_as_expected": tally.ended - tally.met,
            "sent_bytes": tally.sent_bytes,
        }
