"""A row played on one side, and what its receiver has afterwards."""

from __future__ import annotations

from typing import NamedTuple

from otel_errsample.testing.receiver import Receiver
from tests.servers.harness import Program
from tests.servers.table import Row


class Arrived(NamedTuple):
    """How many spans the receiver has, each counted once, and how many came again."""

    spans: int
    again: int


def sides(row: Row) -> tuple[str, ...]:
    """The stock processor, ours, and ours with the documented line where there is one."""
    return ("stock", "bare", "ours") if row.line else ("stock", "ours")


def played(row: Row, side: str) -> Arrived:
    line = row.line if side == "ours" else ""
    variables = {
        "SIDE": "stock" if side == "stock" else "ours",
        "LINE": line,
        "OTEL_BSP_SCHEDULE_DELAY": "60000",
        "OTEL_ERRSAMPLE_FLUSH_ERRORS_MS": "60000",
    }
    if line == "sigterm":
        variables["OTEL_ERRSAMPLE_FLUSH_ON_SIGTERM"] = "true"
    with Receiver(row.protocol) as receiver:

        def start(command: tuple[str, ...], **more: str) -> Program:
            return Program(command, variables | receiver.environ | more)

        row.play(start, row.total)
        ids = [(received.span.trace_id, received.span.span_id) for received in receiver.spans()]
    return Arrived(len(set(ids)), len(ids) - len(set(ids)))
