"""SIGTERM in a process that does not catch it, or whose server raises it again at its end, as uvicorn does."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from otel_errsample import living

logger = logging.getLogger("otel_errsample")


def flush_on_sigterm() -> bool:
    """Make SIGTERM send what waits and then do what it would have done: end the process, or call the former handler.

    Takes at most the shutdown timeout; a second SIGTERM meanwhile does not wait. Call it in the main thread, before a
    server installs its handlers. Nothing is installed, and a line logged says why, in another thread, where SIGTERM is
    ignored, and over a handler that is not Python's. Returns whether the handler is in place; a second call changes
    nothing.
    """
    former = signal.getsignal(signal.SIGTERM)
    if isinstance(former, _Flushing):
        return True
    if former is signal.SIG_IGN:
        return _left_alone("the process ignores it")
    if former is None:
        return _left_alone("its handler was not installed by Python and cannot be called after ours")
    try:
        # Asks the interpreter itself: patched by eventlet, threading takes the main thread for another one.
        signal.signal(signal.SIGTERM, _Flushing(former))
    except ValueError:
        return _left_alone("signal handlers can be installed by the main thread only")
    return True


def _left_alone(why: str) -> bool:
    logger.warning("SIGTERM will not flush: %s", why)
    return False


class _Flushing:
    """A handler in front of the former one."""

    def __init__(self, former: Callable[[int, FrameType | None], Any] | signal.Handlers | int) -> None:
        self._former = former
        self._flushing = False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        if not self._flushing:
            self._flushing = True
            try:
                living.flush()
            finally:
                self._flushing = False
        if callable(self._former):
            self._former(signum, frame)
        else:
            # By the signal and not by an exit status: a supervisor tells the two apart.
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            # Still here: the kernel spares the first process of a container, which has no default action.
            signal.signal(signum, self)
