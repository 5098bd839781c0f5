"""tools/readme.py: the tables in the documentation are made from the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_errsample.config import IGNORED, OTLP_VARIABLES, SETTINGS
from otel_errsample.ledger import ENDINGS
from tools.readme import BLOCKS, BlockError, main, render
from tools.table import table

README = Path(__file__).parent.parent / "README.md"

TWO = {"a": lambda: "new a", "b": lambda: "new b"}


def block(name: str, *content: str) -> str:
    return "\n".join([f"<!-- begin generated: {name} -->", *content, f"<!-- end generated: {name} -->", ""])


@pytest.mark.skipif(not README.exists(), reason="no README.md beside the package")
def test_the_repositorys_readme_is_up_to_date() -> None:
    assert main(["--check", str(README)]) == 0
    assert "<!-- begin generated: environment -->" in README.read_text(encoding="utf-8")


@pytest.mark.skipif(not README.exists(), reason="no docs beside the package")
def test_the_commands_print_what_is_documented() -> None:
    assert main(["--check", str(README.parent / "docs" / "cli.md")]) == 0


def test_blocks_are_replaced_and_the_rest_stays() -> None:
    text = "before\n" + block("b", "old", "old") + "between\n" + block("a") + "after\n"
    expected = "before\n" + block("b", "new b") + "between\n" + block("a", "new a") + "after\n"
    assert expected == render(text, TWO)
    assert expected == render(expected, TWO)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(block("c"), "line 1: 'c' is no block; hint: the blocks are a, b", id="unknown"),
        pytest.param("x\n<!-- begin generated: a -->\n", "line 2: the end of the block 'a' is missing", id="open"),
        pytest.param("<!-- end generated: a -->\n", "line 1: .* is not expected here", id="end alone"),
        pytest.param(block("a", block("b")), "line 2: .* is not expected inside 'a'", id="nested"),
        pytest.param(
            "<!-- begin generated: a -->\n<!-- end generated: b -->\n", "line 2: .* inside 'a'", id="crossing"
        ),
    ],
)
def test_wrong_markers_are_refused_with_their_line(text: str, message: str) -> None:
    with pytest.raises(BlockError, match=message):
        render(text, TWO)


def test_a_bar_in_a_cell_is_escaped() -> None:
    assert table(("A", "B"), [("x|y", "z")]).splitlines()[2] == r"| x\|y | z |"


def test_the_environment_table_names_every_variable() -> None:
    text = BLOCKS["environment"]()
    names = [setting.variable for setting in SETTINGS] + list(IGNORED)
    for variable in OTLP_VARIABLES:
        names += [f"OTEL_EXPORTER_OTLP_{variable.suffix}", f"OTEL_EXPORTER_OTLP_TRACES_{variable.suffix}"]
    assert [name for name in names if f"`{name}`" not in text] == []
    assert len(text.splitlines()) == 2 + len(SETTINGS) + len(OTLP_VARIABLES) + len(IGNORED)


@pytest.mark.parametrize(
    ("variable", "default", "values"),
    [
        ("OTEL_ERRSAMPLE_MAX_BUFFER_BYTES", "16777216 (16 MiB)", "65536 (64 KiB) to 4294967296 (4 GiB)"),
        ("OTEL_ERRSAMPLE_FLUSH_ERRORS_MS", "200 ms", "0 to 60000"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512 spans", "1 to 65536"),
        ("OTEL_ERRSAMPLE_SCOPE", "`path`", "one of span, path, trace"),
        ("OTEL_ERRSAMPLE_IN_APP_INCLUDE", "unset", "a comma separated list"),
    ],
)
def test_a_row_of_the_environment_table(variable: str, default: str, values: str) -> None:
    assert f"| `{variable}` | {default} | {values} | " in BLOCKS["environment"]()


def test_the_endings_table_names_every_ending() -> None:
    rows = BLOCKS["endings"]().splitlines()[2:]
    assert [f"`{ending}`" for ending in ENDINGS] == [row.split(" | ")[0].removeprefix("| ") for row in rows]


def test_check_reports_a_stale_file_and_leaves_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "README.md"
    path.write_text(block("endings", "old"), encoding="utf-8")
    assert main(["--check", str(path)]) == 1
    assert path.read_text(encoding="utf-8") == block("endings", "old")
    assert "run python -m tools.readme" in capsys.readouterr().err


def test_without_check_the_file_is_written_and_then_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(block("endings", "old"), encoding="utf-8")
    assert main([str(path)]) == 0
    assert path.read_text(encoding="utf-8") == block("endings", BLOCKS["endings"]())
    assert main(["--check", str(path)]) == 0


def test_wrong_markers_end_the_command_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(block("nothing"), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"README.md: line 1: 'nothing' is no block"):
        main([str(path)])
