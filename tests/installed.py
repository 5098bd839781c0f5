"""The package's entry points, as a fresh installation would have them, for a process that a test starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def python_path(folder: Path) -> str:
    """PYTHONPATH on which the checkout and its metadata are found, made in `folder` from pyproject.toml."""
    subprocess.run(
        [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=100,
    )
    return os.pathsep.join((str(folder), str(ROOT)))
