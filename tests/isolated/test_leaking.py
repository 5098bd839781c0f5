"""Whatever is done again and again holds nothing afterwards: no memory, no object, no thread, no file, no hook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.isolated.leaking import PLANTED, ROUNDS, THINGS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LONG = os.environ.get("ERRSAMPLE_LONG") == "1"
TIMES = 150  # in each of the rounds: 1,200 in all, and what one leaves behind stands out from what is remembered
SPANS = 10_000_000 if LONG else 200_000

# From 3.12 on the constants of the interpreter are immortal: only a debug build counts references to them.
COUNTED = [
    what for what in PLANTED if what != "references" or hasattr(sys, "gettotalrefcount") or sys.version_info < (3, 12)
]

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts in /proc"),
    pytest.mark.timeout(900),
]


def run(program: str, *arguments: str, folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(HERE / program), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert 0 == done.returncode, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def grown(rounds: list[dict[str, int]], times: int) -> dict[str, list[int]]:
    """What grew in every round but the first ones, which fill what is remembered; by how much in each.

    By half a block, say, for each repetition: Python's own caches fill for some thousand lives of a processor.
    """
    least = {"blocks": times // 2, "bytes": 24 * times, "objects": times // 2, "references": times // 2}
    found = {}
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        steps = [after - before for before, after in pairwise(values[3:])]
        if min(steps) > least.get(name, 0):
            found[name] = steps
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, int]]]:
    found = run("leaking.py", str(TIMES), folder=tmp_path_factory.mktemp("leaking"))
    return {one["name"]: one["rounds"] for one in found}


@pytest.mark.skipif(not LONG, reason="takes a minute: ERRSAMPLE_LONG=1")
@pytest.mark.scenario("C4", "J1")
@pytest.mark.parametrize("name", THINGS)
def test_nothing_is_held(name: str, told: dict[str, list[dict[str, int]]]) -> None:
    assert ROUNDS == len(told[name])
    assert {} == grown(told[name], TIMES)


@pytest.mark.parametrize("what", COUNTED)
def test_a_leak_would_be_found(what: str, tmp_path: Path) -> None:
    (found,) = run("leaking.py", str(TIMES), f"a leak of {what}", folder=tmp_path)
    assert what in grown(found["rounds"], TIMES)


@pytest.mark.scenario("C3")
def test_a_long_run_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    (told,) = run("enduring.py", str(SPANS), folder=tmp_path)
    assert told["balanced"]
    assert SPANS == told["ended"]
    assert told["delivered"] > SPANS // 100
    assert 1 << 20 >= told["after"] - told["before"], told
