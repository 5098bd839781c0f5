"""Which tests show which scenario of failure, and the tables of docs/scenarios.md that are made of it.

The scenarios are the rows of tests/scenarios.tsv. A test that shows some is marked `@pytest.mark.scenario("A1", "A2")`,
and leaves a line in tests/scenarios.jsonl when it runs with RECORD=1 in the environment: one line of each test, whatever
target it runs in.
"""

from __future__ import annotations

import ast
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Final

from opentelemetry.sdk.version import __version__ as sdk_version

from tools.table import row_of

ROOT: Final = Path(__file__).parent.parent
TABLE: Final = ROOT / "tests" / "scenarios.tsv"
SHOWN: Final = ROOT / "tests" / "scenarios.jsonl"
GROUPS: Final = {
    "A": "The application is never harmed",
    "B": "Values and encoding",
    "C": "Memory",
    "D": "Network and protocol",
    "E": "Flush, shutdown, exit",
    "F": "Crashes and the spool",
    "G": "Forks, workers, interpreters",
    "H": "Threads, signals, garbage, time",
    "I": "Configuration, rules, secrets",
    "J": "Memory safety and the long run",
}


class MismatchError(ValueError):
    """The marks of the tests and what is recorded of them differ; says where and what to do."""


@dataclass(frozen=True)
class Scenario:
    """A row of the table; `stock` is empty where nobody measured it."""

    id: str
    fault: str
    promise: str
    stock: str


@dataclass(frozen=True)
class Shown:
    """What is recorded of a test: `passed` of its `cases`, which are its parameters, in its last run."""

    test: str
    scenarios: tuple[str, ...]
    cases: int
    passed: int
    python: str = platform.python_version()
    sdk: str = sdk_version


@cache
def scenarios() -> dict[str, Scenario]:
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = [Scenario(*line.split("\t")) for line in lines if not line.startswith("#")]
    return {row.id: row for row in rows}


def marked(root: Path = ROOT) -> dict[str, tuple[str, ...]]:
    """The scenarios of each marked test, read from the sources: no environment can import all of them."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.scenario(" in text:
            found.update(_tests(ast.parse(text).body, path.relative_to(root).as_posix(), set()))
    return found


def load(path: Path = SHOWN) -> list[Shown]:
    if not path.exists():
        return []
    # Branches that both recorded a test leave two lines of it when they are merged.
    last = {fields["test"]: fields for fields in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
    return [Shown(**{**fields, "scenarios": tuple(fields["scenarios"])}) for fields in last.values()]


def record(new: Iterable[Shown], path: Path = SHOWN, root: Path = ROOT) -> None:
    """Put what ran in the place of what was recorded of the same tests, and forget the tests that are gone.

    Raises MismatchError for a test that is marked elsewhere than on its function, class or module.
    """
    marks, ran = marked(root), list(new)
    if hidden := [one.test for one in ran if one.test not in marks]:
        raise MismatchError(f"{', '.join(hidden)}: the mark is expected on the function, written out")
    shown = {one.test: one for one in (*load(path), *ran)}
    lines = [json.dumps(asdict(shown[test])) + "\n" for test in sorted(shown) if test in marks]
    path.write_text("".join(lines), encoding="utf-8")


def check(marks: Mapping[str, tuple[str, ...]], shown: Iterable[Shown]) -> None:
    """Raise MismatchError unless each marked test is recorded with the scenarios it is marked with, and no other is."""
    recorded = {one.test: tuple(sorted(one.scenarios)) for one in shown}
    wrong = [f"{test} is not recorded" for test in sorted(set(marks) - set(recorded))]
    wrong += [f"{test} is recorded, and gone or not marked" for test in sorted(set(recorded) - set(marks))]
    wrong += [
        f"{test} is marked {', '.join(ids)} and recorded as {', '.join(recorded[test])}"
        for test, ids in sorted(marks.items())
        if test in recorded and recorded[test] != ids
    ]
    if wrong:
        hint = "hint: run these tests with RECORD=1 in the environment, whole files at a time"
        raise MismatchError("\n".join([*wrong, hint]))


def markdown() -> str:
    """A table for each group. Raises MismatchError where the records are not of the tests as they are marked."""
    shown = load()
    check(marked(), shown)
    return tables(shown)


def tables(shown: list[Shown]) -> str:
    """For each scenario what is promised, what the stock span processor does, what shows it, how that ended."""
    head = "| | What goes wrong | What is promised | Stock | Shown by | Result |\n| --- | --- | --- | --- | --- | --- |"
    parts = []
    for group, rows in groupby(scenarios().values(), key=lambda row: row.id[0]):
        lines = [_line(row, [one for one in shown if row.id in one.scenarios]) for row in rows]
        parts.append("\n".join([f"### {group}. {GROUPS[group]}", "", head, *lines]))
    covered = {row for one in shown for row in one.scenarios}
    stacks = sorted({f"Python {one.python}, opentelemetry-sdk {one.sdk}" for one in shown})
    parts.append(f"{len(covered)} of {len(scenarios())} are shown by tests. These ran on: {'; '.join(stacks)}.")
    return "\n\n".join(parts)


def _line(row: Scenario, shown: list[Shown]) -> str:
    files = sorted({one.test.partition("::")[0] for one in shown})
    links = ", ".join(f"[{file.removeprefix('tests/').removesuffix('.py')}](../{file})" for file in files)
    return row_of((row.id, row.fault, row.promise, row.stock, links, _result(shown)))


def _result(shown: list[Shown]) -> str:
    if not shown:
        return "not shown yet"
    failed = [one.test.rpartition("::")[2] for one in shown if one.passed < one.cases]
    if failed:
        return f"FAILS in {', '.join(failed)}"
    total = sum(one.cases for one in shown)
    return f"{total} test{'s' * (total > 1)} passed"


def _tests(body: Iterable[ast.stmt], prefix: str, ids: set[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The tests under `prefix`, which carries `ids`."""
    body = list(body)
    for statement in body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark":
            ids = ids | _marks(statement.value)
    for statement in body:
        if not isinstance(statement, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        own = ids.union(*map(_marks, statement.decorator_list))
        name = f"{prefix}::{statement.name}"
        if isinstance(statement, ast.ClassDef):
            yield from _tests(statement.body, name, own)
        elif own and statement.name.startswith("test"):
            yield name, tuple(sorted(own))


def _marks(expression: ast.expr) -> set[str]:
    calls = [node for node in ast.walk(expression) if isinstance(node, ast.Call)]
    marks = [call for call in calls if ast.unparse(call.func) == "pytest.mark.scenario"]
    return {ast.literal_eval(argument) for call in marks for argument in call.args}
