"""Values out of a fuzzer's bytes. Kept inputs mean what this says, so what is here stays as it is; more may follow."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_REPEATED = 0xF0
_MOST_TIMES = 12  # as a power of two


class Source:
    """Reads bytes from the front; what is not there any more is zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """The next bytes, fewer at the end."""
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def rest(self) -> bytes:
        return self.take(self.left)

    def below(self, bound: int) -> int:
        """A number of one byte."""
        return int.from_bytes(self.take(1), "little") % bound

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def whole(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size).ljust(size, b"\0"), "little", signed=signed)

    def real(self) -> float:
        (number,) = struct.unpack("<d", self.take(8).ljust(8, b"\0"))
        return float(number)

    def bytes(self) -> bytes:
        """As many as a byte says; from 0xF0 on, few of them over and over: up to 64 KiB."""
        size = self.below(256)
        if size < _REPEATED:
            return self.take(size)
        return self.take(16) * (1 << min(size - _REPEATED, _MOST_TIMES))

    def text(self) -> str:
        """Any text: what is no UTF-8 becomes lone surrogates, as in names of files."""
        return self.bytes().decode("utf-8", "surrogateescape")
