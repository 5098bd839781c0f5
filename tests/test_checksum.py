"""The checksum is CRC32C, by the processor's instruction and without it."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from otel_errsample._hot import crc32c


def test_the_known_answers() -> None:
    """RFC 3720, B.4, and the check value of the catalogues."""
    assert 0xE3069283 == crc32c(b"123456789")
    assert 0x8A9136AA == crc32c(bytes(32))
    assert 0x62A8AB43 == crc32c(b"\xff" * 32)
    assert 0x46DD794E == crc32c(bytes(range(32)))


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_both_ways_agree(data: bytes, seed: int) -> None:
    assert crc32c(data, seed) == crc32c(data, seed, portable=True)


@given(st.binary(max_size=100), st.integers(0, 100))
def test_a_checksum_goes_on_where_another_ended(data: bytes, cut: int) -> None:
    assert crc32c(data) == crc32c(data[cut:], crc32c(data[:cut]))
