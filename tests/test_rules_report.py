"""Problems: collected in the order of the text, raised at once, bounded."""

from __future__ import annotations

import pickle

import pytest

from otel_errsample.errors import Problem, RuleError
from otel_errsample.rules.report import MAX_PROBLEMS, Report, did_you_mean


def test_nothing_is_raised_without_problems() -> None:
    Report("keep", "r").finish()


def test_all_problems_are_raised_in_the_order_of_the_text() -> None:
    report = Report("one\ntwo three", "app.rules")
    report.add(8, "three", "later", "write four")
    report.add(0, "one", "earlier")
    with pytest.raises(ValueError, match="earlier") as caught:
        report.finish()
    assert isinstance(caught.value, RuleError)
    assert (
        Problem("app.rules", 1, 1, "one", "earlier"),
        Problem("app.rules", 2, 5, "three", "later", "write four"),
    ) == caught.value.problems
    assert "app.rules:1:1: earlier\napp.rules:2:5: later (write four)" == str(caught.value)


def test_what_is_found_in_a_text_inside_stands_in_the_whole_text() -> None:
    report = Report("key: |\n  keep\nend", "app.yaml")
    report.add(14, "end", "last")
    report.within(lambda at: 9 + at).add(0, "keep", "first")
    with pytest.raises(RuleError) as caught:
        report.finish()
    assert "app.yaml:2:3: first\napp.yaml:3:1: last" == str(caught.value)


def test_the_offending_text_is_cut() -> None:
    with pytest.raises(RuleError) as caught:
        Report("", "r").stop(0, "x" * 1000, "too much")
    assert "x" * 60 == caught.value.problems[0].text


def test_the_fiftieth_problem_ends_the_search() -> None:
    report = Report("", "r")
    for _ in range(MAX_PROBLEMS - 1):
        report.add(0, "", "bad")
    with pytest.raises(RuleError) as caught:
        report.add(0, "", "bad")
    assert MAX_PROBLEMS == len(caught.value.problems)


def test_a_rule_error_survives_pickling() -> None:
    error = RuleError([Problem("r", 1, 2, "x", "bad", "better")])
    assert error.problems == pickle.loads(pickle.dumps(error)).problems


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("severty", "did you mean 'severity'?"),
        ("KIND", "did you mean 'kind'?"),
        ("elephant", ""),
        ("severity" * 10, ""),
    ],
)
def test_suggests_the_nearest_word(word: str, expected: str) -> None:
    assert expected == did_you_mean(word, ["kind", "severity"])


def test_what_a_terminal_would_obey_is_shown_as_it_is_written() -> None:
    report = Report("a", "r")
    report.add(0, "\x1b[31m", "unknown key '\x1b[31m\t\x85'", "write: \u202e")
    with pytest.raises(RuleError) as caught:
        report.finish()
    (problem,) = caught.value.problems
    assert ("\\x1b[31m", "unknown key '\\x1b[31m\\t\\x85'", "write: \\u202e") == (
        problem.text,
        problem.message,
        problem.hint,
    )
