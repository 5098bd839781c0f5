"""What gevent and eventlet have patched, as it was: real threads, locks, sockets and real sleep."""

from __future__ import annotations

import _thread
import sys
import time
from collections.abc import Callable
from typing import Any


def start_os_thread(function: Callable[[], None]) -> int:
    """A real thread, whatever `_thread` was patched to start: a worker that waits in a greenlet would stop all others."""
    start: Callable[..., int] = original("_thread", "thread", "start_new_thread") or _thread.start_new_thread
    return start(function, ())


def os_lock() -> _thread.LockType:
    """A lock that real threads share; a greenlet's works only among the greenlets of one thread."""
    make: Callable[[], _thread.LockType] = original("_thread", "thread", "allocate_lock") or _thread.allocate_lock
    return make()


def rest(seconds: float) -> None:
    """Sleep, and let other greenlets run; in a hub's own greenlet, which nothing can be switched from, the thread sleeps.

    A signal that comes while every greenlet waits is handled there.
    """
    real: Callable[[float], object] | None = original("time", "time", "sleep")
    sleep = real if real is not None and _is_hub() else time.sleep
    sleep(seconds)


def wait_for(rung: _thread.LockType, seconds: float, glance: float) -> None:
    """Wait at most `seconds` until another thread releases the lock; where greenlets run, rest for a `glance` instead."""
    if original("time", "time", "sleep") is None:
        rung.acquire(timeout=seconds)
    else:
        rest(glance)


def original(module: str, eventlets_name: str, name: str) -> Any:
    """What `module` had before it was patched; None where it was not."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched(module):
        return monkey.get_original(module, name)
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched(eventlets_name):
        return getattr(patcher.original(module), name)
    return None


def _is_hub() -> bool:
    gevent = sys.modules.get("gevent")
    if gevent is not None and gevent.getcurrent() is gevent.get_hub():
        return True
    hubs, greenlet = sys.modules.get("eventlet.hubs"), sys.modules.get("greenlet")
    return hubs is not None and greenlet is not None and greenlet.getcurrent() is hubs.get_hub().greenlet
