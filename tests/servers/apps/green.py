"""A program of greenlets: it works, lets them run, says so, and waits to be told to end."""

from __future__ import annotations

import sys

if sys.argv[1] == "gevent":
    from gevent import monkey

    monkey.patch_all()
else:
    import eventlet

    eventlet.monkey_patch()

import time

from tests.servers.apps import telemetry

telemetry.start()
for number in range(int(sys.argv[2])):
    telemetry.work(number)
    time.sleep(0.01)  # the patched one: others run, and a worker that is no real thread would not come back
telemetry.tell("done")
while True:
    time.sleep(3600)
