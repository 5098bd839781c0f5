"""A store counts what arrived, with and without parsing it."""

from __future__ import annotations

import threading

import pytest
from google.protobuf.message import DecodeError

from otel_errsample.testing.store import Request, Store, unpack
from tests.otlp import request


def test_spans_are_counted_by_name_status_and_id() -> None:
    store = Store()
    store.arrived(Request(100, 50, {}, "gzip"))
    store.stored(request("a", "b"))
    store.stored(request("a", "c"))
    assert {
        "requests": 1,
        "bytes": 100,
        "spans": 4,
        "distinct_span_ids": 2,
        "by_name": {"a": 2, "b": 1, "c": 1},
        "by_status": {"STATUS_CODE_ERROR": 4},
    } == store.summary()


def test_a_sink_counts_and_keeps_nothing() -> None:
    store = Store(keep=False)
    store.arrived(Request(100, 100, {}, "none"))
    store.stored(request("a", "b", filler=1000))
    assert {"requests": 1, "bytes": 100} == store.summary()
    assert ([], []) == (store.requests, store.spans())


def test_waiting_ends_when_enough_has_come_or_in_vain() -> None:
    store = Store()
    assert not store.wait_for(1, timeout=0.01)
    assert not store.wait_for_requests(1, timeout=0.01)

    def receive() -> None:
        store.arrived(Request(1, 1, {}, "none"))
        store.stored(request("a"))

    thread = threading.Thread(target=receive)
    thread.start()
    assert store.wait_for(1, timeout=10.0)
    assert store.wait_for_requests(1, timeout=10.0)
    thread.join()


def test_what_is_no_request_is_an_error() -> None:
    with pytest.raises(DecodeError):
        list(unpack(b"\xff\xff"))
