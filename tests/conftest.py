"""What every test needs: no OTLP variable of the machine, and no sleeping."""

from __future__ import annotations

import os
import weakref

import pytest
from hypothesis import HealthCheck, settings

from otel_errsample import living

# Generated tests share two slow cores with servers and threads: a slow example is no finding. The long profile is for
# a person who waits.
settings.register_profile("normal", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", parent=settings.get_profile("normal"), max_examples=20_000)
# A change lands or not by what it does, not by what chance finds on that day; a developer's runs go on exploring.
settings.register_profile("ci", parent=settings.get_profile("normal"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "normal"))


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test sees only the variables it sets."""
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No processor of another test lives in this process, as far as forks and ends can see."""
    monkeypatch.setattr(living, "_members", weakref.WeakSet())
