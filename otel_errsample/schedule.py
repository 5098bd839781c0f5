"""When the worker sends, and how long it waits after a failure. Pure arithmetic on the clock's seconds."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

# Seconds. A receiver that comes back is found within MOST_WAIT x 1.2; the growth is the Collector exporters' factor.
FIRST_WAIT = 0.5
GROWTH = 1.5
MOST_WAIT = 5.0
# A server may ask for more than our own longest wait, but not park the spans of a process for ever.
MOST_ASKED = 300.0


def seconds_of(timeout_millis: Any, default: int) -> float:
    """A caller's timeout in seconds; what is no number counts as the default, in milliseconds as well."""
    try:
        seconds = float(timeout_millis) / 1e3
    except Exception:
        seconds = math.nan
    return default / 1e3 if math.isnan(seconds) else seconds


@dataclass
class Schedule:
    """Errors leave `flush_errors` seconds after the first one came, everything else after `schedule_delay`."""

    flush_errors: float
    schedule_delay: float
    errors_due: float | None = None
    all_due: float | None = None

    def look(self, now: float, errors: int, spans: int) -> None:
        """Start the timers of what has begun to wait, stop those of what has gone."""
        if not errors:
            self.errors_due = None
        elif self.errors_due is None:
            self.errors_due = now + self.flush_errors
        if not spans:
            self.all_due = None
        elif self.all_due is None:
            self.all_due = now + self.schedule_delay

    def overdue(self, now: float, *, errors_only: bool) -> None:
        """What was due could not be sent: it is due again as soon as the back-off ends."""
        self.errors_due = now
        if not errors_only:
            self.all_due = now

    def seconds_left(self, now: float) -> float:
        """Until the next timer; an hour when none runs."""
        due = min((due for due in (self.errors_due, self.all_due) if due is not None), default=now + 3600.0)
        return max(0.0, due - now)

    def is_due(self, now: float) -> bool:
        return self.seconds_left(now) <= 0.0

    def only_errors(self, now: float) -> bool:
        """Whether what is due now is the errors' timer alone."""
        return self.all_due is None or self.all_due > now


class BackOff:
    """Exponential, with jitter of 20 % so that processes do not come back together."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._wait = FIRST_WAIT
        self.until = 0.0
        self.asked = False

    def failed(self, now: float, retry_after: float | None) -> None:
        """Wait from now on; what the server asked for goes before our own idea, where it is not less than our first.

        A Retry-After of 0, of a date that is over, and a RetryInfo without its delay made 2,400 requests a second.
        """
        self.asked = retry_after is not None and retry_after >= FIRST_WAIT
        if retry_after is not None and self.asked:
            self.until = now + min(retry_after, MOST_ASKED)
            return
        self.until = now + self._wait * self._chance.uniform(0.8, 1.2)
        self._wait = min(self._wait * GROWTH, MOST_WAIT)

    def succeeded(self) -> None:
        self._wait = FIRST_WAIT
        self.until = 0.0
        self.asked = False

    def hurry(self) -> None:
        """Somebody waits for a flush: try now, unless the server asked for patience."""
        if not self.asked:
            self.until = 0.0
