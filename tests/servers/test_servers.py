"""Nothing that is queued is lost when a server ends cleanly; what becomes of it with the stock processor, beside it.

Nothing is sent before the end: both processors are told to wait for a minute. What is not installed is skipped. With
RECORD=1 the results are written to ran.json, from which docs/deployment.md and the README have their tables.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.servers.packages import missing, require
from tests.servers.playing import Arrived, played, sides
from tests.servers.table import ROWS, Row
from tools import ran

# Of programs that run at a time: half of what one does is waiting.
SEVERAL = 2 * (os.cpu_count() or 1)

Plays = dict[tuple[str, str], "Future[Arrived]"]
"""By row and side."""


@pytest.fixture(scope="session")
def plays(request: pytest.FixtureRequest) -> Iterator[Plays]:
    """Every row that was asked for, started together, a few at a time."""
    asked = [item.callspec.params["row"] for item in request.session.items if "plays" in item.fixturenames]  # type: ignore[attr-defined]
    with ThreadPoolExecutor(SEVERAL) as several:
        yield {
            (row.id, side): several.submit(played, row, side)
            for row in asked
            if not missing(row.distributions)
            for side in sides(row)
        }
        several.shutdown(cancel_futures=True)


@pytest.mark.scenario("E6", "G5", "G6")
@pytest.mark.timeout(600)  # the first waits for its turn among all of them
@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_a_clean_end_loses_nothing(row: Row, plays: Plays) -> None:
    require(row.distributions)
    arrived = {side: plays[row.id, side].result() for side in sides(row)}
    passed = arrived["ours"] == Arrived(row.total, 0) or not row.clean
    if os.environ.get("RECORD"):
        tested = version(row.distributions[0]) if row.distributions else platform.python_version()
        figures = {"total": row.total, **{side: came.spans for side, came in arrived.items()}}
        ran.record(Path(__file__).with_name(ran.NAME), ran.Record(row.id, row.server, tested, passed, figures))
    assert passed, arrived
    assert all(came.spans <= row.total for came in arrived.values())
