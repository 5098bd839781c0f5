"""Regular expressions come from google-re2 or not at all."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from otel_errsample.regex import RegexInvalid, RegexUnavailable, compile_search


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
        compile_search("a")


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
        compile_search("(a")
    assert expected == str(caught.value)


def test_a_pattern_becomes_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", stand_in())
    search = compile_search("bc")
    assert search("abcd") is not None
    assert search("abd") is None


def test_the_real_library_searches_anywhere_and_refuses_what_is_not_linear() -> None:
    assert compile_search(r"code \d+$")("exit code 17") is not None
    assert compile_search(r"^\d+$")("exit code 17") is None
    with pytest.raises(RegexInvalid, match="invalid perl operator"):
        compile_search("(?=a)")
