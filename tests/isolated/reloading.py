"""Fork while a configuration file is watched: parent and idle child both notice a change. Prints a JSON line."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import warnings
from pathlib import Path

from otel_errsample import ErrorSpanProcessor
from otel_errsample.testing import CollectingTransport


def noticed(processor: ErrorSpanProcessor) -> bool:
    deadline = time.monotonic() + 20
    while processor.rules.names != ("second",) and time.monotonic() < deadline:
        time.sleep(0.01)
    return processor.rules.names == ("second",)


def main() -> int:
    signal.alarm(60)
    path = Path(sys.argv[1])
    path.write_text("rules: 'first: drop'")
    processor = ErrorSpanProcessor(config=path, transport=CollectingTransport())
    ready, done = os.pipe()
    warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12, about forks in a process with threads
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        os.read(ready, 1)
        os._exit(0 if noticed(processor) and processor.shutdown(5_000) else 7)
    path.write_text("rules: 'second: drop'")
    os.write(done, b"x")
    _, status = os.waitpid(pid, 0)
    parent = noticed(processor)
    print(
        json.dumps({"child": os.waitstatus_to_exitcode(status), "parent": parent, "stopped": processor.shutdown(5_000)})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
