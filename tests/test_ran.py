"""tools/ran.py: records of what ran, and the table made of them."""

from __future__ import annotations

from pathlib import Path

from tools.ran import NAME, Record, compatibility, load, record, stacks


def one(row: str, what: str = "server", *, passed: bool = True, python: str = "3.11.7", sdk: str = "1.45.1") -> Record:
    return Record(row, what, "2.0", passed, {"lost": 0}, python, sdk)


def test_a_record_takes_the_place_of_the_former_one_on_its_stack(tmp_path: Path) -> None:
    path = tmp_path / NAME
    assert [] == load(path)
    for new in (one("b", passed=False), one("a"), one("b", python="3.9.1"), one("b", python="3.11.8")):
        record(path, new)
    assert [("b", "3.9.1"), ("a", "3.11.7"), ("b", "3.11.8")] == [(old.row, old.python) for old in load(path)]
    assert 5 == len(path.read_text(encoding="utf-8").splitlines()), "a record on a line"


def test_stacks_are_in_the_order_of_their_numbers() -> None:
    records = [one("a", python=f"{python}.1", sdk=sdk) for python in ("3.13", "3.9") for sdk in ("1.45.1", "1.9.0")]
    expected = [("3.9", "1.9.0"), ("3.9", "1.45.1"), ("3.13", "1.9.0"), ("3.13", "1.45.1")]
    assert expected == stacks(records)


def test_the_table_tells_the_version_that_ran_and_what_failed(tmp_path: Path) -> None:
    for suite, records in {
        "servers": [one("a"), one("b", passed=False), one("a", python="3.12.1")],
        "zero": [one("c", "Zero code")],
    }.items():
        path = tmp_path / "tests" / suite / NAME
        path.parent.mkdir(parents=True)
        for new in records:
            record(path, new)
    head, rows = compatibility(tmp_path)
    assert ("", "Python 3.11, SDK 1.45.1", "Python 3.12, SDK 1.45.1") == head
    assert [("server", "2.0 FAILS in b", "2.0"), ("Zero code", "2.0", "not run")] == rows
