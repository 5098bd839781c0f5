"""The memory of spans that are gone is there for those that come, within bounds."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_errsample._hot import Buffer, Ledger, Limits, group_of, take

FIRST = 3
GROUP = group_of(Resource({"service.name": "s"}), InstrumentationScope("t"))
# A span of 100 bytes behind a header of 56, in steps of 16 from 8 on.
BLOCK = 160


def a_buffer(capacity: int = 1 << 20) -> Buffer:
    return Buffer(Ledger(), Limits(), capacity, 0, 512, 1 << 20)


def offer(buffer: Buffer, count: int, size: int = 100) -> None:
    assert [None] * count == [buffer.offer(b"\x12" * size, FIRST, GROUP) for _ in range(count)]


def deliver(buffer: Buffer) -> None:
    while batch := take(buffer, 512, 1 << 30, buffer.newest, False):
        batch.end(0, len(batch), "delivered")


def test_a_span_takes_the_block_of_one_that_is_gone() -> None:
    buffer = a_buffer()
    offer(buffer, 10)
    assert 0 == buffer.kept_bytes
    deliver(buffer)
    assert 10 * BLOCK == buffer.kept_bytes
    offer(buffer, 4)
    assert 6 * BLOCK == buffer.kept_bytes
    offer(buffer, 1, size=500)
    assert 6 * BLOCK == buffer.kept_bytes, "each size has its own"
    deliver(buffer)
    assert 10 * BLOCK < buffer.kept_bytes


@pytest.mark.parametrize(("size", "kept"), [(96, 144), (97, 160), (112, 160), (113, 176)])
def test_blocks_have_the_sizes_of_malloc(size: int, kept: int) -> None:
    """24 bytes and every 16 more: 56 of header and 97 take 168, and so do 112."""
    buffer = a_buffer()
    offer(buffer, 1, size=size)
    deliver(buffer)
    assert kept == buffer.kept_bytes


def test_a_quarter_of_the_budget_is_kept_and_four_mebibytes_at_most() -> None:
    small, large = a_buffer(100_000), a_buffer(64 << 20)
    for buffer, size in ((small, 100), (large, 8000)):
        while not buffer.full and buffer.used < 30_000_000 and buffer.used + 10_000 < buffer.capacity:
            offer(buffer, 1, size)
        deliver(buffer)
    assert 25_000 - BLOCK < small.kept_bytes <= 25_000
    assert 0 < large.kept_bytes <= 4 << 20


def test_large_blocks_are_left_to_malloc() -> None:
    buffer = a_buffer()
    offer(buffer, 1, size=9000)
    deliver(buffer)
    assert 0 == buffer.kept_bytes


def test_the_budget_is_for_spans_first() -> None:
    buffer = a_buffer(10_000)
    offer(buffer, 10)
    deliver(buffer)
    assert 10 * BLOCK == buffer.kept_bytes
    offer(buffer, 10, size=880)
    assert buffer.used > 10_000 - 10 * BLOCK
    assert 0 == buffer.kept_bytes


def test_a_buffer_that_is_closed_keeps_nothing() -> None:
    buffer = a_buffer()
    offer(buffer, 10)
    deliver(buffer)
    offer(buffer, 1)
    buffer.close()
    assert 0 == buffer.kept_bytes
    deliver(buffer)
    assert 0 == buffer.kept_bytes


def test_what_a_users_exporter_receives_takes_a_header_alone() -> None:
    buffer = a_buffer()
    assert buffer.offer(b"\x12" * 100, FIRST, GROUP, object()) is None
    deliver(buffer)
    assert 48 == buffer.kept_bytes
