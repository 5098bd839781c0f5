"""Released instrumentations over the real span processor: what their failing spans become, by both conventions.

Each program of programs/ runs twice in processes of its own, as the conventions are chosen before an import: as it is,
and by the new conventions from another directory with its lines shifted. What is not installed is skipped.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.instrumentations import postgres
from tests.instrumentations.recording import APPLICATION
from tests.instrumentations.table import PROGRAMS, ROWS, Row, Told

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
VARIANTS = ("as it is", "shifted")
ENDS_IN = 90.0

Span = dict[str, Any]
Play = dict[str, list[list[Span]]]
"""By scene, for each time it was played, the exported spans."""

rows = pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
failures = pytest.mark.parametrize("row", [row for row in ROWS if row.error], ids=[row.id for row in ROWS if row.error])


def missing(packages: Iterable[str]) -> str:
    """The first that cannot be imported."""
    for package in packages:
        try:
            if find_spec(package) is None:
                return package
        except ModuleNotFoundError:  # not even its parent
            return package
    return ""


def require(*packages: str) -> None:
    if package := missing(packages):
        reason = f"{package} is not installed; `make test-instrumentations` makes an environment that has it"
        (pytest.fail if os.environ.get("INSTRUMENTATIONS") == "required" else pytest.skip)(reason)


@contextmanager
def started(program: Path, *arguments: str, conventions: str = "") -> Iterator[subprocess.Popen[str]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environ |= {"PYTHONPATH": str(ROOT), "NO_PROXY": "*", "OTEL_SEMCONV_STABILITY_OPT_IN": conventions}
    environ |= {"RES_OPTIONS": "timeout:1 attempts:1"}  # where no resolver answers
    command = [sys.executable, str(program), *arguments]
    with subprocess.Popen(
        command, env=environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def printed_by(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=ENDS_IN)
    assert 0 == process.returncode, err
    return json.loads(out.splitlines()[-1])


@functools.cache
def plays_of(program: str) -> dict[str, Play]:
    """What the program exported, by variant; both run at the same time."""
    source = HERE / "programs" / f"{program}.py"
    with ExitStack() as stack:
        elsewhere = Path(stack.enter_context(tempfile.TemporaryDirectory()), source.name)
        elsewhere.write_text("# one line more\n" * 7 + source.read_text(encoding="utf-8"), encoding="utf-8")
        here, there = [], []
        if "from tests.instrumentations.statements" in source.read_text(encoding="utf-8"):
            installed = postgres.installed()
            stand_in = str(stack.enter_context(postgres.stand_in()))
            here = [stand_in if installed is None else str(stack.enter_context(postgres.real(installed)))]
            there = [stand_in]
        one = stack.enter_context(started(source, *here))
        other = stack.enter_context(started(elsewhere, *there, conventions="http,database"))
        return {"as it is": printed_by(one), "shifted": printed_by(other)}


def plays(row: Row) -> dict[str, Play]:
    require(*PROGRAMS[row.program].packages)
    return plays_of(row.program)


def instrumented(spans: list[Span], kind: str) -> list[Span]:
    return [
        span for span in spans if span["scope"].startswith("opentelemetry.instrumentation.") and span["kind"] == kind
    ]


def the_failing(spans: list[Span], row: Row) -> Span:
    """The instrumented span of the row's kind that failed; the others are steps on the way there."""
    (span,) = [span for span in instrumented(spans, row.span) if span["error"]]
    return span


def told_of(span: Span) -> Told:
    facts = {name: span["attributes"].get(f"errsample.{name}", "") for name in Told._fields}
    exception = span["exception"] or ""
    if exception == "asyncio.exceptions.TimeoutError":  # as it is called by Python 3.10
        exception = "TimeoutError"
    if facts["code"] == "errno:EAI_AGAIN":  # a machine without a resolver cannot say that there is no such name
        facts["code"] = "errno:EAI_NONAME"
    return Told(**facts | {"exception": exception})


@rows
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_told_of_a_failure(row: Row, variant: str) -> None:
    for spans in plays(row)[variant][row.scene]:
        if row.error:
            assert row.told == told_of(the_failing(spans, row))
        else:
            told = {(span["error"], span["attributes"]["errsample.rule"]) for span in instrumented(spans, row.span)}
            assert {(False, row.told.kind or "healthy")} == told


@failures
def test_a_failure_keeps_its_fingerprint(row: Row) -> None:
    """Again, by the other conventions, elsewhere, with other line numbers."""
    spans = [the_failing(spans, row) for play in plays(row).values() for spans in play[row.scene]]
    assert 4 == len(spans)
    (fingerprint,) = {span["attributes"]["errsample.fingerprint"] for span in spans}
    assert 18 == len(fingerprint)


@failures
def test_an_exception_is_placed_in_the_application(row: Row) -> None:
    for play in plays(row).values():
        for spans in play[row.scene]:
            culprit = the_failing(spans, row)["attributes"].get("errsample.culprit", "")
            assert (row.program if row.told.exception else "") == culprit.partition(":")[0]


@pytest.mark.parametrize("row", [row for row in ROWS if row.agrees], ids=[row.id for row in ROWS if row.agrees])
def test_the_spans_that_an_exception_passes_have_one_fingerprint(row: Row) -> None:
    for play in plays(row).values():
        for spans in play[row.scene]:
            (own,) = [span for span in spans if span["scope"] == APPLICATION]
            other = the_failing(spans, row)
            assert own["attributes"]["errsample.fingerprint"] == other["attributes"]["errsample.fingerprint"]


@pytest.mark.parametrize("program", [name for name, program in PROGRAMS.items() if program.markers])
def test_both_conventions_were_in_force(program: str) -> None:
    require(*PROGRAMS[program].packages)
    names = [
        {key for times in play.values() for spans in times for span in spans for key in span["attributes"]}
        for play in plays_of(program).values()
    ]
    old, new = PROGRAMS[program].markers or ("", "")
    assert [(True, False), (False, True)] == [(old in found, new in found) for found in names]


def test_every_program_has_its_rows() -> None:
    programs = {path.stem for path in (HERE / "programs").glob("*_app.py")}
    assert programs == set(PROGRAMS) == {row.program for row in ROWS}


def test_every_scene_has_its_row() -> None:
    """Of the programs that can run here."""
    for program, (_title, packages, _markers) in PROGRAMS.items():
        if not missing(packages):
            for play in plays_of(program).values():
                assert {row.scene for row in ROWS if row.program == program} == set(play)


@pytest.mark.parametrize(("way", "requests"), [("grpc", 2), ("http", 2), ("stock exporter", 1)])
def test_the_export_itself_is_never_traced(way: str, requests: int) -> None:
    """With every client instrumented; the application's own requests are traced, so the instrumentations are live."""
    require(*(f"opentelemetry.instrumentation.{name}" for name in ("grpc", "httpx", "requests", "urllib", "urllib3")))
    with started(HERE / "programs" / "own_export.py", way) as process:
        result = printed_by(process)
    assert {"delivered": True, "requests": requests, "ended": 1} == {key: result[key] for key in list(result)[:3]}
    assert result["called"] > 0
