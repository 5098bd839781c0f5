"""The matrix of faults: its cells count what arrived, and a process that was killed shows the difference."""

from __future__ import annotations

import os

import pytest

from chaos.__main__ import run, table
from chaos.faults import FAULTS


def test_faults_have_names_of_their_own() -> None:
    assert len(FAULTS) == len({fault.name for fault in FAULTS})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs files that outlive their process")
def test_a_killed_process_loses_everything_in_the_stock_stack_and_nothing_here() -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "sigkill")
    stock, ours = (run(fault, arm, 25) for arm in ("stock", "ours"))
    assert (0, 0) == (stock["arrived"], stock["again"])
    assert (25, 0) == (ours["arrived"], ours["again"])


def test_the_table_has_a_row_for_every_fault_that_was_run() -> None:
    cells = [
        {"fault": "sigkill", "arm": "stock", "ended": 30, "arrived": 0, "again": 0},
        {"fault": "sigkill", "arm": "ours", "ended": 30, "arrived": 30, "again": 2},
    ]
    assert "| sigkill | SIGKILL, or the OOM killer | 0 of 30 | 30 of 30, 2 twice |" == table(cells).splitlines()[-1]
