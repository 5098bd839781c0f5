"""Children of `multiprocessing`, forked ones and those of a fork server: they end by `os._exit`."""

from __future__ import annotations

from multiprocessing import parent_process, util

from otel_errsample import living

# The lowest priority of the first round of finalisers, so that theirs have ended their spans; between the two rounds
# multiprocessing waits for children of the child, which may take for ever.
_LAST_OF_THE_FIRST_ROUND = 0


def attach() -> None:
    # A child starts by forgetting every finaliser it knows of, and then calls these.
    util.register_after_fork(living, _finalise)
    if parent_process() is not None:  # this is a child, past that point or not
        _finalise()


def _finalise(_kept_for: object = None) -> None:
    util.Finalize(None, living.flush, exitpriority=_LAST_OF_THE_FIRST_ROUND)
