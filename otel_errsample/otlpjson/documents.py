"""The JSON values in a text, within bounds: hostile text costs linear time and ends in an error with its position."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, NoReturn

from otel_errsample.otlpjson.fields import OtlpJsonError

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_LONGEST_INTEGER: Final = 20  # digits of 64 bits, with a sign


class JsonError(OtlpJsonError):
    """Text that is no JSON; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def documents(text: str) -> Iterator[tuple[int, object]]:
    """Each JSON value and the line it begins on: one value a line, or laid out over many. Raises JsonError."""
    at = _after_space(text, 0)
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        try:
            value, end = _decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            message = error.msg.removesuffix(" at").removesuffix(" starting")
            raise JsonError(f"{message[:1].lower()}{message[1:]}", error.lineno, error.colno) from None
        except RecursionError:
            raise JsonError("brackets are nested too deeply", line, at - text.rfind("\n", 0, at)) from None
        except _Constant as error:
            raise JsonError(f"{error} is no JSON, it is written as text", line, at - text.rfind("\n", 0, at)) from None
        yield line, value
        at = _after_space(text, end)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None  # it matches the empty text too
    return match.end()


class _Constant(Exception):
    """NaN or an infinity, which JSON does not have."""


def _refuse(name: str) -> NoReturn:
    raise _Constant(name)


def _integer(digits: str) -> int | float:
    # int() is quadratic in the number of digits, float() is not.
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


_decoder: Final = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse)
