"""The servers and how they end: the rows that the tests play and that docs/deployment.md shows."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from tests.servers.harness import Program, ask, wait_until_idle, wait_until_open

Start = Callable[..., Program]
Play = Callable[[Start, int], None]
"""Plays a row: starts its program with a command and variables, makes it work so many times, and stops it."""

_one_at_a_time: Final = threading.Lock()  # importing celery in two threads at once fails


class Row(NamedTuple):
    """One way to run and to end: `total` pieces of work, and what docs/deployment.md tells to write, a key of LINES."""

    id: str
    server: str
    how: str
    distributions: tuple[str, ...]
    play: Play
    line: str = ""
    total: int = 40
    protocol: str = "grpc"
    clean: bool = True
    """False for an end that no process can do anything about."""


def served(
    *command: str,
    stop: int = signal.SIGTERM,
    ready: str = "",
    workers: int = 1,
    settle: Callable[[], None] = lambda: None,
) -> Play:
    """A server that says which port it took; what it says when a worker is ready. It is stopped behind `settle`."""

    def play(start: Start, total: int) -> None:
        with start(command) as program:
            port = int(program.wait_for(r"127\.0\.0\.1:(\d+)"))
            program.wait_for(ready, workers)
            wait_until_open(port)
            for number in range(total):
                ask(port, number)
            settle()
            program.signal(stop)
            program.wait()

    return play


def gunicorn(*options: str, application: str = "wsgi") -> Play:
    module = f"tests.servers.apps.{application}:application"
    return served(sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:0", "--workers=2", *options, module)


def uvicorn(workers: int = 1, stop: int = signal.SIGTERM) -> Play:
    command = (
        sys.executable,
        "-m",
        "uvicorn",
        "--port=0",
        f"--workers={workers}",
        "tests.servers.apps.asgi:application",
    )
    return served(*command, stop=stop, ready="Application startup complete", workers=workers)


def uwsgi(*options: str) -> Play:
    def play(start: Start, total: int) -> None:
        with tempfile.TemporaryDirectory() as directory:
            stats = f"{directory}/stats"
            command = (
                str(Path(sys.executable).with_name("uwsgi")),
                "--http-socket=127.0.0.1:0",
                f"--virtualenv={sys.prefix}",
                "--module=tests.servers.apps.wsgi:application",
                "--master",
                "--processes=2",
                f"--stats={stats}",
                *options,
            )
            # A worker that is in a request when it is told to end at once runs no hooks, and both its answer and its
            # line in the log come before it is out of the request.
            at_once = f"--{_GRACEFULLY}" not in options
            served(
                *command,
                ready="WSGI app 0 .* ready",
                workers=2 if "--lazy-apps" in options else 1,
                settle=partial(wait_until_idle, stats) if at_once else lambda: None,
            )(start, total)

    return play


def _send_tasks(directory: str, total: int) -> None:
    from celery import Celery

    app = Celery("tests", broker="filesystem://")
    folders = ("data_folder_in", "data_folder_out", "control_folder")
    app.conf.broker_transport_options = dict.fromkeys(folders, directory)
    for number in range(total):
        app.send_task("work", (number,))
    app.close()


def celery(*options: str, done: str = "done") -> Play:
    """A worker that is stopped when every task has told that it is done, or every process that it has ended."""

    def play(start: Start, total: int) -> None:
        with tempfile.TemporaryDirectory() as directory:
            with _one_at_a_time:
                _send_tasks(directory, total)
            command = (sys.executable, "-m", "celery", "--app=tests.servers.apps.tasks", "worker", "--concurrency=2")
            quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
            with start((*command, *quiet, *options), BROKER=directory) as program:
                program.wait_for(f"^{done}$", total)
                program.signal(signal.SIGTERM)
                program.wait()

    return play


def children(way: str, method: str) -> Play:
    def play(start: Start, total: int) -> None:
        with start((sys.executable, "tests/servers/apps/children.py", way, method, str(total))) as program:
            status = program.wait()
            assert status == 0, program.printed

    return play


def plain(stop: int) -> Play:
    def play(start: Start, total: int) -> None:
        with start((sys.executable, "tests/servers/apps/plain.py", str(total))) as program:
            program.wait_for("^done$")
            program.signal(stop)
            assert -stop == program.wait(), program.printed

    return play


LINES: Final = {
    "": "nothing",
    "lifespan": "[`FlushOnShutdown`](#asgi)",
    "sigterm": "[`OTEL_ERRSAMPLE_FLUSH_ON_SIGTERM=true`](#sigterm)",
}

_GUNICORN: Final = ("gunicorn",)
_WORKER: Final = "--worker-class=uvicorn_worker.UvicornWorker"
_UVICORN: Final = ("uvicorn",)
_BOTH: Final = ("gunicorn", "uvicorn", "uvicorn-worker")
_GRACEFULLY: Final = "hook-master-start=unix_signal:15 gracefully_kill_them_all"
_CELERY: Final = ("celery",)

ROWS: Final = (
    Row("gunicorn-sync", "gunicorn", "2 sync workers, TERM", _GUNICORN, gunicorn()),
    Row("gunicorn-gthread", "gunicorn", "gthread, TERM", _GUNICORN, gunicorn("--worker-class=gthread", "--threads=4")),
    Row("gunicorn-gevent", "gunicorn", "gevent, TERM", ("gunicorn", "gevent"), gunicorn("--worker-class=gevent")),
    Row("gunicorn-preload", "gunicorn", "`--preload`, TERM", _GUNICORN, gunicorn("--preload")),
    Row(
        "gunicorn-preload-http",
        "gunicorn",
        "`--preload`, OTLP/HTTP, TERM",
        _GUNICORN,
        gunicorn("--preload"),
        protocol="http",
    ),
    Row("gunicorn-max-requests", "gunicorn", "`--max-requests=5`, TERM", _GUNICORN, gunicorn("--max-requests=5")),
    Row(
        "gunicorn-uvicorn",
        "gunicorn",
        "`uvicorn_worker.UvicornWorker`, TERM",
        _BOTH,
        gunicorn(_WORKER, application="asgi"),
        "lifespan",
    ),
    Row(
        "gunicorn-uvicorn-sigterm",
        "gunicorn",
        "`uvicorn_worker.UvicornWorker`, TERM",
        _BOTH,
        gunicorn(_WORKER, application="asgi"),
        "sigterm",
    ),
    Row("uvicorn", "uvicorn", "1 worker, TERM", _UVICORN, uvicorn(), "lifespan"),
    Row("uvicorn-sigterm", "uvicorn", "1 worker, TERM", _UVICORN, uvicorn(), "sigterm"),
    Row("uvicorn-2", "uvicorn", "2 workers, TERM", _UVICORN, uvicorn(2), "lifespan"),
    Row("uvicorn-2-sigterm", "uvicorn", "2 workers, TERM", _UVICORN, uvicorn(2), "sigterm"),
    Row("uvicorn-int", "uvicorn", "1 worker, INT", _UVICORN, uvicorn(stop=signal.SIGINT)),
    Row("uwsgi", "uWSGI", "`--die-on-term`, TERM to idle workers", ("uwsgi",), uwsgi("--die-on-term")),
    Row(
        "uwsgi-lazy",
        "uWSGI",
        "`--lazy-apps --enable-threads --die-on-term`, TERM to idle workers",
        ("uwsgi",),
        uwsgi("--die-on-term", "--lazy-apps", "--enable-threads"),
    ),
    Row(
        "uwsgi-graceful",
        "uWSGI",
        f"`--lazy-apps --{_GRACEFULLY}`, TERM",
        ("uwsgi",),
        uwsgi(f"--{_GRACEFULLY}", "--lazy-apps"),
    ),
    Row("celery-prefork", "Celery", "prefork, TERM", _CELERY, celery()),
    Row(
        "celery-max-tasks",
        "Celery",
        "prefork, `--max-tasks-per-child=1`, TERM",
        _CELERY,
        celery("--max-tasks-per-child=1", done="ended"),
        total=8,
    ),
    Row("celery-solo", "Celery", "solo, TERM", _CELERY, celery("--pool=solo")),
    Row("celery-threads", "Celery", "threads, TERM", _CELERY, celery("--pool=threads")),
    Row("process-fork", "multiprocessing", "`Process`, fork", (), children("process", "fork"), total=4),
    Row("process-spawn", "multiprocessing", "`Process`, spawn", (), children("process", "spawn"), total=4),
    Row(
        "process-forkserver", "multiprocessing", "`Process`, forkserver", (), children("process", "forkserver"), total=4
    ),
    Row("pool-fork", "multiprocessing", "`Pool`, fork, closed and joined", (), children("pool", "fork")),
    Row(
        "pool-fork-terminated",
        "multiprocessing",
        "`with Pool`, fork, which terminates its workers",
        (),
        children("terminated_pool", "fork"),
        "sigterm",
    ),
    Row("pool-spawn", "multiprocessing", "`Pool`, spawn, closed and joined", (), children("pool", "spawn")),
    Row("executor-fork", "concurrent.futures", "`ProcessPoolExecutor`, fork", (), children("executor", "fork")),
    Row("executor-spawn", "concurrent.futures", "`ProcessPoolExecutor`, spawn", (), children("executor", "spawn")),
    Row(
        "os-fork",
        "os.fork",
        "the child returns from `main` or calls `sys.exit`",
        (),
        children("bare_fork", "fork"),
        total=4,
    ),
    Row("plain", "no server", "a script, TERM", (), plain(signal.SIGTERM), "sigterm"),
    Row("killed", "no server", "a script, KILL", (), plain(signal.SIGKILL), clean=False),
)
