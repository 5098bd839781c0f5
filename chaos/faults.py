"""The matrix: what goes wrong, and how the receiver behaves meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from otel_errsample.testing.replies import Reply, unavailable


@dataclass(frozen=True)
class Fault:
    """One row. `application` is what chaos.application does; `script` what the receiver answers first."""

    name: str
    what: str
    application: str = "exit"
    script: Callable[[], list[Reply]] = list
    variables: dict[str, str] = field(default_factory=dict)


def _outage() -> list[Reply]:
    return [unavailable() for _ in range(4)]


def _slow() -> list[Reply]:
    return [Reply(delay=0.5) for _ in range(6)]


FAULTS: Final = (
    Fault("exit", "the interpreter ends"),
    Fault("sigkill", "SIGKILL, or the OOM killer", "SIGKILL"),
    Fault("sigsegv", "a crash in C", "SIGSEGV"),
    Fault("abort", "abort()", "SIGABRT"),
    Fault("sigterm", "SIGTERM without a handler", "SIGTERM"),
    Fault("os_exit", "os._exit, as children of multiprocessing end", "os_exit"),
    Fault("execv", "os.execv, as reloaders do", "execv"),
    Fault("fork", "a forked child that ends by os._exit", "fork"),
    Fault("outage", "the receiver answers 503 four times", script=_outage),
    Fault("slow", "the receiver takes half a second for each request", script=_slow),
    Fault("bad_value", "one message is no valid Unicode", "bad_value"),
    Fault("full_disk", "SIGKILL a second later, and no room for a spool: memory alone", "full_disk"),
)
