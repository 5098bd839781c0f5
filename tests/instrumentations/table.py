"""What the failing spans of released instrumentations become: `failures.tsv`, which the tests hold against the real ones
and which docs/instrumentations.md shows.
"""

from __future__ import annotations

from importlib import resources
from typing import Final, NamedTuple


class Program(NamedTuple):
    """A program beside this file. `markers` name one attribute by the old and by the new conventions."""

    title: str
    packages: tuple[str, ...]
    markers: tuple[str, str] | None = None


_HTTP: Final = ("http.method", "http.request.method")
_DATABASE: Final = ("db.system", "db.system.name")


def _of(title: str, package: str, instrumentation: str, markers: tuple[str, str] | None = None) -> Program:
    return Program(title, (package, f"opentelemetry.instrumentation.{instrumentation}"), markers)


PROGRAMS: Final = {
    "flask_app": _of("Flask", "flask", "flask", _HTTP),
    "fastapi_app": _of("FastAPI", "fastapi", "fastapi", _HTTP),
    "django_app": _of("Django", "django", "django", _HTTP),
    "aiohttp_server_app": _of("aiohttp server", "aiohttp", "aiohttp_server", _HTTP),
    "grpc_server_app": _of("gRPC server", "grpc", "grpc"),
    "celery_app": _of("Celery", "celery", "celery"),
    "requests_app": _of("requests", "requests", "requests", _HTTP),
    "httpx_app": _of("httpx", "httpx", "httpx", _HTTP),
    "urllib_app": _of("urllib", "urllib", "urllib", _HTTP),
    "urllib3_app": _of("urllib3", "urllib3", "urllib3", _HTTP),
    "aiohttp_client_app": _of("aiohttp client", "aiohttp", "aiohttp_client", _HTTP),
    "grpc_client_app": _of("gRPC client", "grpc", "grpc"),
    "psycopg_app": _of("psycopg", "psycopg", "psycopg", _DATABASE),
    "asyncpg_app": _of("asyncpg", "asyncpg", "asyncpg", _DATABASE),
    "sqlalchemy_app": _of("SQLAlchemy", "sqlalchemy", "sqlalchemy", _DATABASE),
    "sqlite3_app": _of("sqlite3", "sqlite3", "sqlite3", _DATABASE),
    "redis_app": _of("redis", "redis", "redis", _DATABASE),
    "kafka_app": _of("kafka-python", "kafka", "kafka"),
    "botocore_app": _of("botocore", "botocore", "botocore"),
}


class Told(NamedTuple):
    """What is told of a failing span; "" where nothing is."""

    kind: str
    fault: str
    recovery: str
    code: str
    source: str
    exception: str


class Row(NamedTuple):
    """One failure: the scene of a program and what is told of the span of this kind that it fails in.

    `error` False: it is no error; `told.kind` is what it was downgraded from, "" where nothing failed at all.
    `agrees`: the application's own span, which the same exception passes, has the same fingerprint.
    """

    program: str
    scene: str
    what: str
    span: str
    error: bool
    told: Told
    agrees: bool

    @property
    def id(self) -> str:
        return f"{self.program}: {self.scene}"


def _read() -> tuple[Row, ...]:
    rows = []
    text = resources.files(__package__).joinpath("failures.tsv").read_text(encoding="utf-8")
    for line in text.splitlines()[1:]:
        program, scene, what, span, error, *told, agrees = line.split("\t")
        facts = Told(*("" if value == "-" else value for value in told))
        rows.append(Row(program, scene, what, span, error == "yes", facts, agrees == "yes"))
    return tuple(rows)


ROWS: Final = _read()
