"""What rules look at: each operand reads its own place of the span, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from otel_errsample import _hot
from otel_errsample.rules import Rules
from tests.model.spans import STARTED, make_span


def holds(condition: str, span: Any, facts: Any = None, sampled: bool = True) -> bool:
    table = _hot.RuleTable(Rules.parse(f"keep if {condition}"), _hot.Limits())
    return bool(_hot.verdict(table, span, facts, sampled)[0] == "keep")


@pytest.fixture(autouse=True, params=[True, False], ids=["private fields", "public properties"])
def layout(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if not request.param:
            # A layout the extension does not know makes it read through the public properties.
            patch.setattr("opentelemetry.sdk.trace.Event", None)
        assert _hot.probe() is request.param
        yield
    assert _hot.probe()


@pytest.mark.parametrize(
    ("condition", "span"),
    [
        ('name == "GET /x"', {"name": "GET /x"}),
        ("duration == 0.25", {}),
        ("duration > 2 and duration < 3", {"seconds": 2.5}),
        ("duration == 0", {"seconds": 0}),
        ("duration < 0", {"seconds": -1}),
        ("root", {}),
        ("not root", {"root": False}),
        ('span.kind == "internal"', {}),
        ('span.kind == "consumer"', {"kind": SpanKind.CONSUMER}),
        ('http.route == "/a"', {"attributes": {"http.route": "/a"}}),
        ("http.status_code == 503", {"attributes": {"http.response.status_code": 503}}),
        ("http.response.status_code == 503", {"attributes": {"http.status_code": 503}}),
        ('db.system == "x"', {"attributes": {"db.system.name": "y", "db.system": "x"}}),
        ('attributes["a b"] exists', {"attributes": {"a b": ("x",)}}),
        ('resource["service.name"] == "shop"', {"resource": {"service.name": "shop"}}),
        ('endpoint == "/a"', {"attributes": {"http.route": "/a", "rpc.method": "m"}}),
        ('endpoint == "s/m"', {"attributes": {"rpc.service": "s", "rpc.method": "m"}}),
        ('endpoint == "s/m"', {"attributes": {"rpc.method": "s/m"}}),
        ('endpoint == "work"', {"attributes": {"http.route": 5, "rpc.service": "s"}}),
        ('endpoint == "work"', {}),
    ],
)
def test_reads_the_span(condition: str, span: dict[str, Any]) -> None:
    assert holds(condition, make_span(**span))


@pytest.mark.parametrize(
    ("condition", "span"),
    [
        ("duration exists", {"seconds": None}),
        ("name exists", {"name": None}),
        ("span.kind exists", {"kind": "server"}),
        ("http.route exists", {}),
        ("http.route exists", {"attributes": {"http.route": None}}),
        ('resource["service.name"] exists', {}),
    ],
)
def test_what_is_not_there_is_missing(condition: str, span: dict[str, Any]) -> None:
    assert not holds(condition, make_span(**span))


@pytest.mark.parametrize(("start", "end"), [(1.5, STARTED), (-5, STARTED), (STARTED, 2**63), (True, STARTED)])
def test_times_that_are_not_nanoseconds_make_no_duration(start: Any, end: Any) -> None:
    span = make_span()
    span._start_time, span._end_time = start, end
    assert not holds("duration exists", span)


FACTS: dict[str, Any] = {
    "kind": "timeout",
    "fault": "dependency",
    "severity": "warn",
    "recovery": "backoff",
    "exception": "a.Timeout",
    "cause": "b.Reset",
    "code": "http:504",
    "domain": "billing",
    "message": "too slow",
    "fingerprint": "1-00000000000000aa",
}


@pytest.mark.parametrize("fact", FACTS)
def test_reads_the_facts_of_a_failure(fact: str) -> None:
    condition = f'{fact} == "{FACTS[fact]}"'
    assert holds(condition, make_span(), _hot.make_facts(**FACTS))
    assert not holds(condition, make_span())
    assert not holds(f"{fact} exists", make_span())


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "server.address": "pay.example.com",
            "net.peer.name": "db",
            "url.full": "http://db/",
            "net.peer.ip": "10.0.0.1",
        },
        {"net.peer.name": "pay.example.com", "http.url": "http://db/"},
        {"url.full": "https://me:secret@pay.example.com:443/?to=http://db/"},
        {"http.url": "http://pay.example.com", "net.sock.peer.addr": "10.0.0.1"},
        {"server.address": 5, "network.peer.address": "2606:4700::1"},
        {"net.peer.ip": "8.8.8.8", "net.sock.peer.addr": "10.0.0.1"},
        {"net.sock.peer.addr": "8.8.8.8"},
    ],
)
def test_a_third_party_is_told_by_the_first_of_the_names_for_a_peer(attributes: dict[str, Any]) -> None:
    facts = _hot.make_facts(fault="dependency")
    called = make_span(attributes=attributes, kind=SpanKind.CLIENT)
    assert holds("kind in third_party", called, facts)
    assert not holds("kind not in third_party", called, facts)
    assert not holds("kind in third_party", called, _hot.make_facts(fault="self"))
    assert not holds("kind in third_party", called)
    assert not holds("kind in third_party", make_span(attributes=attributes, kind=SpanKind.SERVER), facts)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"server.address": "db", "url.full": "https://pay.example.com/"},
        {"server.address": "10.0.0.1"},
        {"http.url": "/relative"},
        {"server.address": b"pay.example.com"},
        {"server.address": ("pay.example.com",)},
        {"peer.service": "pay.example.com"},
    ],
)
def test_without_an_address_outside_it_is_none(attributes: dict[str, Any]) -> None:
    called = make_span(attributes=attributes, kind=SpanKind.CLIENT)
    assert not holds("kind in third_party", called, _hot.make_facts(fault="dependency"))
    assert holds("kind not in third_party", called, _hot.make_facts(fault="dependency"))


@pytest.mark.parametrize("fact", ["exception", "cause", "code", "domain", "message", "fingerprint"])
def test_a_fact_nobody_knows_is_missing(fact: str) -> None:
    assert not holds(f"{fact} exists", make_span(), _hot.make_facts())


def test_a_downgraded_failure_is_no_error_but_keeps_its_facts() -> None:
    facts = _hot.make_facts(error=False, kind="cancelled", exception="asyncio.exceptions.CancelledError")
    assert not holds("error", make_span(), facts)
    assert holds('not error and kind == "cancelled" and exception exists', make_span(), facts)


@pytest.mark.parametrize("sampled", [True, False])
def test_sampled_is_what_the_head_sampler_said(sampled: bool) -> None:
    assert sampled == holds("sampled", make_span(), None, sampled)


def test_values_beyond_the_remembered_ones_are_read_all_the_same() -> None:
    attributes = {f"a.{number}": number for number in range(100)}
    condition = " and ".join(f"a.{number} == {number}" for number in range(100))
    assert holds(condition, make_span(attributes=attributes))
    assert not holds(condition, make_span(attributes=attributes | {"a.0": 1}))
    assert not holds(condition, make_span(attributes=attributes | {"a.99": 1}))


def test_facts_for_tests_refuse_names_that_are_not_on_their_axis() -> None:
    with pytest.raises(ValueError):
        _hot.make_facts(kind="nonsense")
