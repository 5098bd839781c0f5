"""Regular expressions come from google-re2 or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from otel_errsample.regex import Regex, RegexInvalid, RegexUnavailable


class Options:
    log_errors = True


class Refused(Exception):
    pass


def stand_in(error: Exception | None = None) -> ModuleType:
    """A module with the part of google-re2 that is used."""

    class Pattern:
        def __init__(self, pattern: str) -> None:
            self.pattern = pattern

        def search(self, text: str) -> object:
            return self.pattern if self.pattern in text else None

    def compile_pattern(pattern: str, options: Options) -> Pattern:
        assert not options.log_errors
        if error:
            raise error
        return Pattern(pattern)

    module = ModuleType("re2")
    module.__dict__.update(Options=Options, error=Refused, compile=compile_pattern)
    return module


@pytest.mark.parametrize("module", [None, ModuleType("re2")], ids=["not installed", "another re2"])
def test_without_google_re2_it_is_unavailable(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    monkeypatch.setitem(sys.modules, "re2", module)
    with pytest.raises(RegexUnavailable):
        Regex("a")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Refused(b"missing )"), "missing )"),
        (Refused("bad"), "bad"),
        (Refused(), ""),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "x"), "not encodable as UTF-8"),
    ],
    ids=["bytes", "text", "nothing", "surrogate"],
)
def test_a_refusal_has_its_reason(monkeypatch: pytest.MonkeyPatch, error: Exception, expected: str) -> None:
    monkeypatch.setitem(sys.modules, "re2", stand_in(error))
    with pytest.raises(RegexInvalid) as caught:
        Regex("(a")
    assert expected == str(caught.value)


def test_a_pattern_becomes_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", stand_in())
    search = Regex("bc").search
    assert search("abcd") is not None
    assert search("abd") is None


def test_the_real_library_searches_anywhere_and_refuses_what_is_not_linear() -> None:
    assert Regex(r"code \d+$").search("exit code 17") is not None
    assert Regex(r"^\d+$").search("exit code 17") is None
    with pytest.raises(RegexInvalid, match="invalid perl operator"):
        Regex("(?=a)")


def test_matches_have_places() -> None:
    assert [(1, 3), (4, 5)] == list(Regex("é+").spans("xééxé"))


FORKS = """
import os, random, signal, threading, time, warnings
from otel_errsample.regex import Regex

warnings.simplefilter("ignore")  # a fork beside threads is what this is about
regex = Regex("[ab]*a[ab]{40}")
random.seed(1)
texts = ["".join(random.choices("ab", k=3000)) for _ in range(50)]
ending = threading.Event()

def match():
    while not ending.is_set():
        for text in texts:
            regex.search(text)

threads = [threading.Thread(target=match) for _ in range(2)]
for thread in threads:
    thread.start()
ends = []
for _ in range(6):
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # or it hangs
        found = [regex.search(text + "b") is not None for text in texts[:5]]
        os._exit(0 if all(found) else 1)
    ends.append(os.waitpid(child, 0)[1])
ending.set()
for thread in threads:
    thread.join()
print(ends)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")
def test_a_child_matches_although_a_thread_was_matching_when_it_was_forked() -> None:
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=120, check=True)
    assert "[0, 0, 0, 0, 0, 0]\n" == done.stdout
