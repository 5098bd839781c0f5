"""Writers of a ring are killed at random moments: nothing acknowledged is lost, nothing is corrupt, nothing comes twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LONG = os.environ.get("ERRSAMPLE_LONG") == "1"
KILLS = 1000 if LONG else 40
SEED = int(os.environ.get("ERRSAMPLE_SEED", "1"))

pytestmark = [pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork"), pytest.mark.timeout(900)]


def kill(kills: int, *module: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(HERE / "killing.py"), str(kills), str(SEED), *module],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.scenario("F1")
def test_no_acknowledged_record_is_lost_corrupt_or_found_twice() -> None:
    result = kill(KILLS)
    assert KILLS == sum(result["ways"].values())
    assert {"SIGKILL", "SIGSEGV", "SIGABRT", "_exit"} <= result["ways"].keys(), "every way to die"
    assert result["records"] > 5 * KILLS
    assert (0, 0, 0, 0) == tuple(result[fault] for fault in ("lost", "corrupt", "twice", "damaged")), result


COPY = "        at = self.put(shelf, at, <const char*> &slot"
PUBLISH = "        errsample_publish64(&self.header.bounds[number].head, shelf.head"
GIVE_UP = "            errsample_publish64(&self.header.bounds[number].tail, shelf.tail)\n"
BROKEN = {
    # The head is published before the record is there.
    "head_first": (
        (f"{PUBLISH})\n", ""),
        (COPY, f"{PUBLISH} + length)\n{COPY}"),
    ),
    # The oldest records are overwritten before the tail says that they are gone.
    "tail_kept": ((f"{GIVE_UP}            errsample_fence", "            errsample_fence"),),
    # What was acknowledged is so in memory alone.
    "silent_settling": (("self.capacity), DONE)", "self.capacity), slot.state)"),),
    # A record that goes around the end of its shelf is cut there.
    "cut_at_the_end": (("        memcpy(shelf.start, data + fits, size - fits)\n", ""),),
}


@pytest.mark.scenario("F2")
@pytest.mark.skipif(not LONG, reason="compiles four rings: ERRSAMPLE_LONG=1")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_ring_is_caught(name: str, tmp_path: Path) -> None:
    """The same kills find each of these out, so that they would find such a mistake in the ring itself."""
    source = (ROOT / "ext" / "ring.pyx").read_text(encoding="utf-8")
    for old, new in BROKEN[name]:
        assert 1 == source.count(old), old
        source = source.replace(old, new)
    (tmp_path / "ring.pyx").write_text(source, encoding="utf-8")
    for fragment in ("checksum.pyx", "spoolfile.pyx", "recovery.pyx", "wire.pxd"):
        (tmp_path / fragment).write_bytes((ROOT / "ext" / fragment).read_bytes())
    unit = "".join(f'include "{part}.pyx"\n' for part in ("checksum", "spoolfile", "ring", "recovery"))
    head = (ROOT / "ext" / "_hot.pyx").read_text(encoding="utf-8").split("\n", maxsplit=1)[0]
    (tmp_path / f"broken_{name}.pyx").write_text(f"{head}\ncimport cython\n{unit}", encoding="utf-8")
    built = subprocess.run(
        [sys.executable, "-m", "Cython.Build.Cythonize", "-q", "-i", f"broken_{name}.pyx"],
        cwd=tmp_path, env={**os.environ, "CFLAGS": "-O2 -g0"}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert 0 == built.returncode, built.stderr
    (module,) = tmp_path.glob(f"broken_{name}.*.so")
    result = kill(120, str(module))
    assert sum(result[fault] for fault in ("lost", "corrupt", "twice", "damaged")), result
