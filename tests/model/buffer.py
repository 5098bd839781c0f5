"""The buffer in readable Python: the definition that ext/buffer.pyx is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field

HEADER = 56 + 16
TWIN = 24
HEAD_LANE = 1
LANES = 4


@dataclass
class Record:
    name: int
    size: int
    lane: int
    maybe_delivered: bool = False
    twofold: bool = False

    @property
    def charge(self) -> int:
        return HEADER + self.size + TWIN * self.twofold


@dataclass
class ModelBuffer:
    limit: int
    lanes: list[list[Record]] = field(default_factory=lambda: [[] for _ in range(LANES)])
    flying: list[Record] = field(default_factory=list)
    endings: dict[str, int] = field(default_factory=dict)

    @property
    def used(self) -> int:
        return sum(record.charge for lane in self.lanes for record in lane) + sum(r.charge for r in self.flying)

    def end(self, record: Record, ending: str) -> None:
        self.endings[ending] = self.endings.get(ending, 0) + 1

    def offer(self, record: Record) -> str | None:
        if record.charge > self.limit:
            self.end(record, "buffer_full")
            return "buffer_full"
        victims = range(HEAD_LANE) if record.lane <= HEAD_LANE else range(record.lane + 1)
        while self.used + record.charge > self.limit:
            lane = next((lane for lane in victims if self.lanes[lane]), None)
            if lane is None:
                self.end(record, "buffer_full")
                return "buffer_full"
            victim = self.lanes[lane].pop(0)
            self.end(victim, "delivery_unknown" if victim.maybe_delivered else "evicted")
        self.lanes[record.lane].append(record)
        return None

    def take(self, most: int, most_bytes: int, overhead: int, errors_only: bool) -> list[Record]:
        taken: list[Record] = []
        size = overhead
        for lane in range(LANES - 1, 1 if errors_only else -1, -1):
            while self.lanes[lane] and len(taken) < most:
                if taken and size + self.lanes[lane][0].size > most_bytes:
                    break
                taken.append(self.lanes[lane].pop(0))
                size += taken[-1].size
        self.flying = taken
        return taken

    def settle(self, index: int, ending: str) -> None:
        record = self.flying[index]
        self.end(record, ending)

    def put_back(self, records: list[Record], maybe_delivered: bool) -> None:
        for record in reversed(records):
            record.maybe_delivered |= maybe_delivered
            self.lanes[record.lane].insert(0, record)
