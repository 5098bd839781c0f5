"""Which exception classes a class name in a rule means, without importing or running anything of theirs.

A name is looked up in what is already imported, through the dictionaries of `type` and `ModuleType` themselves, so that
no module `__getattr__`, lazy loader, metaclass or descriptor of the application runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, Final

_MAX_NAME: Final = 300
_MAX_PARTS: Final = 16

_type_fields: Final[Any] = type.__dict__
_module_fields: Final[Any] = ModuleType.__dict__


def mro(cls: type) -> tuple[type, ...]:
    classes: tuple[type, ...] = _type_fields["__mro__"].__get__(cls)
    return classes


def _has(classes: Iterable[type | None], wanted: type | None) -> bool:
    # `in` would compare, and classes compare as their metaclass likes.
    return any(cls is wanted for cls in classes)


def full_name(cls: type) -> str:
    """The name as the SDK writes exception.type: without "builtins."; empty where the class hides it."""
    module = _type_fields["__dict__"].__get__(cls).get("__module__")
    if module is None:
        module = _type_fields["__module__"].__get__(cls)
    qualname = _type_fields["__qualname__"].__get__(cls)
    if type(module) is not str or type(qualname) is not str:
        return ""
    return qualname if module == "builtins" else f"{module}.{qualname}"


def resolve(name: str) -> type | None:
    """The exception class of that name among the modules already imported, or None."""
    parts = name.split(".") if len(name) <= _MAX_NAME else []
    if not 0 < len(parts) <= _MAX_PARTS or not all(part.isidentifier() for part in parts):
        return None
    if len(parts) == 1:
        parts = ["builtins", *parts]
    for length in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:length]))
        if module is not None and _has(mro(type(module)), ModuleType):
            return _nested(_module_fields["__dict__"].__get__(module), parts[length:])
    return None


def _nested(names: Any, parts: list[str]) -> type | None:
    found: Any = None
    for part in parts:
        found = names.get(part)
        if not _has(mro(type(found)), type):
            return None
        names = _type_fields["__dict__"].__get__(found)
    cls: type = found
    return cls if _has(mro(cls), BaseException) else None


def offered_names(names: Iterable[str]) -> Iterator[str]:
    """The shorter names under which packages offer these classes to whoever asks for them (PEP 562).

    stripe.CardError is defined in stripe._error, and stands in the dictionary of stripe for none who did not ask.
    """
    for name in names:
        package, _, last = name.rpartition(".")
        if package not in sys.modules:
            continue
        while package := package.rpartition(".")[0]:
            module = sys.modules.get(package)
            if module is not None and _has(mro(type(module)), ModuleType):
                fields = _module_fields["__dict__"].__get__(module)
                if "__getattr__" in fields and last not in fields:
                    yield f"{package}.{last}"


class Targets:
    """The class names of all `is` tests of a table, and which of them a given exception passes."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._classes: list[type | None] = [None] * len(self._names)
        self._imported = -1

    def row(self, cls: type | None, name: str | None) -> tuple[bytes, bool]:
        """One byte per target, 1 where it is a base of the class, and whether that is final.

        `name` alone stands for a class where only the text of an event is known. It is not final as long as a name is
        unresolved: a later import may bring the class, or another path to it (django.http.Http404 is defined in
        django.http.response).
        """
        if self._imported != len(sys.modules):
            self._imported = len(sys.modules)
            pairs = zip(self._classes, self._names, strict=True)
            self._classes = [resolve(target) if known is None else known for known, target in pairs]
        if cls is None and name is not None:
            cls = resolve(name)
        bases = mro(cls) if cls is not None else ()
        names = {full_name(base) for base in bases} | {name or ""}
        names.update([*offered_names(names)])
        same = {id(base) for base in bases}
        row = bytes(
            target in names or id(known) in same for target, known in zip(self._names, self._classes, strict=True)
        )
        return row, cls is not None and not _has(self._classes, None)
