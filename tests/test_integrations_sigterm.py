"""SIGTERM flushes and then does what it would have done. Ends by it: tests/isolated; real servers: tests/servers."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from otel_errsample import ErrorSpanProcessor, living
from otel_errsample.integrations.sigterm import flush_on_sigterm
from otel_errsample.testing import CollectingTransport
from tests.members import Member

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture(autouse=True)
def handler_of_the_test_run() -> Iterator[None]:
    former = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, former)


@pytest.fixture
def member() -> Member:
    member = Member()
    living.join(member)
    return member


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_the_former_handler_is_called_after_the_flush(member: Member) -> None:
    signal.signal(signal.SIGTERM, lambda signum, frame: member.heard.append(f"former {signum}"))
    assert flush_on_sigterm()
    assert flush_on_sigterm(), "a second time changes nothing"
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    assert ["flush", "former 15"] * 2 == member.heard


def test_a_handler_that_came_later_and_calls_ours(member: Member) -> None:
    signal.signal(signal.SIGTERM, lambda signum, frame: member.heard.append("former"))
    assert flush_on_sigterm()
    ours: Any = signal.getsignal(signal.SIGTERM)

    def later(signum: int, frame: object) -> None:
        member.heard.append("later")
        ours(signum, frame)

    signal.signal(signal.SIGTERM, later)
    signal.raise_signal(signal.SIGTERM)
    assert ["later", "flush", "former"] == member.heard


def test_a_handler_that_raises_to_end_the_program(member: Member) -> None:
    def end(signum: int, frame: object) -> None:
        raise SystemExit(7)

    signal.signal(signal.SIGTERM, end)
    assert flush_on_sigterm()
    with pytest.raises(SystemExit, match="7"):
        signal.raise_signal(signal.SIGTERM)
    assert ["flush"] == member.heard


def test_a_second_signal_during_the_flush_does_not_flush_again() -> None:
    class Interrupted(Member):
        def flush_before_end(self) -> bool:
            if self.heard.count("flush") < 3:
                self.heard.append("flush")
                signal.raise_signal(signal.SIGTERM)
            return True

    member = Interrupted()
    living.join(member)
    signal.signal(signal.SIGTERM, lambda signum, frame: member.heard.append("former"))
    assert flush_on_sigterm()
    signal.raise_signal(signal.SIGTERM)
    assert ["flush", "former", "former"] == member.heard


def test_a_flush_that_fails_keeps_the_former_handler_from_nothing(member: Member) -> None:
    member.fails_with = RuntimeError("no")
    signal.signal(signal.SIGTERM, lambda signum, frame: member.heard.append("former"))
    assert flush_on_sigterm()
    signal.raise_signal(signal.SIGTERM)
    assert ["flush", "former"] == member.heard


def test_a_process_that_ignores_the_signal_goes_on_ignoring_it(caplog: pytest.LogCaptureFixture) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert not flush_on_sigterm()
    assert signal.SIG_IGN is signal.getsignal(signal.SIGTERM)
    assert ["SIGTERM will not flush: the process ignores it"] == warnings(caplog)


def test_a_handler_that_is_not_pythons_stays(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(signal, "getsignal", lambda signum: None)
        patch.setattr(signal, "signal", None)
        assert not flush_on_sigterm()
    expected = "SIGTERM will not flush: its handler was not installed by Python and cannot be called after ours"
    assert [expected] == warnings(caplog)


def test_another_thread_installs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    former = signal.getsignal(signal.SIGTERM)
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(flush_on_sigterm()))
    thread.start()
    thread.join()
    assert ([False], former) == (answers, signal.getsignal(signal.SIGTERM))
    assert ["SIGTERM will not flush: signal handlers can be installed by the main thread only"] == warnings(caplog)


def test_a_processor_installs_it_where_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    former = signal.getsignal(signal.SIGTERM)
    ErrorSpanProcessor(transport=CollectingTransport()).shutdown()
    assert former is signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("OTEL_ERRSAMPLE_FLUSH_ON_SIGTERM", "true")
    ErrorSpanProcessor(transport=CollectingTransport()).shutdown()
    assert former is not signal.getsignal(signal.SIGTERM)
