"""Reading what the arguments name; "-" is the standard input."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast


class Unreadable(Exception):
    """Input that cannot be used; the text says which and why, with the position where there is one."""


def name_of(path: str) -> str:
    return "<stdin>" if path == "-" else path


@contextmanager
def opened(path: str) -> Iterator[io.BufferedReader]:
    """The file as bytes. Raises Unreadable, also for what goes wrong while it is read."""
    try:
        if path == "-":
            yield cast("io.BufferedReader", sys.stdin.buffer)
        else:
            with Path(path).open("rb") as stream:
                yield stream
    except BrokenPipeError:
        raise  # what is written to, not what is read
    except OSError as error:
        raise Unreadable(f"{name_of(path)}: {error.strerror or type(error).__name__}") from None


def read_text(path: str, most: int) -> str:
    """A whole UTF-8 file of at most `most` bytes. Raises Unreadable."""
    with opened(path) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise Unreadable(f"{name_of(path)}: is expected to have at most {most} bytes")
    return decoded(data, name_of(path))


def decoded(data: bytes, name: str, first_line: int = 1) -> str:
    """UTF-8, without a byte order mark. Raises Unreadable with the position of the first byte that is not."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        lines = error.object[: error.start].decode("utf-8").split("\n")  # without the byte order mark
        place = f"{name}:{first_line + len(lines) - 1}:{len(lines[-1]) + 1}"
        raise Unreadable(f"{place}: is expected to be UTF-8, got the byte 0x{error.object[error.start]:02x}") from None
