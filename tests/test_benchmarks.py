"""The registry of cases: every one can be measured on both sides, and proves what it was timed for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import arms, instructions, render, spans, wall
from benchmarks.__main__ import apart
from benchmarks.cases import CASES, STAGES, Case, chosen
from benchmarks.result import Result
from benchmarks.sides import Arm, Tally
from benchmarks.target import Target, Values, at_most, most_memory, of_noop, of_stock

CASES_BY_KEY = [pytest.param(case, id=case.key) for case in CASES]


def test_every_stage_has_a_case() -> None:
    assert set(STAGES) == {case.key.partition("_")[0] for case in CASES}


def test_keys_and_sentences_are_unique() -> None:
    assert len(CASES) == len({case.key for case in CASES}) == len({case.sentence for case in CASES})


@pytest.mark.parametrize("case", CASES_BY_KEY)
def test_a_name_is_a_sentence_and_a_key_one_word_per_part(case: Case) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", case.key)
    assert case.sentence[0].isupper() or case.sentence.startswith("p99.9 ")
    assert len(case.sentence.split()) >= 5


@pytest.mark.parametrize("case", CASES_BY_KEY)
def test_ours_is_compared_with_stock_or_with_what_the_sentence_says_noop_is(case: Case) -> None:
    assert "ours" in case.arms
    assert "stock" in case.arms or "noop:" in case.sentence
    assert set(case.arms) <= {"noop", "stock", "ours"}


@pytest.mark.parametrize("case", CASES_BY_KEY)
def test_both_sides_run_and_every_span_meets_the_ending_it_is_timed_for(case: Case) -> None:
    for name, make in case.arms.items():
        arm = make()
        try:
            arm.reset()
            arm.run(3)
            arm.reset()
            tally = arm.tally()
        finally:
            arm.close()
        if tally is not None:
            assert (name, tally.ended) == (name, tally.met)


def test_prepared_spans_have_the_sizes_the_figures_speak_of() -> None:
    assert pytest.approx(spans.wire_size(spans.typical(16)), rel=0.1) == 500
    assert pytest.approx(spans.wire_size(spans.failed(16)), rel=0.1) == 3200
    assert len(spans.typical(16)[0].attributes or {}) == 10


def test_a_prefix_chooses_the_cases_of_a_stage() -> None:
    assert {"encode"} == {case.key.partition("_")[0] for case in chosen("encode_")}


@pytest.mark.parametrize("case", CASES_BY_KEY)
def test_a_key_chooses_its_case_alone(case: Case) -> None:
    """One that began other keys would be handed from process to process without end."""
    assert [case] == chosen(case.key)


def test_a_case_that_cannot_be_measured_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(subprocess.CalledProcessError):
        apart(CASES[0], False)


def case_of(make: arms.MakeArm, *targets: Target) -> Case:
    return Case("encode_nothing", "Nothing is encoded at all here", {"ours": make}, targets)


def test_arms_take_turns_and_are_reset_before_every_timed_run() -> None:
    said: list[str] = []

    def make(name: str) -> arms.MakeArm:
        return lambda: Arm(lambda rounds: said.append(f"{name} {rounds}"), lambda: said.append(f"{name} reset"))

    case = Case("encode_nothing", "Nothing is encoded at all here", {"stock": make("stock"), "ours": make("ours")})
    wall.measure(case, repeats=2, rounds=7)
    turns = ["stock", "ours", "stock", "ours", "ours", "stock"]  # once to warm up, then in turned order
    assert said == [word for name in turns for word in (f"{name} reset", f"{name} 7")] + ["stock reset", "ours reset"]


def test_a_case_whose_spans_met_another_ending_is_not_valid() -> None:
    case = case_of(lambda: Arm(lambda rounds: None, tally=lambda: Tally(ended=10, met=9, delivered=9)))
    result = wall.measure(case, repeats=1, rounds=1).to_json()
    assert result["valid"] is False
    assert result["arms"]["ours"]["not_as_expected"] == 1
    assert "INVALID" in render.plain({"cases": {case.key: result}})


@pytest.mark.parametrize(
    ("target", "values", "median", "met"),
    [
        pytest.param(at_most(2.0), {"noop": [1, 1, 1], "ours": [2, 3, 9]}, 2, True, id="over-noop"),
        pytest.param(at_most(2.0), {"ours": [2.5]}, 2.5, False, id="without-noop"),
        pytest.param(of_stock(1 / 4), {"noop": [1], "stock": [9], "ours": [3]}, 0.25, True, id="share-of-stock"),
        pytest.param(of_stock(1 / 4), {"stock": [8], "ours": [3]}, 0.375, False, id="too-large-a-share"),
        pytest.param(of_noop(1.5), {"noop": [2], "ours": [3]}, 1.5, True, id="factor-of-noop"),
        pytest.param(most_memory(1.5, 64), {"noop": [100], "ours": [214]}, 64, True, id="memory"),
        pytest.param(most_memory(1.5, 64), {"noop": [100], "ours": [215]}, 65, False, id="too-much-memory"),
    ],
)
def test_a_target_is_checked_on_the_median_of_paired_repeats(
    target: Target, values: Values, median: float, met: bool
) -> None:
    check = target.check(values)
    assert (median, met) == (check["median"], check["met"])


def test_results_survive_json_and_become_a_row_per_case(tmp_path: Path) -> None:
    case = case_of(lambda: Arm(lambda rounds: None), of_stock(1 / 2))
    result = Result(case, {"stock": [10.0, 12.0, 11.0], "ours": [1.0, 1.2, 1.1]}).to_json()
    machine = {"date": "2026-01-01", "cores": 2, "processor": "a processor", "python": "3.11.7", "sdk": "1.45.2"}
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"machine": machine, "cases": {case.key: result}}))
    lines = render.markdown(path).splitlines()
    row = "| Nothing is encoded at all here |  | 11 (10 to 12) | 1.1 (1 to 1.2) | us | <= 1/2 of stock | 1/10 pass |  |"
    assert row == lines[2]
    assert "opentelemetry-sdk 1.45.2" in lines[-1]


@pytest.mark.parametrize(
    ("count", "baseline", "allowed"),
    [
        pytest.param(10_300, 10_000, True, id="within"),
        pytest.param(50, 10_000, True, id="less"),
        pytest.param(10_301, 10_000, False, id="more"),
        pytest.param(-106, -156, True, id="a-difference-near-zero"),
        pytest.param(-105, -156, False, id="more-than-the-slack"),
        pytest.param(1, None, False, id="no-baseline"),
    ],
)
def test_instructions_beyond_the_baseline_and_its_tolerance_are_reported(
    count: int, baseline: int | None, allowed: bool
) -> None:
    assert allowed == instructions.within(count, baseline, 0.03)


def test_the_sum_of_a_callgrind_file_is_its_last_line() -> None:
    assert instructions.total("version: 1\nevents: Ir\nfn=(1) main\n1 5\n\ntotals: 388306407\n") == 388306407


def test_counted_cases_need_no_receiver_and_no_grpc() -> None:
    assert not [case.key for case in CASES if case.counted and case.key.startswith("export_")]
