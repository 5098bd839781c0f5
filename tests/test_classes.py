"""A class is known by its nearest row; a name is resolved to a loaded class without running anyone's code."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from otel_errsample import _hot, taxonomy


class Slow(TimeoutError):
    class Nested(KeyError):
        pass


class Both(ConnectionResetError, KeyError):
    """The first base goes first."""


class Leaving(ValueError, SystemExit):
    """Exit goes before whatever else the class is."""


def kind_of(name: str, table: Any = None) -> str:
    return str(_hot.Classifier(table).facts(event={"exception.type": name}).kind)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tests.test_classes.Slow", "timeout"),
        ("tests.test_classes.Slow.Nested", "bug"),
        ("tests.test_classes.Both", "connection"),
        ("tests.test_classes.Leaving", "fatal"),
        ("UnboundLocalError", "bug"),
        ("http.client.ImproperConnectionState", "unknown"),
        ("http.client.BadStatusLine", "connection"),
        ("http.client.RemoteDisconnected", "connection"),
        ("NotADirectoryError", "config"),
        ("StopAsyncIteration", "bug"),
        ("asyncio.exceptions.InvalidStateError", "bug"),
        ("tarfile.ReadError", "data"),
        ("psycopg.InterfaceError", "bug"),
        ("botocore.exceptions.NoRegionError", "config"),
    ],
)
def test_the_nearest_row_in_the_order_of_resolution_counts(name: str, kind: str) -> None:
    assert kind == kind_of(name)


@pytest.mark.parametrize(
    "name",
    [
        "os.system", "print", "__import__('os').system", "java.lang.IllegalStateException", "tests.test_classes.Slow.gone",
        "tests.test_classes.kind_of.x", "a" * 400, ".".join("ab" * 20), "", ".", "..", "tests.", "no.such.module.Error",
    ],
)  # fmt: skip
def test_a_name_that_is_no_loaded_exception_stays_a_name(name: str) -> None:
    assert "unknown" == kind_of(name)


def test_a_module_that_loads_lazily_is_not_asked() -> None:
    class Lazy(types.ModuleType):
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

    sys.modules["errsample_lazy"] = Lazy("errsample_lazy")
    sys.modules["errsample_strange"] = object()  # type: ignore[assignment]
    try:
        assert "unknown" == kind_of("errsample_lazy.Error")
        assert "unknown" == kind_of("errsample_strange.Error")
    finally:
        del sys.modules["errsample_lazy"], sys.modules["errsample_strange"]


def test_a_name_is_tried_again_once_another_module_is_loaded() -> None:
    classifier = _hot.Classifier()
    recorded = {"exception.type": "errsample_later.Error"}
    assert "unknown" == classifier.facts(event=recorded).kind
    module = types.ModuleType("errsample_later")
    module.Error = type("Error", (TimeoutError,), {"__module__": "errsample_later"})  # type: ignore[attr-defined]
    sys.modules["errsample_later"] = module
    try:
        assert "timeout" == classifier.facts(event=recorded).kind
    finally:
        del sys.modules["errsample_later"]


def test_rows_are_looked_up_by_the_table_given() -> None:
    table = {"tests.test_classes.Slow": taxonomy.Row("business", "none", "warn")}
    assert "business" == kind_of("tests.test_classes.Slow", table)
    assert "unknown" == kind_of("ValueError", table)


def test_a_class_without_module_goes_by_its_bare_name() -> None:
    bare = type("Bare", (ValueError,), {})
    bare.__module__ = None  # type: ignore[assignment]
    facts = _hot.Classifier().facts(bare("x"))
    assert ("Bare", "bug") == (facts.exception, facts.kind)


def test_two_classes_of_one_name_are_told_apart() -> None:
    classifier = _hot.Classifier()
    kinds = [classifier.facts(type("Same", (base,), {})("x")).kind for base in (KeyError, TimeoutError)]
    assert ["bug", "timeout"] == kinds


def test_thousands_of_classes_are_classified_in_bounded_memory() -> None:
    classifier = _hot.Classifier()
    for number in range(5000):
        base = TimeoutError if number % 2 else KeyError
        facts = classifier.facts(type(f"Made{number}", (base,), {})("x"))
        assert ("timeout" if number % 2 else "bug") == facts.kind


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        ("UniqueViolation: duplicate", "unknown"),
        ("ReadTimeout: slow", "timeout"),
        ("DeadlockDetected: deadlock", "conflict"),
        ("OperationalError: which one", "unknown"),
        ("ReadError: of an archive or of a connection", "unknown"),
        ("TimeoutError: the builtin", "timeout"),
        ("StatusCode.ABORTED:again", "conflict"),
        ("nothing to see", "unknown"),
    ],
)
def test_a_short_name_counts_where_it_means_one_thing(description: str, kind: str) -> None:
    from tests.failing import make_span

    facts = _hot.Classifier().classify_span(make_span(status="ERROR", description=description))
    assert facts is not None
    assert kind == facts.kind
