"""Every input the fuzzer's corpora keep holds what its target asks; no atheris is needed for that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.source import Source
from fuzz.targets import CORPUS, NAMES, target

MOST_BYTES = 512 << 10  # of all corpora: they are downloaded with every clone


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    """The SDK tells of each odd value."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.scenario("B4")
@pytest.mark.parametrize("name", NAMES)
def test_every_kept_input_holds_what_is_promised(name: str) -> None:
    one = target(name)
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs, "a corpus is not empty"
    for path in inputs:
        data = path.read_bytes()
        assert len(data) <= one.MOST, path.name
        try:
            one.check(data)
        except Exception as error:
            raise AssertionError(f"{path.relative_to(CORPUS.parent)} breaks a promise") from error


def test_corpora_and_targets_belong_together_and_are_small() -> None:
    modules = {path.stem for path in (CORPUS.parent / "targets").glob("[a-z]*.py")}
    assert set(NAMES) == modules == {path.name for path in CORPUS.iterdir()}
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) <= MOST_BYTES


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
    from fuzz import __main__ as command

    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "bad").write_bytes(b"x")
    monkeypatch.setattr(command, "CORPUS", tmp_path)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(target("stack"), "check", lambda data: {}[data])
    assert (False, "stack        stack/bad: KeyError: b'x'") == command.replay("stack")
