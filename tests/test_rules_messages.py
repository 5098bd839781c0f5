"""Each kind of mistake is told in a sentence that says where, what and what to write instead."""

from __future__ import annotations

import pytest

from otel_errsample.errors import Problem, RuleError
from otel_errsample.rules import Rules
from tests.wrong_rules import WRONG_RULES, Wrong


@pytest.mark.parametrize("wrong", WRONG_RULES, ids=lambda wrong: wrong.mistake)
def test_a_wrong_rule_set_is_told_in_these_words(wrong: Wrong) -> None:
    with pytest.raises(RuleError) as caught:
        Rules.parse(wrong.text, "app.rules")
    assert [f"app.rules:{problem}" for problem in wrong.problems] == str(caught.value).splitlines()


@pytest.mark.parametrize("wrong", WRONG_RULES, ids=lambda wrong: wrong.mistake)
def test_a_problem_points_at_the_piece_it_is_about(wrong: Wrong) -> None:
    with pytest.raises(RuleError) as caught:
        Rules.parse(wrong.text)
    lines = wrong.text.split("\n")
    for problem in caught.value.problems:
        assert isinstance(problem, Problem)
        assert lines[problem.line - 1].startswith(problem.text.split("\n")[0], problem.column - 1)


def test_there_are_thirty_mistakes_and_more() -> None:
    assert 30 <= len(WRONG_RULES) == len({wrong.mistake for wrong in WRONG_RULES})
