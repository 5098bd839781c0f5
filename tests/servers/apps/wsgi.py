"""A WSGI application: a request to /NUMBER does one piece of work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.servers.apps import telemetry

telemetry.start()
telemetry.tell("loaded")


def application(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    telemetry.work(int(environ["PATH_INFO"].lstrip("/")))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
