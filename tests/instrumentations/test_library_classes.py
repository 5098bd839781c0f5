"""Every row of the taxonomy whose package is installed: by the class itself, by a subclass, and by its name alone.

The names of a table go stale without a sound: a library moves a class, and its errors are unknown from then on.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from otel_errsample import _hot, taxonomy

# Old libraries warn of newer ones when they are imported.
pytestmark = pytest.mark.filterwarnings("ignore")

TABLE = taxonomy.load_table()
CLASSIFIER = _hot.Classifier()
# Its module is hidden inside confluent_kafka, under a name that cannot be imported.
NOT_IMPORTABLE = {"cimpl.KafkaException": "confluent_kafka.KafkaException"}
NAMESPACES = {"google"}  # of several distributions
NEW_IN_311 = {"tomllib.TOMLDecodeError"}
# The table's name is of another version of Python than the one running.
OTHER_PYTHON = {"asyncio.exceptions.TimeoutError", "concurrent.futures._base.TimeoutError"}


def skip(reason: str) -> None:
    (pytest.fail if os.environ.get("INSTRUMENTATIONS") == "required" else pytest.skip)(reason)


def find(name: str) -> Any:
    """What is defined under a full name, whichever module has to be imported for it."""
    parts = NOT_IMPORTABLE.get(name, name if "." in name else f"builtins.{name}").split(".")
    package = ".".join(parts[:2]) if parts[0] in NAMESPACES else parts[0]
    try:
        importlib.import_module(package)
    except ImportError:
        skip(f"{package} is not installed; `make test-instrumentations` makes an environment that has it")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise AssertionError(f"{name} is not defined any more")


def instance(name: str, cls: Any) -> BaseException:
    if name != "pydantic_core._pydantic_core.ValidationError":  # which has no constructor
        error: BaseException = cls.__new__(cls)
        return error
    try:
        importlib.import_module("pydantic").TypeAdapter(int).validate_python("x")
    except ValueError as raised:
        return raised
    raise AssertionError


def axes(facts: Any) -> tuple[str, str, str]:
    return facts.kind, facts.recovery, facts.severity


def expected(name: str, row: taxonomy.Row) -> tuple[str, str, str]:
    """What is told where neither a code nor a cause is known."""
    kind = row.kind if row.kind in taxonomy.KINDS else "unknown"
    recovery = row.recovery if row.recovery in taxonomy.RECOVERIES else "none"
    return kind, recovery, row.severity if row.severity in taxonomy.SEVERITIES else "error"


@pytest.mark.parametrize(("name", "row"), TABLE.items(), ids=TABLE.keys())
class TestRows:
    def test_the_class_its_subclass_and_its_name_are_told_alike(self, name: str, row: taxonomy.Row) -> None:
        if name in NEW_IN_311 and sys.version_info < (3, 11):
            pytest.skip("not in this Python")
        cls = find(name)
        if name in OTHER_PYTHON and sys.version_info >= (3, 11):
            assert cls is TimeoutError
            return
        assert issubclass(cls, BaseException)
        live = CLASSIFIER.facts(instance(name, cls))
        assert name == live.exception, "the name that the SDK records"
        assert expected(name, row) == axes(live)
        assert axes(live) == axes(CLASSIFIER.facts(event={"exception.type": name}))
        with contextlib.suppress(TypeError):  # a class may refuse to be a base
            own: Any = type("Own", (cls,), {"__module__": "shop"})
            assert axes(live) == axes(CLASSIFIER.facts(own.__new__(own)))


def library(name: str) -> Any:
    """A module that the checks of this repository need not find."""
    return importlib.import_module(name)


def asyncpg_error() -> Any:
    asyncpg = library("asyncpg")
    return asyncpg.exceptions.UniqueViolationError("duplicate")


def aws_error() -> Any:
    exceptions = library("botocore.exceptions")
    answer = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return exceptions.ClientError(answer, "PutItem")


def django_error() -> Any:
    psycopg = library("psycopg")
    utils = library("django.db.utils")
    error = utils.IntegrityError("duplicate")
    error.__cause__ = psycopg.errors.UniqueViolation("duplicate")
    return error


def falcon_error() -> Any:
    falcon = library("falcon")
    return falcon.HTTPTooManyRequests()


def google_error() -> Any:
    exceptions = library("google.api_core.exceptions")
    return exceptions.from_grpc_status(14, "down")


def google_retry_error() -> Any:
    exceptions = library("google.api_core.exceptions")
    error = exceptions.RetryError("gave up", exceptions.DeadlineExceeded("slow"))
    error.__cause__ = error.cause
    return error


def httpx_error() -> Any:
    httpx = library("httpx")
    request = httpx.Request("GET", "http://shop.test")
    return httpx.HTTPStatusError("failed", request=request, response=httpx.Response(503))


def aiohttp_error() -> Any:
    aiohttp = library("aiohttp")
    return aiohttp.ClientResponseError(None, (), status=404)


def aiohttp_malformed() -> Any:
    aiohttp = library("aiohttp")
    error = aiohttp.ClientResponseError(None, (), status=400)
    error.__cause__ = library("aiohttp.http_exceptions").BadStatusLine("x")
    return error


def kafka_error() -> Any:
    errors = library("kafka.errors")
    return errors.NotLeaderForPartitionError()


def confluent_error() -> Any:
    confluent = library("confluent_kafka")
    return confluent.KafkaException(confluent.KafkaError(confluent.KafkaError._TRANSPORT, "down", retriable=True))


def mongo_error() -> Any:
    errors = library("pymongo.errors")
    return errors.OperationFailure("conflict", 112, {"errorLabels": ["TransientTransactionError"]})


def psycopg_error() -> Any:
    psycopg = library("psycopg")
    return psycopg.errors.AdminShutdown("terminating")


def redis_error() -> Any:
    exceptions = library("redis.exceptions")
    return exceptions.AuthenticationError("wrong password")


def sqlalchemy_error() -> Any:
    psycopg = library("psycopg")
    exc = library("sqlalchemy.exc")
    error = exc.DBAPIError.instance("select 1", {}, psycopg.errors.SerializationFailure("again"), psycopg.Error)
    assert isinstance(error, exc.OperationalError)
    return error


def sqlalchemy_disconnect() -> Any:
    psycopg = library("psycopg")
    exc = library("sqlalchemy.exc")
    cause = psycopg.Error("gone")
    error = exc.DBAPIError.instance("select 1", {}, cause, psycopg.Error, connection_invalidated=True)
    assert isinstance(error, exc.DBAPIError)
    return error


def starlette_error() -> Any:
    exceptions = library("starlette.exceptions")
    return exceptions.HTTPException(503)


def tenacity_error() -> Any:
    tenacity = library("tenacity")

    def fail() -> None:
        raise ConnectionResetError("gone")

    try:
        tenacity.retry(stop=tenacity.stop_after_attempt(1))(fail)()
    except tenacity.RetryError as error:
        error.__cause__ = None
        return error
    raise AssertionError


def tornado_error() -> Any:
    web = library("tornado.web")
    return web.HTTPError(410)


def urllib3_error() -> Any:
    exceptions = library("urllib3.exceptions")
    reason = exceptions.NameResolutionError("shop.test", None, OSError("no"))
    return exceptions.MaxRetryError(None, "/", reason)


def werkzeug_error() -> Any:
    exceptions = library("werkzeug.exceptions")
    return exceptions.Conflict()


REAL: list[tuple[Callable[[], Any], str, str | None, str]] = [
    (asyncpg_error, "business", "sqlstate:23505", "none"),
    (aws_error, "throttle", "aws:ThrottlingException", "backoff"),
    (django_error, "business", "sqlstate:23505", "none"),
    (falcon_error, "throttle", "http:429", "backoff"),
    (google_error, "unavailable", "grpc:UNAVAILABLE", "backoff"),
    (google_retry_error, "timeout", "grpc:DEADLINE_EXCEEDED", "backoff"),
    (httpx_error, "unavailable", "http:503", "backoff"),
    (aiohttp_error, "client", "http:404", "none"),
    (aiohttp_malformed, "connection", None, "retry"),
    (kafka_error, "unavailable", "kafka:6", "backoff"),
    (confluent_error, "unavailable", None, "backoff"),
    (mongo_error, "conflict", None, "retry_tx"),
    (psycopg_error, "unavailable", "sqlstate:57P01", "backoff"),
    (redis_error, "auth", None, "fix_config"),
    (sqlalchemy_error, "conflict", "sqlstate:40001", "retry_tx"),
    (sqlalchemy_disconnect, "connection", None, "backoff"),
    (starlette_error, "unavailable", "http:503", "backoff"),
    (tenacity_error, "connection", None, "retry"),
    (tornado_error, "client", "http:410", "fix_request"),
    (urllib3_error, "connection", None, "backoff"),
    (werkzeug_error, "conflict", "http:409", "retry_tx"),
]


@pytest.mark.parametrize(("make", "kind", "code", "recovery"), REAL, ids=[case[0].__name__ for case in REAL])
def test_what_an_exception_carries_is_read_from_the_real_one(
    make: Callable[[], Any], kind: str, code: str | None, recovery: str
) -> None:
    try:
        error = make()
    except ImportError as missing:
        skip(f"{missing.name} is not installed")
        return
    facts = CLASSIFIER.facts(error)
    assert (kind, code, recovery) == (facts.kind, facts.code, facts.recovery)


@pytest.mark.parametrize(
    ("checker", "attribute", "kinds"),
    [
        ("ThrottledRetryableChecker", "_THROTTLED_ERROR_CODES", {"throttle"}),
        ("TransientRetryableChecker", "_TRANSIENT_ERROR_CODES", {"timeout", "throttle"}),
    ],
    ids=["throttled", "transient"],
)
def test_every_code_that_botocore_retries_is_known(checker: str, attribute: str, kinds: set[str]) -> None:
    try:
        codes = getattr(getattr(library("botocore.retries.standard"), checker), attribute)
    except ImportError:
        skip("botocore is not installed")
        return
    for code in codes:
        error = aws_error()
        error.response["Error"]["Code"] = code
        facts = CLASSIFIER.facts(error)
        assert (True, "backoff", f"aws:{code}") == (facts.kind in kinds, facts.recovery, facts.code)
