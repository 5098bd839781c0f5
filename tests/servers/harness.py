"""Programs that are started, watched, stopped and outlived by nothing, against a receiver of their own."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parent.parent.parent
# Seconds for anything that a machine with other things to do may take its time for.
PATIENCE = 120.0


class Program:
    """A process with its descendants; what they print is kept, and waited for."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        environ |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "NO_PROXY": "*", **variables}
        self._printed: list[str] = []
        self._silent = False
        self._changed = threading.Condition()
        # In a group of its own: orphans of a killed server are found and ended with it.
        self._process = subprocess.Popen(
            command,
            env=environ,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._reader.join(PATIENCE)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def wait_for(self, pattern: str, times: int = 1) -> str:
        """Wait until so many lines have matched; the first group of the last of them, "" without groups."""
        found: list[re.Match[str]] = []

        def enough() -> bool:
            found[:] = [match for line in self._printed if (match := re.search(pattern, line))]
            return len(found) >= times or self._silent

        with self._changed:
            self._changed.wait_for(enough, PATIENCE)
        assert len(found) >= times, f"{len(found)} of {times} times {pattern!r} in\n{self.printed}"
        return found[-1].group(1) if found[-1].re.groups else ""

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end of the process; its exit status, negative for the signal that ended it."""
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end; it printed\n{self.printed}") from None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def printed(self) -> str:
        return "\n".join(self._printed)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._printed.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._silent = True
            self._changed.notify_all()


def wait_until_open(port: int) -> None:
    """Wait until somebody listens there: uvicorn's workers say that they have started a moment before they do."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)  # nothing can be waited for


def wait_until_idle(stats: str) -> None:
    """Wait until no worker of a uWSGI is in a request, as the socket of its statistics tells."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(PATIENCE)
            asking.connect(stats)
            with asking.makefile() as told:
                workers = [worker["status"] for worker in json.load(told)["workers"]]
        if set(workers) == {"idle"}:
            return
        assert time.monotonic() < deadline, workers
        time.sleep(0.02)  # nothing can be waited for


def ask(port: int, number: int) -> None:
    """One request for a piece of work, on a connection of its own so that every worker of a server gets some."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", f"/{number}")
        response = connection.getresponse()
        assert (200, b"ok") == (response.status, response.read())
    finally:
        connection.close()
