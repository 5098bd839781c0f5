"""A process with a spool, in one of several parts. Arguments: the part, its number of errors, its version.

`die`: end them, say so and wait to be killed; `fork`: the same in a parent and its child; `stop`: end them and shut down;
`run`: the same after as many spans as the fourth argument says were recovered, or somebody else sent them. Prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from otel_errsample import ErrorSpanProcessor

PART, ERRORS, VERSION = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def say(processor: ErrorSpanProcessor) -> None:
    print(json.dumps({"pid": os.getpid(), **processor.stats().as_dict()}), flush=True)


def end_errors(provider: TracerProvider, count: int) -> None:
    tracer = provider.get_tracer("spooling", VERSION)
    for number in range(count):
        span = tracer.start_span(f"failing {number}")
        span.set_status(StatusCode.ERROR, "card token=q7hunter2X refused")
        span.end()


# Made by create(): with a plain one the SDK starts a thread pool in its fork hook, and hangs there (1.45.2).
provider = TracerProvider(resource=Resource.create({"service.name": "shop", "service.version": VERSION}))
processor = ErrorSpanProcessor(
    "keep if error", flush_errors_ms=20, shutdown_timeout_ms=int(os.environ.get("PATIENCE", "5000"))
)
provider.add_span_processor(processor)

if PART == "die":
    end_errors(provider, ERRORS)
    say(processor)
    sys.stdin.readline()
elif PART == "fork":
    end_errors(provider, ERRORS)
    if os.fork() == 0:
        end_errors(provider, ERRORS)
        while not processor.stats().requests:  # by the first one it has looked for files of the dead
            time.sleep(0.01)
        say(processor)
        sys.stdin.readline()
        os._exit(0)
    os.wait()
elif PART == "run":
    end_errors(provider, ERRORS)
    if os.environ.get("SIBLING"):
        sys.stdin.readline()
    deadline = time.monotonic() + 30
    while (
        processor.stats().recovered < int(sys.argv[4]) and time.monotonic() < deadline and "SIBLING" not in os.environ
    ):
        time.sleep(0.01)
    processor.force_flush(10_000)
    provider.shutdown()
    say(processor)
elif PART == "stop":
    end_errors(provider, ERRORS)
    provider.shutdown()
    say(processor)
