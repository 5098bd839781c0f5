"""Ends of a process that run no `atexit` hook: each module sends what waits before one of them.

Those in the table attach themselves where their library is loaded; `asgi` and `sigterm` change what an application does
and want to be asked. docs/deployment.md tells which server needs what.
"""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Final

logger = logging.getLogger("otel_errsample")

_BY_LIBRARY: Final = {
    "multiprocessing.util": "otel_errsample.integrations.multiprocess",
    "celery.signals": "otel_errsample.integrations.celery",
}
_attached: set[str] = set()


def attach() -> None:
    """Attach to the libraries that the process has loaded by now, each once; what is only half loaded is asked again."""
    for library, integration in _BY_LIBRARY.items():
        if sys.modules.get(library) is None or library in _attached:
            continue
        try:
            import_module(integration).attach()
        except Exception:  # a module that is being imported just now, or another one of that name
            logger.debug("%s cannot be attached to", library, exc_info=True)
        else:
            _attached.add(library)
