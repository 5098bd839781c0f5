"""Ends of a process that run no `atexit` hook: each module sends what waits before one of them.

Those in the table attach themselves where their library is loaded; `asgi` and `sigterm` change what an application does
and want to be asked. docs/deployment.md tells which server needs what.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

_BY_LIBRARY: Final = {
    "multiprocessing.util": "otel_errsample.integrations.multiprocess",
    "celery.signals": "otel_errsample.integrations.celery",
}
_attached: set[str] = set()


def attach() -> None:
    """Attach to the libraries that the process has loaded by now, each once."""
    for library, integration in _BY_LIBRARY.items():
        if library in sys.modules and library not in _attached:
            _attached.add(library)
            import_module(integration).attach()
