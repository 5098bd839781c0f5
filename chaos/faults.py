"""The matrix: what goes wrong, and how the receiver behaves meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from otel_errsample.testing.replies import Reply, unavailable


@dataclass(frozen=True)
class Fault:
    """One row. `application` is what chaos.application does; `script` what the receiver answers first.

    `again`: a batch may come twice, since nobody can know that it was taken. `timed`: the table says how long the
    application took to end. `over` are the protocols in which a server can do that.
    """

    name: str
    what: str
    application: str = "exit"
    script: Callable[[], list[Reply]] = list
    again: bool = False
    timed: bool = False
    over: tuple[str, ...] = ("http", "grpc")

    @property
    def steps_the_clock(self) -> bool:
        return self.application.startswith("clock")


def _answers(*replies: Reply) -> Callable[[], list[Reply]]:
    return lambda: list(replies)


FAULTS: Final = (
    Fault("exit", "the interpreter ends"),
    Fault("sigkill", "SIGKILL, or the OOM killer", "SIGKILL"),
    Fault("sigsegv", "a crash in C", "SIGSEGV"),
    Fault("abort", "abort()", "SIGABRT"),
    Fault("sigterm", "SIGTERM without a handler", "SIGTERM"),
    Fault("os_exit", "os._exit, as children of multiprocessing end", "os_exit"),
    Fault("execv", "os.execv, as reloaders do", "execv"),
    Fault("fork", "a forked child that ends by os._exit", "fork"),
    Fault("forks", "three forks while requests are on their way, whose children end errors too", "forks",
          _answers(*[Reply(delay=0.4)] * 6), again=True),
    Fault("outage", "the receiver answers UNAVAILABLE four times", script=_answers(*[unavailable()] * 4), timed=True),
    Fault("throttled", "it asks for patience: 3 s", script=_answers(unavailable(retry_after=3)), timed=True),
    Fault("slow", "it takes half a second for each request", script=_answers(*[Reply(delay=0.5)] * 6), timed=True),
    Fault("black_hole", "it takes a request and never answers", script=_answers(Reply(fault="black_hole")), timed=True),
    Fault("drip", "it answers a byte every 50 ms, without end", "exit",
          _answers(Reply(fault="drip")), timed=True, over=("http",)),
    Fault("reset", "it resets the connection", script=_answers(Reply(fault="reset")), timed=True),
    Fault("lost_answer", "it takes the spans, and its answer is lost", "exit",
          _answers(Reply(fault="reset", stored=True)), again=True, timed=True),
    Fault("bad_value", "one message is no valid Unicode", "bad_value"),
    Fault("full_disk", "SIGKILL a second later, and no room for a spool: memory alone", "full_disk"),
    Fault("clock_forward", "the wall clock goes forward by an hour during an outage", "clock_forward",
          _answers(*[unavailable()] * 3), timed=True),
    Fault("clock_back", "the wall clock goes back by an hour while a request is not answered", "clock_back",
          _answers(Reply(fault="black_hole"), *[unavailable()] * 2), timed=True),
)  # fmt: skip
