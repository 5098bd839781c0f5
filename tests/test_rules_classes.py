"""Class names: resolved among what is imported, without running anything of the application."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import pytest

from otel_errsample import _hot
from otel_errsample.rules.classes import Targets, full_name, resolve
from otel_errsample.taxonomy import UserRow


class Shop:
    class PaymentError(RuntimeError):
        pass

    class NotAnError:
        pass


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise AssertionError("user code ran")

    def __instancecheck__(cls, instance: object) -> bool:
        raise AssertionError("user code ran")

    __subclasscheck__ = __instancecheck__

    def __bool__(cls) -> bool:
        raise AssertionError("user code ran")

    def __hash__(cls) -> int:
        raise AssertionError("user code ran")

    def __eq__(cls, other: object) -> bool:
        raise AssertionError("user code ran")


class Hostile(ValueError, metaclass=Meta):
    pass


class Lazy(ModuleType):
    def __getattribute__(self, name: str) -> Any:
        raise AssertionError("user code ran")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ValueError", ValueError),
        ("builtins.ValueError", ValueError),
        ("json.JSONDecodeError", json.JSONDecodeError),
        ("json.decoder.JSONDecodeError", json.JSONDecodeError),
        (f"{__name__}.Shop.PaymentError", Shop.PaymentError),
        (f"{__name__}.Shop.NotAnError", None),
        (f"{__name__}.Shop.Missing", None),
        (f"{__name__}.json", None),
        ("os.system", None),
        ("not.imported.Error", None),
        ("", None),
        (".", None),
        ("__import__('os')", None),
        ("a." * 16 + "B", None),
        ("a" * 301, None),
    ],
)
def test_resolves_exception_classes_only(name: str, expected: type | None) -> None:
    assert resolve(name) is expected


def test_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    assert resolve("wave.Error") is None
    assert "wave" not in sys.modules


def test_does_not_run_a_lazy_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lazy_one", Lazy("lazy_one"))
    assert resolve("lazy_one.Error") is None


@pytest.mark.parametrize("module", [None, object(), "text"], ids=["None", "object", "text"])
def test_tolerates_what_is_not_a_module(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    monkeypatch.setitem(sys.modules, "odd", module)
    assert resolve("odd.Error") is None


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (ValueError, "ValueError"),
        (json.JSONDecodeError, "json.decoder.JSONDecodeError"),
        (Shop.PaymentError, f"{__name__}.Shop.PaymentError"),
        (type("Odd", (ValueError,), {"__module__": 5}), ""),
    ],
)
def test_full_names_are_those_of_exception_type(cls: type, expected: str) -> None:
    assert expected == full_name(cls)


def test_a_row_marks_the_bases_of_a_class() -> None:
    targets = Targets(["ValueError", "json.JSONDecodeError", "json.decoder.JSONDecodeError", "OSError"])
    assert (b"\1\1\1\0", True) == targets.row(json.JSONDecodeError, None)
    assert (b"\0\0\0\1", True) == targets.row(ConnectionResetError, None)


def test_a_name_stands_for_the_class_it_resolves_to_and_else_for_itself() -> None:
    targets = Targets(["OSError", "far.away.Error"])
    assert (b"\1\0", False) == targets.row(None, "TimeoutError")
    assert (b"\0\1", False) == targets.row(None, "far.away.Error")
    assert (b"\0\0", False) == targets.row(None, None)


def test_a_class_that_cannot_be_resolved_is_known_by_its_full_name() -> None:
    def local() -> type[Exception]:
        class Local(KeyError):
            pass

        return Local

    cls = local()
    name = "KeyError"
    assert (b"\1\0", False) == Targets([name, f"{__name__}.Local"]).row(cls, None)


def test_a_later_import_brings_a_class_under_its_public_name(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = Targets(["shop_api.PaymentError"])
    assert (b"\0", False) == targets.row(Shop.PaymentError, None)
    module = ModuleType("shop_api")
    module.__dict__["PaymentError"] = Shop.PaymentError
    monkeypatch.setitem(sys.modules, "shop_api", module)
    assert (b"\1", True) == targets.row(Shop.PaymentError, None)


def test_a_hostile_class_runs_nothing() -> None:
    # Not among the parameters above: pytest itself would ask it for its name and hash.
    assert resolve(f"{__name__}.Hostile") is Hostile
    assert f"{__name__}.Hostile" == full_name(Hostile)
    assert (b"\1\1", True) == Targets(["ValueError", f"{__name__}.Hostile"]).row(Hostile, None)


@pytest.fixture
def on_demand(monkeypatch: pytest.MonkeyPatch) -> type[Exception]:
    """The class of a package that offers it only to whoever asks."""
    package = Lazy("shop_lazy")
    fields: Any = vars(ModuleType)["__dict__"].__get__(package)
    fields["__getattr__"] = None
    monkeypatch.setitem(sys.modules, "shop_lazy", package)
    monkeypatch.setitem(sys.modules, "shop_lazy._error", Lazy("shop_lazy._error"))
    return type("CardError", (ValueError,), {"__module__": "shop_lazy._error"})


def test_a_class_offered_on_demand_passes_under_its_public_name(on_demand: type[Exception]) -> None:
    declined = type("Declined", (on_demand,), {})
    targets = Targets(["shop_lazy.CardError", "shop_lazy.OtherError"])
    assert b"\1\0" == targets.row(on_demand, None)[0] == targets.row(declined, None)[0]
    assert b"\1\0" == targets.row(None, "shop_lazy._error.CardError")[0]


def test_a_package_without_a_getattr_offers_nothing(
    on_demand: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shop_lazy", ModuleType("shop_lazy"))
    assert b"\0" == Targets(["shop_lazy.CardError"]).row(on_demand, None)[0]


def test_a_row_of_a_user_names_it_so_too(on_demand: type[Exception]) -> None:
    classifier = _hot.Classifier(user_rows=[UserRow(exception="shop_lazy.CardError", kind="business")])
    assert "business" == classifier.facts(on_demand("declined")).kind
