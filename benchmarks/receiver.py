"""The sink in a process of its own, the same one for both sides: it reads requests, answers and keeps nothing."""

from __future__ import annotations

import atexit
import functools
import subprocess
import sys
from typing import Final

PROTOCOLS: Final = ("grpc", "http")


@functools.cache
def endpoint(protocol: str) -> str:
    """Start the sink of `protocol` if this process has none yet; its address, as OTEL_EXPORTER_OTLP_ENDPOINT takes it.

    The sink ends with this process. Raises RuntimeError where it does not come up.
    """
    command = [sys.executable, "-m", "otel_errsample.testing.receiver", "--protocol", protocol, "--port", "0", "--sink"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    atexit.register(process.terminate)
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line.rpartition(" ")[2].isdigit():
        raise RuntimeError(f"the receiver is expected to print its port, got {line!r}")
    return f"http://127.0.0.1:{line.rpartition(' ')[2]}"
