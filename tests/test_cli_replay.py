"""`otel-errsample replay` on files, pipes and what is neither whole nor a recording."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from otel_errsample.cli import recording, replay
from tests.command import Command
from tests.failing import event, make_span
from tests.recorded import line_of, recorded

RULES = """\
health: drop if name == "health"
try:    shadow keep 0% if root
quiet:  drop if duration > 1000
pay:    keep if exception is shop.PaymentError
"""
HEALTH = make_span(name="health")
FAILED = make_span(name="pay", status="ERROR", events=[event("shop.PaymentError", "declined")])
PLAIN = make_span(name="plain")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(tmp_path, monkeypatch)


@pytest.fixture
def rules(command: Command) -> str:
    return command.write("r.rules", RULES)


def test_the_counts_are_a_table_that_adds_up(command: Command, rules: str) -> None:
    traces = command.write("t.jsonl", line_of(HEALTH, FAILED) + "\n" + line_of(PLAIN, HEALTH) + line_of(FAILED))
    done = command("replay", rules, traces)
    sizes = [line.rsplit("  ", 1)[1].strip() for line in done.out.splitlines()[5:]]
    assert (0, "") == (done.code, done.err)
    head = done.out.splitlines()[1]
    assert head.startswith("kept 3 (60.0 %): ")
    assert head.endswith(" were recorded")
    assert (
        f"""\
5 spans on 3 lines, 2 of them errors
{head}
not kept 2 dropped by rule
errors by kind: 2 unknown

rule            matched  kept  suppressed  sampled out  dropped  bytes
health                2     -           -            -        2      -
try (shadow)          3     -           -            3        -      -
quiet                 -     -           -            -        -      -
pay                   2     2           -            -        -  {sizes[4]}
default.errors        -     -           -            -        -      -
no rule               1     1                                     {sizes[6]:>4}
"""
        == done.out
    )


def test_files_of_any_kind_are_read_one_after_the_other(command: Command, rules: str) -> None:
    plain = command.write("a.jsonl", line_of(HEALTH))
    packed = command.write("b.gz", gzip.compress(line_of(FAILED).encode()) + gzip.compress(line_of(PLAIN).encode()))
    done = command("replay", rules, plain, packed, "-", "--json", stdin=line_of(FAILED, PLAIN))
    assert (0, 5, 4, 4) == (done.code, done.json["spans"], done.json["lines"], done.json["kept"])
    assert done.json["balanced"]
    assert [] == done.json["unreadable"]


def test_bad_lines_are_reported_and_the_others_count(command: Command, rules: str) -> None:
    traces = command.write("t.jsonl", line_of(FAILED) + "{\n" + '{"a": "b' + "\n[]\n" + 6 * "5\n" + line_of(PLAIN))
    done = command("replay", rules, traces)
    assert (1, "") == (done.code, done.err)
    assert "2 spans on 11 lines, 1 of them errors; 9 bad lines" == done.out.splitlines()[0]
    assert [
        f"bad line {traces}:2:2: expecting property name enclosed in double quotes",
        f"bad line {traces}:3:7: unterminated string",
        f"bad line {traces}:4: is expected to be an object, got a list",
    ] == [line for line in done.out.splitlines() if line.startswith("bad line")][:3]
    assert "bad line 4 more" in done.out.splitlines()
    values = command("replay", rules, traces, "--json").json
    assert (9, 5) == (values["bad_lines"]["count"], len(values["bad_lines"]["first"]))


def test_a_file_laid_out_over_many_lines_comes_with_a_hint(command: Command, rules: str) -> None:
    done = command("replay", rules, "-", stdin=json.dumps(recorded([PLAIN]), indent=1))
    assert 1 == done.code
    assert "One TracesData a line is expected; `jq -c .` writes one that is laid out over many lines so." in done.out


def test_a_file_that_ends_early_counts_as_far_as_it_goes(command: Command, rules: str, tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(line_of(make_span(span_id=number + 1)).encode() for number in range(2000)))
    half = command.write("half.gz", packed[: len(packed) // 2])
    good = command.write("good.jsonl", line_of(FAILED))
    missing = str(tmp_path / "missing")
    done = command("replay", rules, half, missing, good, "--json")
    assert (2, True) == (done.code, done.json["balanced"])
    assert 100 < done.json["spans"] < 2001
    assert 1 == done.json["errors"], "the last file was read"
    assert [
        f"{half}: compressed file ended before the end-of-stream marker was reached",
        f"{missing}: No such file or directory",
    ] == done.json["unreadable"]
    assert [f"otel-errsample: {message}" for message in done.json["unreadable"]] == done.err.splitlines()


def test_an_interrupt_shows_what_was_counted_so_far(
    command: Command, rules: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines(_: io.BufferedIOBase) -> Any:
        yield 1, line_of(PLAIN).encode()
        raise KeyboardInterrupt

    monkeypatch.setattr(recording, "lines_of", lines)
    done = command("replay", rules, "-", stdin="x", terminal=False)
    assert 130 == done.code
    assert done.out.startswith("1 spans on 1 lines")


def test_an_empty_recording_is_fine(command: Command, rules: str) -> None:
    done = command("replay", rules, "-", "--json", stdin="\n\n")
    assert (0, 0, 0) == (done.code, done.json["lines"], done.json["spans"])


def test_a_recording_cannot_speak_to_the_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    rules = command.write("r.rules", 'a: keep if name == "x"')
    for terminal in (False, True):
        done = command("replay", rules, "-", stdin='{"resourceSpans": "\\u001b[2J\\u202e"}\n\x1b[2J', terminal=terminal)
        assert 1 == done.code
        assert all(line.isprintable() for line in done.out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-", "-"], "otel-errsample: the standard input can be read only once\n"),
        (["r.rules"], "the following arguments are required: TRACES"),
        (["r.rules", "x", "--head", "-1"], "argument --head: a number from 0 to 1 is expected, got -1"),
        (["nowhere.rules", "x"], "otel-errsample: nowhere.rules: No such file or directory\n"),
    ],
)
def test_wrong_arguments_are_refused(command: Command, arguments: list[str], said: str) -> None:
    done = command("replay", *arguments)
    assert (2, "") == (done.code, done.out)
    assert said in done.err


def test_a_pipe_has_no_size_to_show(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert 10 == replay._total([str(tmp_path / "a")] * 2)
    assert replay._total([str(tmp_path / "a"), "-"]) is None
