"""Two services over HTTP, each keeping its own part: what a backend can put together around every failing request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import ProxyHandler, build_opener

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags

from otel_errsample.testing.receiver import Receiver
from tests.instrumentations.test_instrumentations import require

ROOT = Path(__file__).parent.parent.parent
REQUESTS = 500
FAILING = frozenset(range(0, REQUESTS, 100))
ENDS_IN = 90.0

HEADS = ("0.01", "parentbased_traceidratio:0.01")

EDGE_PATH = ["GET /checkout/<int:number>", "place order", "GET"]
ORDERS_PATH = ["GET /orders/<int:number>", "reserve", "INSERT"]


@contextmanager
def service(name: str, receiver: Receiver, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environ |= receiver.environ
    environ |= {"PYTHONPATH": str(ROOT), "NO_PROXY": "*", "OTEL_SERVICE_NAME": name}
    environ |= {"OTEL_ERRSAMPLE_RULES": "errors: keep if error\nrest: head"}
    program = Path(__file__).parent / "services" / f"{name}.py"
    command = [sys.executable, str(program), *arguments]
    with subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}", process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=ENDS_IN)
    told: dict[str, Any] = json.loads(out)
    return told


class Played(NamedTuple):
    spans: dict[str, dict[bytes, list[Span]]]
    """By service and trace."""
    books: dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=HEADS)
def played(request: pytest.FixtureRequest) -> Played:
    require("flask", "requests", "opentelemetry.instrumentation.flask", "opentelemetry.instrumentation.requests")
    head: str = request.param
    opener = build_opener(ProxyHandler({}))
    with (
        Receiver("grpc") as receiver,
        service("orders", receiver, head) as (orders_url, orders),
        service("edge", receiver, head, orders_url) as (edge_url, edge),
    ):

        def call(number: int) -> str:
            with opener.open(f"{edge_url}/checkout/{number}", timeout=60) as answer:
                body: bytes = answer.read()
                return body.decode()

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(call, range(REQUESTS)))
        assert len(FAILING) == answers.count("we will come back to you")
        books = {"edge": ended(edge), "orders": ended(orders)}
        spans: dict[str, dict[bytes, list[Span]]] = {"edge": defaultdict(list), "orders": defaultdict(list)}
        for received in receiver.spans():
            (name,) = (item.value.string_value for item in received.resource.attributes if item.key == "service.name")
            spans[name][received.span.trace_id].append(received.span)
    return Played(spans, books)


def number_of(span: Span) -> int | None:
    return next((item.value.int_value for item in span.attributes if item.key == "app.order"), None)


def has_local_parent(span: Span) -> bool:
    known = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
    assert span.flags & known == known
    return bool(span.parent_span_id) and not span.flags & SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK


def chain_to(span: Span, spans: list[Span]) -> list[Span]:
    """From the local root to the span, as a backend finds them."""
    chain = [span]
    while has_local_parent(chain[0]):
        (parent,) = (one for one in spans if one.span_id == chain[0].parent_span_id)
        chain.insert(0, parent)
    return chain


def failing_traces(played: Played) -> dict[int, bytes]:
    return {
        number: trace
        for trace, spans in played.spans["orders"].items()
        for span in spans
        if (number := number_of(span)) in FAILING
    }


def test_every_failing_request_leaves_its_path_in_both_services(played: Played) -> None:
    failing = failing_traces(played)
    assert FAILING == set(failing)
    assert len(FAILING) == len(set(failing.values()))
    for trace in failing.values():
        behind, front = played.spans["orders"][trace], played.spans["edge"][trace]
        insert = next(span for span in behind if span.name == "INSERT")
        call = next(span for span in front if span.name == "GET")
        inner, outer = chain_to(insert, behind), chain_to(call, front)
        assert (ORDERS_PATH, EDGE_PATH) == ([span.name for span in inner], [span.name for span in outer])
        assert inner[0].parent_span_id == call.span_id, "joined by the call"


def test_no_span_is_an_orphan_within_its_service(played: Played) -> None:
    for traces in played.spans.values():
        for spans in traces.values():
            ids = {span.span_id for span in spans}
            assert not [span.name for span in spans if has_local_parent(span) and span.parent_span_id not in ids]


def test_nothing_else_is_exported_but_the_head_samplers_one_per_cent(played: Played) -> None:
    failing = set(failing_traces(played).values())
    for service, path in (("edge", EDGE_PATH), ("orders", ORDERS_PATH)):
        healthy = [spans for trace, spans in played.spans[service].items() if trace not in failing]
        assert len(healthy) < 30, "five, give or take"
        assert all(len(spans) == len(path) + 1 for spans in healthy), "and those whole"


def test_the_books_know_every_span(played: Played) -> None:
    for service, each, errors in (("edge", 4, 1), ("orders", 4, 3)):
        assert played.books[service] == {
            "delivered": True,
            "balanced": True,
            "ended": each * REQUESTS,
            "errors": errors * len(FAILING),
        }
