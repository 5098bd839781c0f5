"""End so many spans (the argument), and tell how much memory the process has. Prints a JSON line.

`before` is what is resident, in bytes, after the first fifth of them, and `after` what is in the end; `ended` and
`balanced` are what the books say, and `delivered` how many were sent.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from itertools import cycle, islice

import psutil
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status, StatusCode

from tests.isolated.kinds import Kind, healthy, processor_for
from tests.spans import make_context, make_span

RULES = """
noise: drop if http.route == "/noise"
storm: keep 100 per second by fingerprint if message contains "storm"
rest:  keep if error
"""
DISTINCT = 2_000
FAILED = Status(StatusCode.ERROR)


def spans() -> Iterator[ReadableSpan]:
    for number in range(DISTINCT):
        context, name = make_context(number + 1, number + 1), f"work {number % 40}"
        if number % 4:
            yield make_span(name, context=context, attributes={"http.route": "/noise" if number % 8 == 1 else "/cart"})
        else:
            text = "storm" if number % 8 else f"order {number} was refused by db-{number % 60}"
            failure = {"exception.type": f"shop.E{number % 300}", "exception.message": text}
            yield make_span(name, context=context, status=FAILED, events=[Event("exception", failure, 1)])


def resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def main() -> int:
    count = int(sys.argv[1])
    processor = processor_for(Kind("enduring", healthy, rules=RULES))
    endless = cycle(list(spans()))
    for span in islice(endless, count // 5):
        processor.on_end(span)
    before = resident()
    for span in islice(endless, count - count // 5):
        processor.on_end(span)
    after = resident()
    processor.shutdown(60_000)
    stats = processor.stats()
    told = {"before": before, "after": after, "ended": stats.ended, "balanced": stats.balanced}
    print(json.dumps({**told, "delivered": stats.endings["delivered"]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
