"""The HTTP receiver as a client of its own sees it."""

from __future__ import annotations

import gzip
import http.client

import pytest

from otel_errsample.testing.receiver import Receiver
from otel_errsample.testing.replies import Reply
from tests.otlp import request


def post(receiver: Receiver, path: str = "/v1/traces", **headers: str) -> tuple[int, dict[str, str], bytes]:
    client = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=10.0)
    body = request("a")
    if headers.get("content-encoding") == "gzip":
        body = gzip.compress(body)
    try:
        client.request("POST", path, body=body, headers=headers)
        reply = client.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read(1_000_000)
    finally:
        client.close()


def test_a_success_is_an_empty_protobuf_answer() -> None:
    with Receiver("http") as receiver:
        status, headers, body = post(receiver)
        assert (200, "application/x-protobuf", b"") == (status, headers["content-type"], body)
        assert receiver.wait_for(1)


def test_gzip_is_understood_and_noted() -> None:
    with Receiver("http") as receiver:
        assert 200 == post(receiver, **{"content-encoding": "gzip"})[0]
        seen = receiver.requests[0]
        assert ("gzip", len(request("a"))) == (seen.compression, seen.size)


def test_another_path_is_not_found() -> None:
    with Receiver("http") as receiver:
        assert 404 == post(receiver, "/v1/metrics")[0]
        assert [] == receiver.requests


def test_status_wait_and_headers_are_as_told() -> None:
    reply = Reply(503, retry_after="tomorrow", headers={"date": "today", "x-more": "1"})
    with Receiver("http", [reply]) as receiver:
        status, headers, _ = post(receiver)
    assert (503, "tomorrow", "today", "1") == (status, headers["retry-after"], headers["date"], headers["x-more"])


def test_a_reset_is_a_reset() -> None:
    with Receiver("http", [Reply(fault="reset", stored=True)]) as receiver:
        with pytest.raises(ConnectionResetError):
            post(receiver)
        assert receiver.wait_for(1)


def test_a_bomb_is_small_until_it_is_opened() -> None:
    with Receiver("http", [Reply(fault="bomb")]) as receiver:
        _, headers, body = post(receiver)
    assert ("gzip", 64 * 1024 * 1024) == (headers["content-encoding"], len(gzip.decompress(body)))
    assert len(body) < 100_000


def test_an_endless_body_is_longer_than_anyone_reads() -> None:
    with Receiver("http", [Reply(fault="endless")]) as receiver:
        assert 1_000_000 == len(post(receiver)[2])


def test_closing_ends_a_black_hole() -> None:
    with Receiver("http", [Reply(fault="black_hole")]) as receiver:
        client = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=10.0)
        client.request("POST", "/v1/traces", body=request("a"))
        assert receiver.wait_for_requests(1)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        client.getresponse()
    client.close()
