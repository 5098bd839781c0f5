"""The sink in a process of its own, the same one for both sides: it takes requests unread, answers and keeps nothing."""

from __future__ import annotations

import atexit
import functools
import subprocess
import sys


@functools.cache
def endpoint(protocol: str) -> str:
    """Start the sink of `protocol` if this process has none yet; its address, as OTEL_EXPORTER_OTLP_ENDPOINT takes it.

    The sink ends with this process. Raises RuntimeError where it does not come up.
    """
    command = [sys.executable, "-m", "otel_errsample.testing.receiver", "--protocol", protocol, "--port", "0", "--sink"]
    # It ends when its standard input does, so also when this process is killed.
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.kill)  # and not asked to end: what it would say of itself nobody reads then
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    if not port.isdigit():
        raise RuntimeError(f"the receiver is expected to print its port, got {port!r}")
    return f"http://127.0.0.1:{port}"
