"""Attributes: the values of AnyValue as Python's, in the containers of the SDK."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes

from otel_errsample.otlpjson.fields import Fields, OtlpJsonError, each, integer, part, text, whole, wrong

# One more than the encoder keeps; protobuf's own parsers stop at 100 messages.
MAX_DEPTH: Final = 32
_DOUBLES: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_URL_SAFE: Final = str.maketrans("-_", "+/")


def bounded(owner: Fields) -> BoundedAttributes:
    """The attributes of a span, an event or a link, with the number of those that were dropped."""
    container = BoundedAttributes()
    # Past the SDK's checks, which differ between its releases: what was recorded is what counts.
    container._dict.update(attributes(owner))
    container.dropped = whole(owner, "droppedAttributesCount", 32)
    return container


def attributes(owner: Fields) -> dict[str, Any]:
    return dict(each(owner, "attributes", lambda item: _pair(item, 0)))


def _pair(owner: Fields, depth: int) -> tuple[str, Any]:
    return text(owner, "key"), part(owner, "value", lambda value: _value(value, depth))


def _value(owner: Fields, depth: int) -> Any:
    """What an AnyValue holds; None where it is empty, or of a kind that did not exist when this was written."""
    if depth > MAX_DEPTH:
        raise OtlpJsonError(f"is expected to be nested at most {MAX_DEPTH} deep")
    for name, given in owner.items():
        if given is None:
            continue
        if name in _SCALARS:
            return _SCALARS[name](owner, name)
        if name == "arrayValue":
            return part(owner, name, lambda array: tuple(each(array, "values", lambda item: _value(item, depth + 1))))
        if name == "kvlistValue":
            return part(owner, name, lambda pairs: dict(each(pairs, "values", lambda item: _pair(item, depth + 1))))
    return None


def _bool(owner: Fields, name: str) -> bool:
    given = owner[name]
    if not isinstance(given, bool):
        raise wrong(owner, name, "true or false")
    return given


def _double(owner: Fields, name: str) -> float:
    given = owner[name]
    if isinstance(given, str):
        given = _DOUBLES.get(given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise wrong(owner, name, "a number")
    return float(given)


def _bytes(owner: Fields, name: str) -> bytes:
    encoded = text(owner, name).translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise wrong(owner, name, "base64") from None


_SCALARS: Final[dict[str, Callable[[Fields, str], Any]]] = {
    "stringValue": text,
    "boolValue": _bool,
    "intValue": lambda owner, name: integer(owner, name, -1 << 63, 1 << 63),
    "doubleValue": _double,
    "bytesValue": _bytes,
}
