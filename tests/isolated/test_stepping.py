"""A process dies before any line of the spool's code: what it has ended arrives, and no file stays for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LONG = os.environ.get("ERRSAMPLE_LONG") == "1"
# A prime, so that no loop of the code is met at the same line each time.
STEP = 1 if LONG else 13


@pytest.mark.scenario("F4")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.timeout(900)
def test_a_kill_at_any_step_loses_nothing_and_leaves_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "stepping.py"), str(STEP)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr)
    result = json.loads(done.stdout)
    assert all(lines > 200 for lines in result["lines"]), "the spool's code was run"
    assert result["kills"] >= sum(result["lines"]) // STEP
    assert result["sent again"] > 0, "who dies between the receiver's answer and its note has it sent again"
    assert {"lines", "kills", "sent again"} == set(result)
