"""What the processes of a soak wrote down about their books."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "said-"


@dataclass(frozen=True)
class Said:
    """One line of one process: what `chaos.soak.service` writes every second."""

    process: int
    line: dict[str, Any]

    def write(self, directory: Path) -> None:
        """Add it to what its process has said."""
        with (directory / f"{PREFIX}{self.process}").open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.line) + "\n")

    @property
    def pid(self) -> int:
        return int(self.line["pid"])

    @property
    def has_spool(self) -> bool:
        return bool(self.line["spool"]["state"] in ("ok", "closed"))

    def ended_as(self, *endings: str) -> int:
        return sum(self.line["endings"][ending] for ending in endings)


def lines(directory: Path) -> Iterator[list[Said]]:
    """All that each process has said, the earliest first."""
    for path in directory.glob(f"{PREFIX}*"):
        # A process that was killed may have begun a line.
        whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
        yield [Said(int(path.name.removeprefix(PREFIX)), json.loads(line)) for line in whole.splitlines()]


def last_words(directory: Path) -> Iterator[Said]:
    """The last that each process has said."""
    for said in lines(directory):
        if said:
            yield said[-1]
