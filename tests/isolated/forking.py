"""Fork again and again while spans are being exported; parent and children end spans and flush. Prints JSON lines."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time

from opentelemetry.sdk.trace import TracerProvider

from otel_errsample import ErrorSpanProcessor

FORKS = int(sys.argv[1])


def main() -> int:
    signal.alarm(60)  # ends a hang; faulthandler's watchdog is a thread, which a forked child would wait for in vain
    provider = TracerProvider(shutdown_on_exit=False)
    processor = ErrorSpanProcessor("keep", flush_errors_ms=1)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("forking")
    stop = threading.Event()

    def produce() -> None:
        while not stop.is_set():
            tracer.start_span("parent").end()
            time.sleep(0.0002)

    producer = threading.Thread(target=produce)
    producer.start()
    children = 0
    for _ in range(FORKS):
        processor.force_flush(1)  # an export is in flight at the fork, or about to be
        pid = os.fork()
        if pid == 0:
            signal.alarm(30)
            for _ in range(3):
                tracer.start_span("child").end()
            delivered = processor.shutdown(10_000)
            stats = processor.stats()
            assert stats.balanced, stats
            assert stats.ended == 3, stats
            os._exit(0 if delivered else 7)
        _, status = os.waitpid(pid, 0)
        children += os.waitstatus_to_exitcode(status) == 0
    stop.set()
    producer.join()
    delivered = processor.shutdown(10_000)
    stats = processor.stats()
    print(json.dumps({"children": children, "delivered": delivered, "ended": stats.ended, "balanced": stats.balanced}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
