"""The bar of a long run: on a terminal with rich, else nothing."""

from __future__ import annotations

import io
import sys

import pytest

from otel_errsample.cli.progress import progress
from tests.command import Terminal


def written(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, total: int | None = 2048) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress(total) as tell:
        tell(512)
        tell(1024)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


def test_a_terminal_sees_how_much_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = written(monkeypatch, Terminal())
    assert "1.0/2.0 KiB" in shown
    assert "\x1b[3" in shown, "coloured"


def test_of_an_unknown_size_the_done_part_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "1.0/? KiB" in written(monkeypatch, Terminal(), None)


def test_no_color_is_a_bar_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = written(monkeypatch, Terminal())
    assert "1.0/2.0 KiB" in shown
    assert "\x1b[3" not in shown


@pytest.mark.parametrize("why", ["pipe", "dumb", "no rich"])
def test_elsewhere_there_is_none(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    if why == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    if why == "no rich":
        monkeypatch.setitem(sys.modules, "rich.progress", None)
        monkeypatch.delitem(sys.modules, "rich", raising=False)
    assert "KiB" not in written(monkeypatch, io.StringIO() if why == "pipe" else Terminal())
