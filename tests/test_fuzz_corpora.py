"""Every input the fuzzer's corpora keep holds what its target asks; no atheris is needed for that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz import __main__ as command
from fuzz.engine import quoted
from fuzz.source import Source
from fuzz.targets import CORPUS, NAMES, path, target

MOST_BYTES = 512 << 10  # of all corpora: they are downloaded with every clone


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    """The SDK tells of each odd value."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True, scope="module")
def nobody_left() -> Iterator[None]:
    """Other tests look at every processor that lives."""
    yield
    for processor in path.processors():
        processor.shutdown(0)
    path.processors.cache_clear()


@pytest.mark.scenario("B4")
@pytest.mark.parametrize("name", NAMES)
def test_every_kept_input_holds_what_is_promised(name: str) -> None:
    one = target(name)
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs, "a corpus is not empty"
    for file in inputs:
        data = file.read_bytes()
        assert len(data) <= one.MOST, file.name
        try:
            one.check(data)
        except Exception as error:
            raise AssertionError(f"{file.relative_to(CORPUS.parent)} breaks a promise") from error


def test_corpora_and_targets_belong_together_and_are_small() -> None:
    modules = {file.stem for file in (CORPUS.parent / "targets").glob("[a-z]*.py")}
    assert set(NAMES) == modules == {file.name for file in CORPUS.iterdir()}
    assert sum(file.stat().st_size for file in CORPUS.rglob("*") if file.is_file()) <= MOST_BYTES


class TestSource:
    def test_numbers_and_texts_are_read_from_the_front_and_what_is_missing_is_zero(self) -> None:
        source = Source(b"\x07\x05\x02\x01\x03abc\xff\xff")
        assert (3, "z", 0x0102, "abc") == (source.below(4), source.pick("xyz"), source.whole(2), source.text())
        assert -1 == source.whole(2, signed=True)
        assert (0, 0, 0.0, b"", "") == (source.below(9), source.whole(8), source.real(), source.bytes(), source.text())

    def test_few_bytes_make_a_long_text(self) -> None:
        assert "0123456789abcdef" * 4096 == Source(b"\xff0123456789abcdef").text()

    def test_what_is_no_utf8_becomes_lone_surrogates(self) -> None:
        assert "caf\udce9" == Source(b"\x04caf\xe9").text()


def test_a_broken_promise_is_told_with_its_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "bad").write_bytes(b"x")
    monkeypatch.setattr(command, "CORPUS", tmp_path)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(target("stack"), "check", lambda data: {}[data])
    assert (False, "stack        stack/bad: KeyError: b'x'") == command.replay("stack")


def test_a_run_is_told_by_what_libfuzzer_says_of_it() -> None:
    log = (
        "#2\tINITED cov: 3 ft: 4 corp: 1/1b\n#731\tDONE   cov: 19 ft: 23 corp: 5/40b lim: 4 exec/s: 73 rss: 9Mb\n"
        "stat::number_of_executed_units: 731\nstat::average_exec_per_sec:     73\n"
    )
    told = "731 executions 73 a second 19 places 23 features 5 inputs"
    assert told == " ".join(command._told(log).split())
    assert "0 executions 0 a second 0 places 0 features 0 inputs" == " ".join(command._told("Traceback").split())


def test_words_are_quoted_as_dictionaries_have_them() -> None:
    assert r"keep\x20\x22a\x22\x0a\xc3" == quoted(b'keep "a"\n' + b"\xc3")
