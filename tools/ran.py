"""What ran where: the records that suites of tests leave, and the tables of the documentation that are made of them.

A suite calls `record` for each of its rows when RECORD=1 is in the environment; its file is `tests/SUITE/ran.json`, a
list with one record on a line, which is committed.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from opentelemetry.sdk.version import __version__ as sdk_version

ROOT: Final = Path(__file__).parent.parent
NAME: Final = "ran.json"


@dataclass(frozen=True)
class Record:
    """One row of one suite on one stack. `what` ran, in which `version`; `figures` are the suite's own numbers."""

    row: str
    what: str
    version: str
    passed: bool
    figures: Mapping[str, int] = field(default_factory=dict)
    python: str = platform.python_version()
    sdk: str = sdk_version

    @property
    def stack(self) -> tuple[str, str]:
        """Python without the patch level, and the SDK."""
        return self.python.rpartition(".")[0], self.sdk


def load(path: Path) -> list[Record]:
    if not path.exists():
        return []
    return [Record(**fields) for fields in json.loads(path.read_text(encoding="utf-8"))]


def record(path: Path, new: Record) -> None:
    """Put a record in the place of the former one of its row on its stack."""
    kept = [old for old in load(path) if (old.row, old.stack) != (new.row, new.stack)]
    records = sorted([*kept, new], key=lambda one: (_numbers(one.stack), one.what, one.row))
    lines = ",\n".join(json.dumps(asdict(one)) for one in records)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def stacks(records: Iterable[Record]) -> list[tuple[str, str]]:
    """The oldest first."""
    return sorted({one.stack for one in records}, key=_numbers)


def compatibility(root: Path = ROOT) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the table: what ran by stack, with the version that ran and whether all of its rows passed."""
    records = [one for path in sorted((root / "tests").glob(f"*/{NAME}")) for one in load(path)]
    columns = stacks(records)
    head = ("", *(f"Python {python}, SDK {sdk}" for python, sdk in columns))
    rows = []
    for what in sorted({one.what for one in records}, key=str.lower):
        ran = [one for one in records if one.what == what]
        rows.append((what, *(_cell([one for one in ran if one.stack == stack]) for stack in columns)))
    return head, rows


def _cell(records: Sequence[Record]) -> str:
    if not records:
        return "not run"
    failed = [one.row for one in records if not one.passed]
    return f"{records[0].version} FAILS in {', '.join(failed)}" if failed else records[0].version


def _numbers(stack: tuple[str, str]) -> list[list[int]]:
    return [[int(part) for part in version.split(".") if part.isdigit()] for version in stack]
