"""Recordings are read within bounds, compressed or not."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from otel_errsample.cli import recording
from otel_errsample.cli.files import Unreadable
from tests.failing import make_span
from tests.recorded import line_of


def test_all_spans_of_a_file_are_read_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "spans"
    text = line_of(make_span(name="a")) + "\n" + line_of(make_span(name="b"), make_span(name="c"))
    for data in (text.encode(), b"\xef\xbb\xbf" + text.encode(), gzip.compress(text.encode())):
        path.write_bytes(data)
        assert ["a", "b", "c"] == [span.name for span in recording.all_spans(str(path))]


def test_spans_come_in_the_order_in_which_they_ended() -> None:
    spans = [make_span(name=name) for name in "abcde"]
    for span, times in zip(spans, [(1, 9), (2, 9), (0, 3), (5, None), (0, 3)], strict=True):
        span._start_time, span._end_time = times
    assert "dceba" == "".join(span.name for span in recording.in_order(spans))


def test_lines_are_numbered_and_long_ones_are_left_out() -> None:
    text = b"first\r\n\n \n12345678\n123456789\n" + b"x" * 300_000 + b"\nlast"
    lines = list(recording.lines_of(io.BufferedReader(io.BytesIO(text)), 9))
    assert [(1, b"first"), (4, b"12345678"), (5, None), (6, None), (7, b"last")] == lines


def test_more_than_the_bound_is_refused_after_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_BYTES", 1000)
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(b" " * 1_000_000))
    with pytest.raises(Unreadable, match="bomb: is expected to have at most 1000 bytes; choose the lines of interest"):
        recording.all_spans(str(path))
