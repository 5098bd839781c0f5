"""Volumes that cannot hold a spool: memory alone, one warning, and no signal. Real mounts, where this user may make them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otel_errsample.testing.receiver import Receiver

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
# In namespaces of their own: what is mounted there is gone with the process.
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


def mountable() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        (*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"), capture_output=True, timeout=30, check=False
    )
    return tried.returncode == 0


needs_mounts = pytest.mark.skipif(not mountable(), reason="needs mount namespaces")


def mounted(options: str) -> tuple[str, ...]:
    return (*UNSHARE, "sh", "-c", f'mount -t tmpfs -o {options} none "$OTEL_ERRSAMPLE_SPOOL_DIR" && exec "$@"', "sh")


@pytest.mark.scenario("F5")
@pytest.mark.parametrize(
    ("before", "why"),
    [
        pytest.param(mounted("size=256k,mode=700"), "No space left on device", id="256 kB", marks=needs_mounts),
        pytest.param(mounted("ro,mode=700"), "Read-only file system", id="read only", marks=needs_mounts),
        pytest.param(("prlimit", "--fsize=65536"), "File too large", id="limited files"),
    ],
)
def test_a_volume_without_room_costs_one_warning(before: tuple[str, ...], why: str, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    if shutil.which(before[0]) is None:
        pytest.skip(f"needs {before[0]}")
    with Receiver("http") as receiver:
        environ = {
            **os.environ, **receiver.environ, "OTEL_ERRSAMPLE_SPOOL_DIR": str(spool), "PYTHONPATH": str(ROOT)
        }  # fmt: skip
        done = subprocess.run(
            (*before, sys.executable, str(HERE / "spooling.py"), "stop", "3", "1.0"),
            env=environ, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert 0 == done.returncode, done.stderr
        said = json.loads(done.stdout)
        assert (3, f"no file can be made in it ({why})") == (said["endings"]["delivered"], said["spool"]["state"])
        assert 1 == done.stderr.count("OTEL_ERRSAMPLE_SPOOL_DIR: "), done.stderr
        assert 3 == len(receiver.spans())
    assert [] == list(spool.iterdir())
