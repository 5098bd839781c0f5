"""The command as a whole: exit codes, what goes where, and that nothing becomes a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from otel_errsample import __version__
from otel_errsample.cli import check
from tests.command import Command

ROOT = Path(__file__).parent.parent


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param([], "the following arguments are required: COMMAND", id="no command"),
        pytest.param(["chek"], "invalid choice: 'chek'", id="unknown command"),
        pytest.param(["check"], "the following arguments are required: FILE", id="no file"),
        pytest.param(["check", "--colour"], "required: FILE", id="unknown option"),
        pytest.param(["rules"], "one of the arguments FILE --default is required", id="neither"),
        pytest.param(["rules", "x", "--default"], "not allowed with argument", id="both"),
        pytest.param(["check", "x", "\x1b[2J"], "x: No such file or directory", id="missing file"),
        pytest.param(["rules", "a\x1b[2J"], r"a\x1b[2J: No such file or directory", id="hostile name"),
        pytest.param(["\x1b[2J"], "[2J", id="hostile command"),
    ],
)
def test_wrong_usage_and_unreadable_files_are_said_on_stderr(command: Command, arguments: list[str], said: str) -> None:
    done = command(*arguments)
    assert (2, "") == (done.code, done.out)
    assert said in done.err
    assert "\x1b" not in done.err


def test_the_version_is_the_packages(command: Command) -> None:
    assert (0, f"otel-errsample {__version__}\n") == (command("--version").code, command("--version").out)


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"], ["rules", "--help"]])
def test_help_says_how(command: Command, arguments: list[str]) -> None:
    done = command(*arguments)
    assert 0 == done.code
    assert "usage: otel-errsample" in done.out


def test_an_interrupt_ends_quietly(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "load", interrupted)
    done = command("check", "-")
    assert (130, "", "") == (done.code, done.out, done.err)


def run(*arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "otel_errsample", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_the_module_runs_as_the_command_and_a_locale_without_unicode_is_no_traceback() -> None:
    process = run("check", "-", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    out, err = process.communicate("keep if näme".encode(), timeout=60)
    assert (1, b"") == (process.returncode, err)
    assert rb"<stdin>:1:10: unexpected character '\xe4'" in out


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = run("check", "-", "--json")
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write(b"kep\n" * 50)
    process.stdin.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (0, b"") == (process.wait(60), errors)


def test_wrong_rules_are_unusable_input_where_they_are_not_the_question(command: Command) -> None:
    path = command.write("r.rules", "kep")
    done = command("rules", path)
    assert (2, "") == (done.code, done.out)
    assert [f"{path}:1:1: expected an action, got 'kep' (did you mean 'keep'?)", "    kep", "    ^^^"] == (
        done.err.splitlines()
    )
