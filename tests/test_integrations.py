"""Integrations attach themselves to what is loaded, once, and load nothing."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from otel_errsample import integrations


@pytest.fixture
def attached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What attaches, where the one library is called `lib`."""
    calls: list[str] = []
    ours = ModuleType("lib_integration")
    ours.attach = lambda: calls.append("attached")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lib_integration", ours)
    monkeypatch.setattr(integrations, "_BY_LIBRARY", {"lib": "lib_integration"})
    monkeypatch.setattr(integrations, "_attached", set())
    return calls


def test_a_library_is_attached_to_once_it_is_loaded(attached: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    integrations.attach()
    assert [] == attached
    monkeypatch.setitem(sys.modules, "lib", ModuleType("lib"))
    integrations.attach()
    integrations.attach()
    assert ["attached"] == attached


@pytest.mark.parametrize("fault", [ImportError("half imported"), AttributeError("another library of that name")])
def test_what_cannot_be_attached_to_is_asked_again_and_harms_nobody(
    fault: Exception, attached: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def attach() -> None:
        raise fault

    monkeypatch.setitem(sys.modules, "lib", ModuleType("lib"))
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["lib_integration"], "attach", attach)
        integrations.attach()
    integrations.attach()
    assert ["attached"] == attached


def test_a_library_whose_import_was_forbidden_is_not_attached_to(
    attached: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lib", None)
    integrations.attach()
    assert [] == attached


def test_every_integration_of_the_table_is_there() -> None:
    from importlib.util import find_spec

    assert all(find_spec(ours) is not None for ours in integrations._BY_LIBRARY.values())
