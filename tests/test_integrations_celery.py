"""The signal of a pool's process that ends; tests/servers has the real Celery."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import reload
from types import ModuleType
from typing import Any

import pytest

from otel_errsample import living
from tests.members import Member

pytestmark = pytest.mark.usefixtures("alone")


class Signal:
    """What is used of celery.utils.dispatch.Signal."""

    def __init__(self) -> None:
        self.receivers: dict[str, Callable[..., Any]] = {}

    def connect(self, receiver: Callable[..., Any], *, weak: bool, dispatch_uid: str) -> None:
        assert not weak, "nobody else holds the receiver"
        self.receivers[dispatch_uid] = receiver


def test_a_process_of_the_pool_flushes_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    signals = ModuleType("celery.signals")
    ending = signals.worker_process_shutdown = Signal()  # type: ignore[attr-defined]
    package = ModuleType("celery")
    package.signals = signals  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "celery", package)
    monkeypatch.setitem(sys.modules, "celery.signals", signals)
    from otel_errsample.integrations import celery

    celery = reload(celery)  # it may have been imported with the real one
    celery.attach()
    celery.attach()
    (receiver,) = ending.receivers.values()
    member = Member()
    living.join(member)
    receiver(sender=None, pid=1, exitcode=0, signal=ending)
    assert ["flush"] == member.heard
