"""A program without a server: it works, says so, and waits to be told to end."""

from __future__ import annotations

import signal
import sys

from tests.servers.apps import telemetry

telemetry.start()
for number in range(int(sys.argv[1])):
    telemetry.work(number)
telemetry.tell("done")
while True:
    signal.pause()
