"""What an example runs on: a receiver, the server in a process of its own, and a picture of what arrived."""

from __future__ import annotations

import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence

from examples.picture import picture
from otel_errsample.testing.receiver import Receiver
from tests.servers.harness import PATIENCE, Program


def play(
    title: str, command: Sequence[str], act: Callable[[Program], str], variables: Mapping[str, str] | None = None
) -> None:
    """Start a server, act on it, end it by SIGTERM, and print what was done and every trace that the receiver has."""
    with Receiver() as receiver:
        with Program((sys.executable, "-m", *command), {**receiver.environ, **(variables or {})}) as server:
            done = act(server)
            server.signal(signal.SIGTERM)
            server.wait()
        received = receiver.spans()
    print(f"{title}: {done}")
    print(f"Arrived: {len(received)} span{'s' * (len(received) != 1)}")
    print()
    print(picture(received))


def requests(*asked: tuple[int, str, int]) -> Callable[[Program], str]:
    """Ask a web server, on the port it took: so many times for a path, which is to be answered by that status."""

    def act(server: Program) -> str:
        port = server.wait_for(r"127\.0\.0\.1:(\d+)")
        for times, path, expected in asked:
            answers = {_status(f"http://127.0.0.1:{port}{path}") for _ in range(times)}
            assert answers == {expected}, (path, answers, server.printed)
        return ", ".join(f"{times} x {path} answered by {status}" for times, path, status in asked)

    return act


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
