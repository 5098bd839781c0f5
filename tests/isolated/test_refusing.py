"""No memory: whatever allocation of a call fails, nothing reaches the application, and every span is accounted for."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.isolated.kinds import KINDS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

pytestmark = [
    pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="replaces the malloc of glibc"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
    # 3.12.1 and 3.13.0 crash in `def work(): def inner(): pass`, with nothing of ours loaded; 3.11 raises MemoryError.
    pytest.mark.skipif(sys.version_info >= (3, 12), reason="CPython itself crashes where it cannot make a function"),
    pytest.mark.scenario("C5"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, Any]], str]:
    """What the program found for each kind of span, and what it wrote to its stderr."""
    folder = tmp_path_factory.mktemp("refusing")
    library = str(folder / "refusing.so")
    build = ["cc", "-shared", "-fPIC", "-O1", "-o", library, str(HERE / "refusing.c")]
    subprocess.run(build, check=True, capture_output=True, timeout=60)
    done = subprocess.run(
        [sys.executable, str(HERE / "refusing.py"), library],
        env={
            **os.environ,
            "LD_PRELOAD": library,
            "PYTHONMALLOC": "malloc",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(folder),
        },
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert 0 == done.returncode, done.stderr[-4000:]
    return {found["kind"]: found for found in map(json.loads, done.stdout.splitlines())}, done.stderr


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_nothing_escapes_and_the_books_balance(kind: Any, told: tuple[dict[str, dict[str, Any]], str]) -> None:
    found = told[0][kind.name]
    assert ([], []) == (found["escaped"], found["wrong"])
    assert min(found["refused"]["on_start"], found["refused"]["on_end"]) > 5
    # What was refused did cost something, and not everything.
    assert found["endings"].keys() - {"internal_error"}
    assert found["endings"]["internal_error"]
    assert found["swallowed"]["on_start"]


def test_no_call_leaves_an_error_behind_that_nobody_hears_of(told: tuple[dict[str, dict[str, Any]], str]) -> None:
    """A C function that has no way to fail reports its error to stderr alone, and goes on with a wrong answer."""
    assert "'otel_errsample._hot" not in told[1]
