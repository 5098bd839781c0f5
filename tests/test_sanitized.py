"""What runs under sanitizers is all but what is said to be left out, and a run that sees nothing is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tools import sanitized

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sanitized, "TREE", ROOT)
    monkeypatch.setattr(sanitized, "REPORTS", tmp_path)


@pytest.mark.parametrize("test", sanitized.EXCLUDED)
def test_what_is_left_out_is_there(test: str) -> None:
    path, *names = test.split("::")
    source = (ROOT / path).read_text(encoding="utf-8")
    assert all(f" {name}" in source for name in names)


def test_all_other_tests_run() -> None:
    names = sanitized.files(extension=False)
    assert {"tests/test_encode.py", "tests/test_cli.py", "tests/isolated/test_spooling.py"} <= {*names}
    assert not {*sanitized.EXCLUDED} & {*names}
    assert not [name for name in names if name.startswith(("tests/servers/", "tests/zerocode/"))]


def test_those_of_the_extension_are_some_of_them() -> None:
    names = {*sanitized.files(extension=True)}
    assert {"tests/test_encode.py", "tests/test_buffer.py", "tests/test_ring.py"} <= names
    assert names < {*sanitized.files(extension=False)}


def test_an_extension_that_watches_nothing_is_noticed(tmp_path: Path) -> None:
    assert not sanitized.sees_a_planted_one({**os.environ, "PYTHONPATH": str(ROOT)})


def test_a_report_of_any_process_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the example of the planted one: it is seen, and not taken for a report of the tests."""
    report = "from pathlib import Path; Path({!r}, 'asan.1').write_text('heap-buffer-overflow'); raise SystemExit(1)"
    monkeypatch.setattr(sanitized, "PLANTED", report.format(str(tmp_path)))
    assert sanitized.sees_a_planted_one(os.environ)
    assert [] == list(tmp_path.iterdir())


def test_a_report_fails_a_run_that_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(environ: object, names: object) -> bool:
        if leaves:
            (tmp_path / "ubsan.7").write_text("shift exponent 64 is too large")
        return True

    for name in ("make_tree", "runtimes", "sees_a_planted_one"):
        monkeypatch.setattr(sanitized, name, lambda *_: "x")
    monkeypatch.setattr(sanitized, "run", run)
    for leaves in (False, True):
        assert leaves == sanitized.main([])


def test_without_the_runtimes_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sanitized, "runtimes", lambda: "")
    monkeypatch.setattr(sanitized, "make_tree", sys.exit)
    assert 0 == sanitized.main([])
    assert "skipped: gcc with libasan and libubsan is missing\n" == capsys.readouterr().err
