"""The code beneath a library's exception: where it is found, and where what is found does not count."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
import requests
import urllib3

from otel_errsample import _hot
from otel_errsample.taxonomy import UserRow
from tests.failing import raised
from tests.failures import HAS_GROUPS, failing, recorded
from tests.ports import refusing

CLASSIFIER = _hot.Classifier()
REFUSED = "errno:ECONNREFUSED"


def refused() -> ConnectionRefusedError:
    return ConnectionRefusedError(111, "refused")


def library(name: str, base: type = Exception) -> type[Exception]:
    """A class that calls itself by the full name of a library's."""
    module, _, qualname = name.rpartition(".")
    return type(qualname, (base,), {"__module__": module})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with refusing() as port:
        yield port


@pytest.fixture(scope="module")
def error(port: int) -> BaseException:
    return failing(lambda: requests.get(f"http://127.0.0.1:{port}", timeout=5))


def test_a_refused_connection_of_requests_is_told(error: BaseException) -> None:
    facts = CLASSIFIER.facts(error)
    assert ("requests.exceptions.ConnectionError", "connection") == (facts.exception, facts.kind)
    assert facts.code == REFUSED


def test_and_one_of_urllib3(port: int) -> None:
    facts = CLASSIFIER.facts(failing(lambda: urllib3.PoolManager(retries=0).request("GET", f"http://127.0.0.1:{port}")))
    assert ("urllib3.exceptions.MaxRetryError", "connection", REFUSED) == (facts.exception, facts.kind, facts.code)


def test_a_text_tells_the_same_by_the_names_in_it(error: BaseException) -> None:
    facts = CLASSIFIER.facts(event=recorded(error))
    assert ("event", REFUSED) == (facts.source, facts.code)


def test_it_survives_that_the_chain_is_lost(error: BaseException) -> None:
    """As on the way through a queue, or where it is raised again `from None`: the arguments still hold the reason."""
    copy = type(error)(*error.args)
    assert copy.__context__ is None
    assert CLASSIFIER.facts(copy).code == REFUSED


def test_a_context_that_the_library_hides_counts_too() -> None:
    """As httpcore raises them, `from None`."""
    source = """
def connect(inner, outer):
    try:
        raise inner
    except OSError:
        raise outer from None
"""
    names: dict[str, Any] = {}
    exec(compile(source, "/venv/lib/site-packages/httpcore.py", "exec"), names)
    hidden = failing(lambda: names["connect"](refused(), library("httpcore.ConnectError")("no")))
    outer = library("httpx.ConnectError", library("httpx.NetworkError"))("no")
    outer.__cause__ = hidden
    assert CLASSIFIER.facts(outer).code == REFUSED
    hidden = failing(lambda: names["connect"](refused(), library("elsewhere.ConnectError")("no")))
    outer.__cause__ = hidden
    assert CLASSIFIER.facts(outer).code is None


@pytest.mark.parametrize(
    ("reason", "kind", "recovery"),
    [("CERTIFICATE_VERIFY_FAILED", "config", "fix_config"), ("WRONG_VERSION_NUMBER", "connection", "backoff")],
)
def test_a_certificate_below_is_no_failing_connection(reason: str, kind: str, recovery: str) -> None:
    """httpx has one class for whatever becomes of connecting."""
    error = library("httpx.ConnectError", library("httpx.NetworkError"))("no")
    error.__cause__ = ssl.SSLError(1, "no")
    error.__cause__.reason = reason
    facts = CLASSIFIER.facts(error)
    assert (kind, recovery, f"ssl:{reason}") == (facts.kind, facts.recovery, facts.code)


def test_a_librarys_class_for_bad_certificates_says_which_reason() -> None:
    error = library("requests.exceptions.SSLError")("no")
    error.__cause__ = ssl.SSLError(1, "no")
    error.__cause__.reason = "CERTIFICATE_VERIFY_FAILED"
    assert "ssl:CERTIFICATE_VERIFY_FAILED" == CLASSIFIER.facts(error).code


def test_the_applications_own_exception_says_what_it_was_made_of(error: BaseException) -> None:
    own = type("CheckoutFailed", (Exception,), {"__module__": "shop"})("no")
    own.__cause__ = error
    facts = CLASSIFIER.facts(own)
    assert ("shop.CheckoutFailed", "connection", REFUSED) == (facts.exception, facts.kind, facts.code)


def test_the_class_of_a_bug_does_not_look_below(error: BaseException) -> None:
    """A row that says more than "the peer cannot be reached" is not about the connection."""
    for own in (ValueError("no"), library("redis.exceptions.ResponseError")("WRONGTYPE")):
        own.__cause__ = refused()
        assert CLASSIFIER.facts(own).code is None


@pytest.mark.parametrize(("explicit", "code"), [(True, REFUSED), (False, None)], ids=["cause", "context"])
def test_what_the_application_was_handling_does_not_count(explicit: bool, code: str | None) -> None:
    def reconnect() -> NoReturn:
        try:
            raise refused()
        except OSError as inner:
            error = library("redis.exceptions.ConnectionError")("Connection closed by server.")
            if explicit:
                raise error from inner
            raise error  # noqa: B904  the point

    error = failing(reconnect)
    assert isinstance(error.__context__, ConnectionRefusedError)
    assert code == CLASSIFIER.facts(error).code == CLASSIFIER.facts(event=recorded(error)).code


def test_a_user_row_may_name_the_code(error: BaseException) -> None:
    row = UserRow(exception="requests.exceptions.ConnectionError", code=REFUSED, kind="config", domain="egress")
    facts = _hot.Classifier(user_rows=[row]).facts(error)
    assert ("config", "egress", REFUSED) == (facts.kind, facts.domain, facts.code)


def test_it_goes_before_the_code_of_the_span(error: BaseException) -> None:
    assert CLASSIFIER.facts(error, codes={"http.response.status_code": 500}).code == REFUSED


def test_it_is_no_part_of_the_fingerprint() -> None:
    """The same place is the same error, whatever the system said there."""
    told = {}
    for number in (111, 104):
        error = raised(lambda: requests.ConnectionError("no"))
        error.__cause__ = type("Failed", (OSError,), {"__module__": "shop"})(number, "no")
        facts = CLASSIFIER.facts(error)
        told[facts.code] = facts.fingerprint
    assert [REFUSED, "errno:ECONNRESET"] == list(told)
    assert 1 == len(set(told.values()))


@pytest.mark.skipif(not HAS_GROUPS, reason="groups came with 3.11")
def test_several_addresses_that_refuse_are_a_group_below() -> None:
    """As anyio raises them: an OSError without a number, caused by a group."""
    inner = OSError("All connection attempts failed")
    inner.__cause__ = ExceptionGroup("several", [refused(), refused()])  # type: ignore[name-defined,unused-ignore]  # noqa: F821
    outer = library("httpx.ConnectError", library("httpx.NetworkError"))("All connection attempts failed")
    outer.__cause__ = inner
    assert CLASSIFIER.facts(outer).code == REFUSED


@pytest.mark.parametrize("held", ["cause", "arguments", "itself"])
def test_a_circle_ends(held: str) -> None:
    one, two = requests.ConnectionError("one"), requests.ConnectionError("two")
    if held == "cause":
        one.__cause__, two.__cause__ = two, one
    elif held == "arguments":
        one.args, two.args = (two, one), (one, two)
    else:
        one.__dict__["reason"] = one
    assert ("connection", None) == (CLASSIFIER.facts(one).kind, CLASSIFIER.facts(one).code)


def test_what_is_looked_at_is_bounded() -> None:
    """Sixteen exceptions, whatever holds whatever."""

    def nested(depth: int) -> BaseException:
        if depth == 0:
            return refused()
        return requests.ConnectionError(*(nested(depth - 1) for _ in range(2)))

    assert CLASSIFIER.facts(nested(3)).code == REFUSED
    assert CLASSIFIER.facts(nested(6)).code is None


def test_hostile_exceptions_below_are_passed_over() -> None:
    class Hostile(Exception):
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError

        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        __hash__ = None  # type: ignore[assignment]

    error = requests.ConnectionError(Hostile(), refused())
    assert CLASSIFIER.facts(error).code == REFUSED
