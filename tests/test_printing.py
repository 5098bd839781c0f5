"""An exception reads as `traceback` of this Python prints it, or is refused."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings

from otel_errsample import _hot, printing
from tests.raising import USUAL, Build, Group, Text, failures, load_forms, raised, thrown_by

has_groups = pytest.mark.skipif(printing.BASE_GROUP is None, reason="before 3.11 notes and groups are refused")


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_forms(tmp_path_factory.mktemp("forms"))


@pytest.fixture(scope="module")
def printer() -> Any:
    return _hot.Printer()


def stock(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def refused(printer: Any, error: BaseException) -> bool:
    """Whether it is refused; what is not reads as `traceback` prints it."""
    try:
        text = printer.text(error)
    except _hot.Unusual:
        return True
    assert stock(error) == text
    return False


class TestText:
    @given(build=failures())
    @settings(max_examples=300)
    def test_any_exception_reads_as_traceback_prints_it_or_is_refused(
        self, build: Build, modules: Sequence[Any], printer: Any
    ) -> None:
        refused(printer, build(modules))

    @has_groups
    @given(build=failures(USUAL))
    def test_what_is_usual_is_not_refused(self, build: Build, modules: Sequence[Any], printer: Any) -> None:
        assert not refused(printer, build(modules))

    @has_groups
    @pytest.mark.parametrize(("width", "depth"), [(15, 1), (16, 2), (40, 1), (1, 10), (2, 11), (1, 13)])
    def test_groups_are_cut_where_traceback_cuts_them(self, width: int, depth: int, printer: Any) -> None:
        error: Any = ValueError("leaf")
        for _ in range(depth):
            error = Group("group", [raised(KeyError(str(number))) for number in range(width - 1)] + [error])
        assert not refused(printer, raised(error))

    def test_a_chain_of_thousands(self, printer: Any) -> None:
        error = ValueError("0")
        for number in range(1, 5000):
            following = ValueError(str(number))
            following.__context__ = error
            error = following
        assert not refused(printer, error)

    @pytest.mark.parametrize("notes", ["text", ("a", "b"), [3], 5, [Text("note")], {"a": 1}, b"bytes"], ids=repr)
    def test_unusual_notes_are_refused(self, notes: object, printer: Any) -> None:
        error: Any = raised(ValueError("noted"))
        error.__notes__ = notes
        assert refused(printer, error)

    @pytest.mark.parametrize("module", [3, None, Text("text")], ids=repr)
    def test_a_class_without_a_usual_name_is_refused(self, module: Any, printer: Any) -> None:
        assert refused(printer, raised(type("Odd", (Exception,), {"__module__": module})("x")))

    @pytest.mark.parametrize("module", ["__main__", "", "shop.orders"])
    def test_the_module_is_named_as_traceback_names_it(self, module: str, printer: Any) -> None:
        assert not refused(printer, raised(type("Odd", (Exception,), {"__module__": module})("x")))


def failing(code: str) -> BaseException:
    try:
        exec(code, {"jsom": 1, "__builtins__": __builtins__})
    except (SyntaxError, NameError, AttributeError, ImportError) as error:
        return error
    raise AssertionError


class TestSuggestions:
    @pytest.mark.parametrize("code", ["x = = 1", "json", "import os; os.paht", "from os import paht", "jsn", "sys"])
    def test_they_are_asked_for_each_time(self, code: str, printer: Any) -> None:
        assert not refused(printer, failing(code))

    def test_those_of_a_chain_are_refused(self, printer: Any) -> None:
        error = raised(ValueError("outer"))
        error.__cause__ = failing("x = = 1")
        assert refused(printer, error)

    def test_a_chain_below_is_printed(self, printer: Any) -> None:
        error = failing("x = = 1")
        error.__cause__ = raised(ValueError("inner"))
        assert not refused(printer, error)


class TestOthers:
    """Where somebody else decides how exceptions read, nothing is printed here."""

    def test_a_limit_of_the_process(self, printer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "tracebacklimit", 1, raising=False)
        assert refused(printer, raised(ValueError("x")))

    def test_a_replaced_printer_and_its_return(self, printer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def shout(*args: Any, **kwargs: Any) -> Iterator[str]:
            yield "AH"

        error = raised(ValueError("x"))
        with monkeypatch.context() as patch:
            patch.setattr(traceback.TracebackException, "format", shout)
            assert refused(printer, error)
        assert not refused(printer, error)

    def test_a_wrapped_printer(self, printer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        import functools

        original: Callable[..., Any] = traceback.TracebackException.format_exception_only

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return original(*args, **kwargs)

        monkeypatch.setattr(traceback.TracebackException, "format_exception_only", wrapper)
        assert refused(printer, raised(ValueError("x")))

    def test_an_override_of_the_links_is_followed(self, modules: Any, printer: Any) -> None:
        class Linked(Exception):
            @property
            def __cause__(self) -> BaseException:  # type: ignore[override]
                return thrown_by(modules[0], [3], KeyError("linked"))

        error = raised(Linked("x"))
        assert "'linked'" in stock(error)
        assert not refused(printer, error)
