"""Where a file of the configuration is."""

from __future__ import annotations

import os
from contextlib import suppress


def fixed(path: str) -> str:
    """The same place whatever chdir does, without the slash at its end that would follow a link; links as they are."""
    with suppress(OSError):  # no current directory
        return os.path.abspath(path)  # noqa: PTH100  resolve() follows links
    return path
