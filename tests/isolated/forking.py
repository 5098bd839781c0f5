"""Fork again and again while spans are being exported; parent and children end spans and flush. Prints a JSON line.

Arguments: how many forks, a seed, and a file to which the id of every span is written that has ended.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter

from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorSpanProcessor
from tests.isolated.telling import PATIENCE, end_a_span, live_and_die

FORKS, SEED = int(sys.argv[1]), int(sys.argv[2])


def main() -> int:
    faulthandler.register(signal.SIGALRM, chain=True)
    chance = random.Random(SEED)
    ended = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND)
    provider = TracerProvider(shutdown_on_exit=False)
    processor = ErrorSpanProcessor("keep", flush_errors_ms=1)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("forking")
    stop = threading.Event()

    def produce() -> None:
        while not stop.is_set():
            end_a_span(tracer, "parent", ended)
            time.sleep(0.0005)

    producer = threading.Thread(target=produce)
    producer.start()
    statuses: Counter[int] = Counter()
    in_flight, slowest = 0, 0.0
    for _ in range(FORKS):
        signal.alarm(3 * PATIENCE)  # a child that hangs has ended by then
        while not processor.stats().in_flight:
            time.sleep(0.0005)
        time.sleep(chance.random() * 0.02)
        in_flight += processor.stats().in_flight > 0
        begun = time.monotonic()
        pid = os.fork()
        if pid == 0:
            live_and_die(processor, tracer, ended)
        slowest = max(slowest, time.monotonic() - begun)
        _, status = os.waitpid(pid, 0)
        statuses[os.waitstatus_to_exitcode(status)] += 1
    signal.alarm(PATIENCE)
    stop.set()
    producer.join()
    delivered = processor.shutdown(10_000)
    stats = processor.stats()
    result = {
        "statuses": statuses,
        "in_flight": in_flight,
        "slowest_fork_ms": round(slowest * 1e3, 1),
        "delivered": delivered,
        "ended": stats.ended,
        "balanced": stats.balanced,
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
