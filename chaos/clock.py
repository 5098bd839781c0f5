"""A wall clock that can be set for one process, by a library loaded before the C library."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

HOUR: Final = 3600
VARIABLE: Final = "CHAOS_CLOCK"
_SOURCE: Final = Path(__file__).with_name("clock.c")
_COMPILER: Final = (sysconfig.get_config_var("CC") or "cc").split()

CAN_STEP: Final = sys.platform == "linux" and shutil.which(_COMPILER[0]) is not None
"""Whether there is a loader that can put a library before the C library, and the compiler that Python was made with."""


class WallClock:
    """Processes started with `variables` see the wall clock that `set_clock` sets in `file`; monotonic clocks go on.

    `variables` is empty where the clock cannot step.
    """

    def __init__(self, directory: Path) -> None:
        self.file = directory / "clock"
        set_clock(self.file, 0)
        self.variables: dict[str, str] = {}
        if CAN_STEP:
            library = directory / "clock.so"
            command = [*_COMPILER, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"]
            subprocess.run(command, capture_output=True, check=True, timeout=60)
            before = os.environ.get("LD_PRELOAD", "")
            # Behind what was there: a sanitizer refuses to come second, and calls us for the time.
            self.variables = {"LD_PRELOAD": f"{before} {library}".strip(), VARIABLE: str(self.file)}


def set_clock(file: Path, seconds: int) -> None:
    """How far ahead of the system's clock it is from now on."""
    # Never truncated: it is mapped, and who reads past its end dies.
    with file.open("r+b" if file.exists() else "wb") as clock:
        clock.write(struct.pack("q", seconds))
