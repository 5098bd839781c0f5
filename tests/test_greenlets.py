"""Real threads and real sleep beneath gevent and eventlet. These are pretended here; real ones: tests/servers."""

from __future__ import annotations

import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from otel_errsample import greenlets


@pytest.fixture
def used() -> list[str]:
    """Which functions were used."""
    return []


def patch(library: str, used: list[str], monkeypatch: pytest.MonkeyPatch, *, patched: bool = True) -> None:
    """Pretend that the library has been loaded, and has patched time and threads, or only been loaded."""

    def start(function: Any, arguments: tuple[()]) -> int:
        used.append("original start_new_thread")
        return 7

    originals = {
        "_thread": SimpleNamespace(start_new_thread=start),
        "time": SimpleNamespace(sleep=lambda seconds: used.append(f"original sleep {seconds}")),
    }
    if library == "gevent":
        monkey = SimpleNamespace(
            is_module_patched=lambda name: patched and name in originals,
            get_original=lambda module, name: getattr(originals[module], name),
        )
        monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)
    else:
        patcher = SimpleNamespace(
            is_monkey_patched=lambda name: patched and name in ("thread", "time"), original=originals.__getitem__
        )
        monkeypatch.setitem(sys.modules, "eventlet.patcher", patcher)


def run_in(greenlet: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that we run in that greenlet, "hub" or another one."""
    if library == "gevent":
        gevent = SimpleNamespace(getcurrent=lambda: greenlet, get_hub=lambda: "hub")
        monkeypatch.setitem(sys.modules, "gevent", gevent)
    else:
        hubs = SimpleNamespace(get_hub=lambda: SimpleNamespace(greenlet="hub"))
        monkeypatch.setitem(sys.modules, "eventlet.hubs", hubs)
        monkeypatch.setitem(sys.modules, "greenlet", SimpleNamespace(getcurrent=lambda: greenlet))


@pytest.fixture
def sleep_of_now(used: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: used.append(f"sleep {seconds}"))


LIBRARIES = pytest.mark.parametrize("library", ["gevent", "eventlet"])


@pytest.mark.scenario("H3")
@LIBRARIES
def test_the_thread_is_a_real_one_where_threads_are_patched(
    library: str, used: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    patch(library, used, monkeypatch)
    assert 7 == greenlets.start_os_thread(lambda: None)
    assert ["original start_new_thread"] == used


@LIBRARIES
def test_a_library_that_patched_nothing_changes_nothing(
    library: str, used: list[str], monkeypatch: pytest.MonkeyPatch, sleep_of_now: None
) -> None:
    patch(library, used, monkeypatch, patched=False)
    run_in("hub", library, monkeypatch)
    ran = threading.Event()
    greenlets.start_os_thread(ran.set)
    assert ran.wait(60)
    greenlets.rest(3)
    assert ["sleep 3"] == used


@LIBRARIES
@pytest.mark.parametrize(("greenlet", "expected"), [("hub", "original sleep 3"), ("main", "sleep 3")])
def test_the_hub_sleeps_with_its_thread_and_a_greenlet_lets_others_run(
    library: str, greenlet: str, expected: str, used: list[str], monkeypatch: pytest.MonkeyPatch, sleep_of_now: None
) -> None:
    patch(library, used, monkeypatch)
    run_in(greenlet, library, monkeypatch)
    greenlets.rest(3)
    assert [expected] == used


@LIBRARIES
def test_a_greenlet_looks_again_and_a_thread_waits(
    library: str, used: list[str], monkeypatch: pytest.MonkeyPatch, sleep_of_now: None
) -> None:
    rung = greenlets.os_lock()
    greenlets.wait_for(rung, 60.0, 3)
    assert (True, []) == (rung.locked(), used)
    patch(library, used, monkeypatch)
    run_in("main", library, monkeypatch)
    greenlets.wait_for(rung, 60.0, 3)
    assert ["sleep 3"] == used
