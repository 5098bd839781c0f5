"""In a stack text the messages are cleaned, whatever stands in them; frames and source lines stay."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

import pytest

from otel_errsample._hot import scrub_stack
from tests.failing import raised

SECRET = "q7hunter2X"


def text_of(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def caused(explicit: bool) -> BaseException:
    def fail() -> BaseException:
        try:
            raise KeyError(f"token={SECRET}")
        except KeyError as error:
            cause = error if explicit else None
            try:
                raise ValueError("outer") from cause
            except ValueError as outer:
                if not explicit:
                    outer.__suppress_context__ = False
                return outer

    return fail()


def noted() -> BaseException:
    error = raised(lambda: ValueError("plain"))
    error.__notes__ = ["first note", f"password={SECRET}"]  # type: ignore[attr-defined]  # 3.11 prints them
    return error


def several() -> BaseException:
    group = sys.modules["builtins"].__dict__.get("ExceptionGroup")
    if group is None:
        pytest.skip("needs Python 3.11")
    return raised(lambda: group("some", [raised(lambda: ValueError(f"password={SECRET}")), KeyError("k")]))


def syntax() -> BaseException:
    return raised(lambda: compile(f"password = '{SECRET}", "<user>", "exec"))  # type: ignore[arg-type,return-value]


def two_lines() -> BaseException:
    return raised(lambda: ValueError(f"first\n\n    password={SECRET}\nlast"))


def remote() -> BaseException:
    """A message that quotes another process's traceback, with a secret in a source line of it."""
    quoted = (
        f'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    login(password="{SECRET}")\nKeyError: 1'
    )
    return raised(lambda: ValueError(f'\n"""\n{quoted}\n"""'))


MAKERS = (
    lambda: raised(lambda: ValueError(f"password={SECRET}")),
    lambda: caused(explicit=True),
    lambda: caused(explicit=False),
    several,
    syntax,
    two_lines,
    remote,
)
NAMES = ("plain", "cause", "context", "group", "syntax", "two-lines", "remote")


@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
def test_no_message_keeps_its_secret_and_every_other_line_stays(make: Callable[[], BaseException]) -> None:
    text = text_of(make())
    assert SECRET in text
    cleaned, found = scrub_stack(text)
    assert 1 == found
    assert SECRET not in cleaned
    # Source lines that hold a secret name are untouched, because they are code.
    changed = [line for line in text.splitlines() if line not in cleaned.splitlines()]
    assert 1 == len(changed)
    assert SECRET in changed[0]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes are printed from 3.11 on")
def test_notes_are_messages() -> None:
    cleaned, found = scrub_stack(text_of(noted()))
    assert 1 == found
    assert "first note\npassword=[redacted]\n" in cleaned


@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
def test_strict_leaves_frames_and_types(make: Callable[[], BaseException]) -> None:
    error = make()
    text = text_of(error)
    cleaned, found = scrub_stack(text, strict=True)
    assert found >= 1
    assert SECRET not in cleaned
    assert f"{type(error).__name__}: [redacted]\n" in cleaned
    frames = [line for line in text.splitlines() if '  File "' in line and ", in " in line and "x.py" not in line]
    assert frames
    assert frames == [line for line in cleaned.splitlines() if '  File "' in line]
    assert not [line for line in cleaned.splitlines() if "raise " in line]


def test_source_lines_and_file_names_stay() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "/srv/password=abcdef1/app.py", line 7, in login\n'
        '    connect(user="app", password="abcdef123")\n'
        "             ^^^^^^^^^^\n"
        "  [Previous line repeated 3 more times]\n"
        "ValueError: no\n"
    )
    assert (text, 0) == scrub_stack(text)
    assert scrub_stack(text)[0] is text
    lines = text.splitlines(keepends=True)
    assert (f"{lines[0]}{lines[1]}ValueError: [redacted]\n", 1) == scrub_stack(text, strict=True)


@pytest.mark.parametrize(
    "line",
    [
        f"During handling of the above exception, another password={SECRET}",
        f"----------------- password={SECRET}",
        f"Traceback (most recent call last): password={SECRET}",
        f'  File "a", line 1, in password={SECRET} x',
        f"  [Previous line repeated password={SECRET}]",
        f"    password={SECRET}",
        f"  + password={SECRET}",
    ],
    ids=lambda line: line[:24],
)
def test_a_message_that_looks_like_a_part_of_a_traceback_is_one_all_the_same(line: str) -> None:
    text = f'Traceback (most recent call last):\n  File "a", line 1, in f\nValueError: x\n{line}\nlast\n'
    assert SECRET not in scrub_stack(text)[0]


def test_what_is_no_traceback_is_looked_at_whole() -> None:
    text = f"\tat com.example.Shop.pay(Shop.java:7) password={SECRET}\n    password={SECRET}\n"
    assert SECRET not in scrub_stack(text)[0]


def test_a_stack_is_looked_at_up_to_49152_characters_without_its_middle() -> None:
    frame = '  File "a.py", line 1, in f\n    f()\n'
    text = f"Traceback (most recent call last):\n{frame * 5000}RecursionError: password={SECRET}\n"
    cleaned, found = scrub_stack(text)
    assert 1 == found
    assert len(cleaned) < 49_152
    assert cleaned.startswith("Traceback (most recent call last):\n  File")
    assert cleaned.endswith("RecursionError: password=[redacted]\n")
    assert " characters left out ...\n" in cleaned


def test_a_stack_that_was_cut_inside_a_frame_is_survived() -> None:
    text = text_of(raised(lambda: ValueError(f"password={SECRET}")))
    for end in range(len(text)):
        cleaned, found = scrub_stack(text[:end])
        assert found or cleaned == text[:end]
