"""Objects that raise whatever is asked of them."""

from __future__ import annotations

from typing import Any


class Hostile:
    """Nothing can be known of it but its type."""

    raises: type[BaseException] = RuntimeError

    def __getattribute__(self, name: str) -> Any:
        raise type(self).raises(name)

    __str__ = __repr__ = __hash__ = __bool__ = __len__ = __iter__ = __int__ = __float__ = __getattribute__  # type: ignore  # of other signatures: they raise


class Shouting(Hostile):
    """With what no `except Exception` catches."""

    raises = SystemExit


class HostileError(Hostile, Exception):  # type: ignore[misc]  # as above
    """As an exception."""
