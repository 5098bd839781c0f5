"""Log lines about spans that are not delivered: few, without a value that could be a secret."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from otel_errsample._hot import scrub_text
from otel_errsample.transport import Answer, Outcome

# Seconds between two lines of the same kind. The stock exporters log each attempt; an outage is one fact, not a thousand.
EVERY = 60.0

_SENTENCES = {
    Outcome.RETRY: "spans cannot be delivered to %s (%s); they wait in the buffer and are sent again",
    Outcome.REFUSED: "%s refused spans for their content (%s); the others are sent without them",
    Outcome.FAILED: "%s took no spans (%s), and trying again would not help; they are counted as export_failed",
    Outcome.ACCEPTED: "%s took a request but rejected some of its spans (%s)",
}
# Of spans that count as delivered.
_WARNS = "%s took the spans, and warns (%s)"
_NOT_OTLP = "%s acknowledged a request, but not as an OTLP receiver does (%s): is the endpoint right?"


class Reporter:
    """One line a minute for each kind of answer that is not plain success, and one for spans that found no room."""

    def __init__(self, logger: logging.Logger, endpoint: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._endpoint = endpoint
        self._monotonic = monotonic
        self._next: dict[str, float] = {}
        self._crowded_out = 0
        self._next_crowded = monotonic()

    def answered(self, answer: Answer, spans: int) -> None:
        """Say what `answer` meant for a request of that many spans, unless it was said less than a minute ago."""
        sentence = _SENTENCES[answer.outcome]
        if answer.outcome is Outcome.ACCEPTED and not answer.rejected:
            sentence = _NOT_OTLP if answer.cause == "unreadable_response" else _WARNS
        now = self._monotonic()
        if now < self._next.get(sentence, now):
            return
        self._next[sentence] = now + EVERY
        why = f"{answer.cause}: {answer.detail}" if answer.detail else answer.cause
        why, _ = scrub_text(why)  # a receiver may quote what was sent
        sentence += "; %d in this request, said at most once a minute"
        self._logger.warning(sentence, self._endpoint, why, spans)

    def crowded(self, lost: int, *, last: bool = False) -> None:
        """Say how many spans found no room since it was said last, of `lost` so far; once a minute, and at the `last`."""
        more = lost - self._crowded_out
        if not more or (not last and self._monotonic() < self._next_crowded):
            return
        self._crowded_out = lost
        self._next_crowded = self._monotonic() + EVERY
        self._logger.warning(
            "%d spans found no room in the buffer and were dropped, the least valuable first, while they waited for %s; "
            "OTEL_ERRSAMPLE_MAX_BUFFER_BYTES makes it larger, and this is said at most once a minute",
            more,
            self._endpoint,
        )

    def restart_in_child(self) -> None:
        """After a fork: the counts begin at zero."""
        self._crowded_out = 0

    def gave_up(self, endings: Mapping[str, int]) -> None:
        """Say at shutdown what was not delivered, and was not said so far."""
        self.crowded(endings["evicted"] + endings["buffer_full"], last=True)
        if spooled := endings["spooled"]:
            sentence = "shut down with %d spans in the spool for the next process to send to %s"
            self._logger.warning(sentence, spooled, self._endpoint)
        if lost := endings["undelivered"] + endings["delivery_unknown"]:
            self._logger.warning("shut down with %d spans undelivered to %s; stats() says which", lost, self._endpoint)
