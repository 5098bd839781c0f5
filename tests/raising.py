"""Exceptions of every shape, raised through frames of every shape."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from otel_errsample import printing

# Every form reaches the next one in another kind of expression: what 3.11 and 3.13 draw under them differs.
FORMS = """
def throw(path, error):
    if not path:
        raise error
    return FORMS[path[0]](path[1:], error)

def again(path, error):
    return again(path[1:], error) if path and path[0] == 1 else throw(path, error)

def lines(path, error):
    return (
        1 +
        throw(
            path,
            error,
        ) + len([
            path,
        ])
    )

def operators(path, error):
    return 1 + throw(path, error) * 2

def subscripts(path, error):
    return {"first": [0, 1]}["first"][throw(path, error)]["second"]

def wide(path, error):
\treturn "日本語", "é", throw(path, error), "テスト" + ""

def comprehension(path, error):
    return [throw(path, error) for _ in range(1)]

def generator(path, error):
    return sum(throw(path, error) for _ in range(1))

def inner(path, error):
    class Inner:
        value = (lambda: throw(path, error))()
    return Inner

FORMS = [throw, again, lines, operators, subscripts, wide, comprehension, generator, inner]
"""
KINDS = 9

Build = Callable[[Sequence[Any]], BaseException]
"""Makes the exception with the functions of one of the modules."""


class Odd(Exception):
    def __str__(self) -> str:
        return f"odd {len(self.args)}"


class Quiet(BaseException):
    def __bool__(self) -> bool:
        return False


class Guess(AttributeError):
    pass


class Text(str):
    pass


class Subclassed(Exception):
    def __str__(self) -> str:
        return Text("subclassed")


# The backport patches `traceback`, as it does in applications on 3.10.
Group: Any = printing.BASE_GROUP or import_module("exceptiongroup").BaseExceptionGroup

USUAL: Sequence[Any] = (ValueError, KeyError, OSError, Odd, Quiet, RecursionError)
CLASSES = (*USUAL, *USUAL, Guess, Subclassed, ImportError, NameError)
texts = st.text(st.characters(), max_size=12) | st.sampled_from(["", "two\nlines", "a\r\nb\x0bc\u2028d\n"])
paths = st.lists(st.integers(0, KINDS - 1) | st.just(1), max_size=7) | st.integers(0, 9).map(lambda more: [1] * more)


@st.composite
def plain(draw: st.DrawFn, classes: Sequence[Any] = CLASSES) -> Build:
    cls, path = draw(st.sampled_from(classes)), draw(paths)
    args, notes = draw(st.lists(texts, max_size=2)), draw(st.none() | st.lists(texts, max_size=2))
    module, thrown = draw(st.integers(0, 2)), draw(st.booleans())

    def build(modules: Sequence[Any]) -> BaseException:
        error: Any = cls(*args)
        if notes is not None:
            error.__notes__ = notes
        return thrown_by(modules[module], path, error) if thrown else error

    return build


@st.composite
def linked(draw: st.DrawFn, inner: st.SearchStrategy[Build]) -> Build:
    outer, other, relation = draw(inner), draw(inner), draw(st.sampled_from(["cause", "context", "both", "suppressed"]))
    round_trip = draw(st.booleans())

    def build(modules: Sequence[Any]) -> BaseException:
        error, first = outer(modules), other(modules)
        if relation in ("cause", "both"):
            error.__cause__ = first
            error.__suppress_context__ = relation == "cause"
        if relation != "cause":
            error.__context__ = first
        if relation == "suppressed":
            error.__suppress_context__ = True
        if round_trip:
            first.__context__ = error
        return error

    return build


@st.composite
def grouped(draw: st.DrawFn, inner: st.SearchStrategy[Build]) -> Build:
    members, path, throws = draw(st.lists(inner, min_size=1, max_size=4)), draw(paths), draw(st.booleans())
    many = draw(st.sampled_from([1, 1, 8]))

    def build(modules: Sequence[Any]) -> BaseException:
        error: BaseException = Group("several\nfailed", [make(modules) for make in members * many])
        return thrown_by(modules[0], path, error) if throws else error

    return build


def failures(classes: Sequence[Any] = CLASSES) -> st.SearchStrategy[Build]:
    return st.recursive(plain(classes), lambda inner: linked(inner) | grouped(inner), max_leaves=6)


def thrown_by(module: Any, path: Sequence[int], error: BaseException) -> BaseException:
    try:
        module.throw(path, error)
    except BaseException as raised:
        return raised
    raise AssertionError


def load(source: str, filename: str) -> Any:
    names: dict[str, Any] = {"__name__": "forms"}
    exec(compile(source, filename, "exec"), names)
    return types.SimpleNamespace(**names)


def load_forms(folder: Path) -> Sequence[Any]:
    """The same code in two files, whose code objects compare equal, and without a file."""
    files = [folder / "one.py", folder / "other.py"]
    for file in files:
        file.write_text(FORMS, encoding="utf-8")
    return [*(load(FORMS, str(file)) for file in files), load(FORMS, "<forms>")]


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught
