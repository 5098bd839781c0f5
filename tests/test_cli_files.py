"""Files are read within bounds, and what cannot be read is said in one sentence."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from otel_errsample.cli.files import Unreadable, decoded, name_of, opened, read_text


def test_a_file_of_the_bound_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    assert "12345" == read_text(str(path), 5)
    with pytest.raises(Unreadable, match="f: is expected to have at most 4 bytes"):
        read_text(str(path), 4)


def test_a_hyphen_is_the_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\ufeffé".encode())))
    assert ("é", "<stdin>") == (read_text("-", 9), name_of("-"))


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"\xff", "f:7:1:.*0xff"),
        (b"a\n\nbc\x80", "f:9:3:.*0x80"),
        ("é\n".encode() + b"\xc3", "f:8:1:.*0xc3"),
        ("\ufeffé".encode() + b"\x80", "f:7:2:.*0x80"),
    ],
)
def test_the_first_byte_that_is_not_utf8_is_named(data: bytes, place: str) -> None:
    with pytest.raises(Unreadable, match=place):
        decoded(data, "f", first_line=7)


def test_a_directory_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r": Is a directory$"):
        read_text(str(tmp_path), 10)


def test_what_fails_while_reading_is_unreadable_too(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(Unreadable, match=r"f: Input/output error$"), opened(str(tmp_path / "f")):
        raise OSError(5, "Input/output error")
    with pytest.raises(BrokenPipeError), opened(str(tmp_path / "f")):
        raise BrokenPipeError
