"""Nothing that is queued is lost when a server ends cleanly; what becomes of it with the stock processor, beside it.

Nothing is sent before the end: both processors are told to wait for a minute. What is not installed is skipped. With
RECORD=1 the results are written to ran.json, from which docs/deployment.md and the README have their tables.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import pytest

from otel_errsample.testing.receiver import Receiver
from tests.servers.harness import Program
from tests.servers.table import ROWS, Row
from tools import ran

# Of programs that run at a time: half of what one does is waiting.
SEVERAL = 2 * (os.cpu_count() or 1)

Plays = dict[tuple[str, str], "Future[Arrived]"]
"""By row and side."""


class Arrived(NamedTuple):
    """How many spans the receiver has, each counted once, and how many came again."""

    spans: int
    again: int


def sides(row: Row) -> tuple[str, ...]:
    """The stock processor, ours, and ours with the documented line where there is one."""
    return ("stock", "bare", "ours") if row.line else ("stock", "ours")


def played(row: Row, side: str) -> Arrived:
    line = row.line if side == "ours" else ""
    variables = {
        "SIDE": "stock" if side == "stock" else "ours",
        "LINE": line,
        "OTEL_BSP_SCHEDULE_DELAY": "60000",
        "OTEL_ERRSAMPLE_FLUSH_ERRORS_MS": "60000",
    }
    if line == "sigterm":
        variables["OTEL_ERRSAMPLE_FLUSH_ON_SIGTERM"] = "true"
    with Receiver(row.protocol) as receiver:

        def start(command: tuple[str, ...], **more: str) -> Program:
            return Program(command, variables | receiver.environ | more)

        row.play(start, row.total)
        ids = [(received.span.trace_id, received.span.span_id) for received in receiver.spans()]
    return Arrived(len(set(ids)), len(ids) - len(set(ids)))


def missing(row: Row) -> str:
    """The first distribution that is not installed."""
    for name in row.distributions:
        try:
            version(name)
        except PackageNotFoundError:
            return name
    return ""


@pytest.fixture(scope="session")
def plays(request: pytest.FixtureRequest) -> Iterator[Plays]:
    """Every row that was asked for, started together, a few at a time."""
    asked = [item.callspec.params["row"] for item in request.session.items if "row" in item.fixturenames]  # type: ignore[attr-defined]
    with ThreadPoolExecutor(SEVERAL) as several:
        yield {
            (row.id, side): several.submit(played, row, side)
            for row in asked
            if not missing(row)
            for side in sides(row)
        }
        several.shutdown(cancel_futures=True)


@pytest.mark.timeout(600)  # the first waits for its turn among all of them
@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_a_clean_end_loses_nothing(row: Row, plays: Plays) -> None:
    if name := missing(row):
        reason = f"{name} is not installed; `make test-servers` makes an environment that has it"
        (pytest.fail if os.environ.get("SERVERS") == "required" else pytest.skip)(reason)
    arrived = {side: plays[row.id, side].result() for side in sides(row)}
    passed = arrived["ours"] == Arrived(row.total, 0) or not row.clean
    if os.environ.get("RECORD"):
        tested = version(row.distributions[0]) if row.distributions else platform.python_version()
        figures = {"total": row.total, **{side: came.spans for side, came in arrived.items()}}
        ran.record(Path(__file__).with_name(ran.NAME), ran.Record(row.id, row.server, tested, passed, figures))
    assert passed, arrived
    assert all(came.spans <= row.total for came in arrived.values())
