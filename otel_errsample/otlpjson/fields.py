"""The fields of a JSON object, checked: what is missing has protobuf's default, what is of another type is an error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

Fields = dict[str, Any]

_DECIMAL: Final = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-fA-F]+")


class OtlpJsonError(ValueError):
    """What is wrong with a document; `path` says where, as in "resourceSpans[0].scopeSpans[2].spans[1].kind"."""

    def __init__(self, message: str, path: str = "") -> None:
        self.message = message
        self.path = path
        super().__init__(f"{path} {message}" if path else message)

    def within(self, owner: str) -> OtlpJsonError:
        """The same, seen from outside of `owner`."""
        return OtlpJsonError(self.message, f"{owner}.{self.path}" if self.path else owner)


def fields_of(data: object) -> Fields:
    if not isinstance(data, dict):
        raise OtlpJsonError(f"is expected to be an object, got {_shown(data)}")
    return data


def part(owner: Fields, name: str, read: Callable[[Fields], T]) -> T:
    """What `read` makes of an object; of an empty one where it is missing."""
    given = owner.get(name)
    try:
        return read({} if given is None else fields_of(given))
    except OtlpJsonError as error:
        raise error.within(name) from None


def each(owner: Fields, name: str, read: Callable[[Fields], T]) -> list[T]:
    """What `read` makes of each object of a list."""
    items = owner.get(name)
    if items is None:
        return []
    if not isinstance(items, list):
        raise wrong(owner, name, "a list")
    made = []
    for index, item in enumerate(items):
        try:
            made.append(read(fields_of(item)))
        except OtlpJsonError as error:
            raise error.within(f"{name}[{index}]") from None
    return made


def text(owner: Fields, name: str) -> str:
    given = owner.get(name)
    if given is None:
        return ""
    if not isinstance(given, str):
        raise wrong(owner, name, "text")
    return given


def hex_id(owner: Fields, name: str, digits: int) -> int:
    given = owner.get(name)
    if not isinstance(given, str) or len(given) != digits or not _HEX.fullmatch(given):
        raise wrong(owner, name, f"{digits} hexadecimal digits")
    return int(given, 16)


def whole(owner: Fields, name: str, bits: int) -> int:
    """An unsigned number of so many bits, 0 where it is missing."""
    given = owner.get(name)
    return 0 if given is None else integer(owner, name, 0, 1 << bits)


def integer(owner: Fields, name: str, low: int, end: int) -> int:
    given = owner[name]
    if isinstance(given, str) and _DECIMAL.fullmatch(given):
        given = int(given)
    elif isinstance(given, float) and given.is_integer():
        given = int(given)  # 1e9 is a way to write it
    if isinstance(given, bool) or not isinstance(given, int) or not low <= given < end:
        raise wrong(owner, name, f"a whole number from {low} to {end - 1}")
    return given


def enum(owner: Fields, name: str, members: dict[str, T], default: T) -> T:
    """By name or number; a number that did not exist when this was written is the default, as in protobuf."""
    given = owner.get(name)
    if given is None:
        return default
    if isinstance(given, str):
        if given not in members:
            raise wrong(owner, name, f"one of {', '.join(members)}")
        return members[given]
    number = whole(owner, name, 31)
    return list(members.values())[number] if number < len(members) else default


def wrong(owner: Fields, name: str, expected: str) -> OtlpJsonError:
    return OtlpJsonError(f"is expected to be {expected}, got {_shown(owner.get(name))}", name)


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 40 else value[:37] + "...")
    return "nothing" if value is None else json.dumps(value)
