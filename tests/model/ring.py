"""The ring in readable Python: the definition that ext/ring.pyx and ext/recovery.pyx are compared with."""

from __future__ import annotations

from dataclasses import dataclass, field

HEADER = 4096
SLOT = 40
SHELVES = 2

Pieces = tuple[bytes, bytes, bytes, bytes, bytes]


@dataclass
class ModelRecord:
    position: int
    pieces: Pieces
    done: bool = False

    @property
    def length(self) -> int:
        return (SLOT + sum(map(len, self.pieces)) + 7) // 8 * 8


@dataclass
class ModelRing:
    """Two shelves of `capacity` bytes."""

    capacity: int
    shelves: list[list[ModelRecord]] = field(default_factory=lambda: [[] for _ in range(SHELVES)])
    heads: list[int] = field(default_factory=lambda: [0] * SHELVES)
    written: int = 0
    overwritten: int = 0
    left_out: int = 0

    @property
    def waiting(self) -> int:
        return sum(not record.done for shelf in self.shelves for record in shelf)

    def write(self, number: int, pieces: Pieces) -> ModelRecord | None:
        shelf = self.shelves[number]
        record = ModelRecord(self.heads[number], pieces)
        if record.length > self.capacity:
            self.left_out += 1
            return None
        if shelf and record.position + record.length - shelf[0].position > self.capacity:
            while shelf and record.position + record.length - shelf[0].position > self.capacity:
                self.overwritten += not shelf.pop(0).done
            self._pass_done(shelf)
        shelf.append(record)
        self.heads[number] += record.length
        self.written += 1
        return record

    def settle(self, record: ModelRecord) -> None:
        record.done = True
        for shelf in self.shelves:
            self._pass_done(shelf)

    @staticmethod
    def _pass_done(shelf: list[ModelRecord]) -> None:
        while shelf and shelf[0].done:
            shelf.pop(0)

    def left(self) -> list[list[Pieces]]:
        """What the next process finds in each shelf, the oldest first."""
        return [[record.pieces for record in shelf if not record.done] for shelf in self.shelves]
