"""A clock that moves only when it is told to."""

from __future__ import annotations

import threading

_NANOSECONDS = 1_000_000_000


class ManualClock:
    """Stands in for `time.monotonic_ns`, `time.monotonic`, `time.time_ns` and `time.time`; may be used by any thread.

    Both clocks start at `start` seconds, by default 1 January 2026, and advance together; `step_wall` moves the wall
    clock alone, as an administrator or NTP does.
    """

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self._lock = threading.Lock()
        self._monotonic = self._wall = round(start * _NANOSECONDS)

    def monotonic_ns(self) -> int:
        return self._monotonic

    def monotonic(self) -> float:
        return self._monotonic / _NANOSECONDS

    def time_ns(self) -> int:
        return self._wall

    def time(self) -> float:
        return self._wall / _NANOSECONDS

    def advance(self, seconds: float) -> None:
        """Let time pass; raises ValueError for a negative number, because a monotonic clock does not go back."""
        if seconds < 0:
            raise ValueError("seconds are expected to be 0 or more: use step_wall() to set the wall clock back")
        with self._lock:
            self._monotonic += round(seconds * _NANOSECONDS)
            self._wall += round(seconds * _NANOSECONDS)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back; no time passes."""
        with self._lock:
            self._wall += round(seconds * _NANOSECONDS)
