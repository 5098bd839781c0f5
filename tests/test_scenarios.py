"""tools/scenarios.py: marks of tests, records of what ran, and the two together."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tools import scenarios
from tools.scenarios import MismatchError, Shown, check, load, marked, record

pytest_plugins = ["pytester"]

SOURCE = """
import pytest

@pytest.mark.scenario("A1", "A2")
def test_function(): ...

def test_unmarked(): ...

@pytest.mark.scenario("B1")
class TestClass:
    @pytest.mark.scenario("B2")
    def test_method(self): ...

    def helper(self): ...

@pytest.mark.parametrize("one", [1, pytest.param(2, marks=pytest.mark.scenario("C1"))])
async def test_parameter(one): ...
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "tests" / "deep" / "test_made.py"
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE, encoding="utf-8")
    return tmp_path


def test_marks_are_read_from_functions_classes_and_parameters(root: Path) -> None:
    assert {
        "tests/deep/test_made.py::test_function": ("A1", "A2"),
        "tests/deep/test_made.py::TestClass::test_method": ("B1", "B2"),
        "tests/deep/test_made.py::test_parameter": ("C1",),
    } == marked(root)


def test_a_mark_of_a_module_is_one_of_all_its_tests(tmp_path: Path) -> None:
    path = tmp_path / "tests" / "test_made.py"
    path.parent.mkdir()
    path.write_text('def test_a(): ...\npytestmark = pytest.mark.scenario("G5")\n', encoding="utf-8")
    assert {"tests/test_made.py::test_a": ("G5",)} == marked(tmp_path)


def test_a_record_takes_the_place_of_the_former_one_and_one_without_a_test_goes(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "shown.jsonl"
    test = "tests/deep/test_made.py::test_function"
    path.write_text(json.dumps(asdict(Shown("tests/test_gone.py::test_a", ("A1",), 1, 1))) + "\n", encoding="utf-8")
    record([Shown(test, ("A1",), 3, 2)], path, root)
    assert [Shown(test, ("A1",), 3, 2)] == load(path)
    record([Shown(test, ("A1", "A2"), 4, 4)], path, root)
    assert [Shown(test, ("A1", "A2"), 4, 4)] == load(path)


def test_a_mark_that_the_sources_do_not_show_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="test_unmarked: the mark is expected on the function, written out"):
        record([Shown("tests/deep/test_made.py::test_unmarked", ("A1",), 1, 1)], tmp_path / "shown.jsonl", root)


def test_of_two_lines_of_a_test_the_last_counts(root: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    for path, passed in ((first, 0), (second, 1)):
        record([Shown("tests/deep/test_made.py::test_function", ("A1",), 1, passed)], path, root)
    first.write_text(first.read_text(encoding="utf-8") + second.read_text(encoding="utf-8"), encoding="utf-8")
    assert load(second) == load(first)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        pytest.param([], "a is not recorded", id="marked and never run"),
        pytest.param([Shown("a", ("A1",), 1, 1), Shown("b", ("A1",), 1, 1)], "b is recorded, and gone", id="gone"),
        pytest.param([Shown("a", ("A2",), 1, 1)], "a is marked A1 and recorded as A2", id="marked otherwise"),
    ],
)
def test_what_is_marked_has_to_be_what_is_recorded(shown: list[Shown], message: str) -> None:
    with pytest.raises(MismatchError, match=f"{message}.*\nhint: run these tests with RECORD=1"):
        check({"a": ("A1",)}, shown)
    check({"a": ("A1",)}, [Shown("a", ("A1",), 1, 0)])


def test_every_scenario_is_complete_and_has_a_row() -> None:
    rows = scenarios.scenarios()
    assert 77 == len(rows)
    assert [] == [
        row.id for row in rows.values() if not row.fault or not row.promise or row.id[0] not in scenarios.GROUPS
    ]
    lines = scenarios.tables([]).splitlines()
    assert list(rows) == [
        line.split(" | ")[0].removeprefix("| ") for line in lines if line[:3].strip("| ") in scenarios.GROUPS
    ]


def test_a_row_names_the_files_and_what_failed() -> None:
    row = scenarios.scenarios()["A1"]
    passed = [Shown("tests/test_b.py::test_x", ("A1",), 3, 3), Shown("tests/deep/test_a.py::test_y", ("A1",), 1, 1)]
    line = scenarios._line(row, passed)
    assert line.endswith("| [deep/test_a](../tests/deep/test_a.py), [test_b](../tests/test_b.py) | 4 tests passed |")
    assert scenarios._line(row, []).endswith("|  | not shown yet |")
    failed = [*passed, Shown("tests/test_b.py::test_z", ("A1",), 2, 1)]
    assert scenarios._line(row, failed).endswith("| FAILS in test_z |")


CONFTEST = """
from tests.conftest import (
    pytest_collection_modifyitems, pytest_configure, pytest_runtest_logreport, pytest_runtest_makereport, pytest_sessionfinish,
)
from tools import scenarios

def shown(new):
    for one in new:
        print("shown", one.test, one.scenarios, one.passed, one.cases)

scenarios.record = shown
"""


@pytest.fixture
def made(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A directory whose tests run under the hooks of this one, and print what they would record."""
    monkeypatch.setenv("PYTHONPATH", str(scenarios.ROOT))
    pytester.makeconftest(CONFTEST)
    return pytester


def test_an_unknown_scenario_is_an_error_of_collection(made: pytest.Pytester) -> None:
    made.makepyfile("import pytest\n@pytest.mark.scenario('A1', 'A99')\ndef test_a(): ...")
    result = made.runpytest_subprocess("-p", "no:hypothesispytest")
    result.stderr.fnmatch_lines(["ERROR: *::test_a: scenario('A1', 'A99') is not in scenarios.tsv"])


@pytest.mark.parametrize(("recorded", "workers"), [(True, 0), (True, 2), (False, 0)])
def test_what_ran_is_recorded_once_where_it_is_asked_for(
    made: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *, recorded: bool, workers: int
) -> None:
    made.makepyfile(
        test_made="""
        import pytest
        @pytest.mark.scenario("A2", "A1")
        @pytest.mark.parametrize("number", [1, 2, 3])
        def test_a(number):
            assert number < 3
        @pytest.mark.scenario("B1")
        def test_skipped():
            pytest.skip()
        """
    )
    monkeypatch.setenv("RECORD", "1" if recorded else "")
    lines = made.runpytest_subprocess("-s", "-p", "no:hypothesispytest", "-n", str(workers)).outlines
    expected = ["shown test_made.py::test_a ('A1', 'A2') 2 3"] if recorded else []
    assert expected == [line[line.index("shown") :] for line in lines if "shown" in line]
