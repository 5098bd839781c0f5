"""The exceptions are caught as one family or as ValueError, and tell where and what to write instead."""

from __future__ import annotations

import pickle

import pytest

from otel_errsample import ConfigError, ErrsampleError, RuleError
from otel_errsample.errors import Problem

PROBLEMS = [Problem("<rules>", 2, 5, "severty", "no fact of this name", "severity"), Problem("r.txt", 9, 1, "?", "odd")]


@pytest.mark.parametrize("error", [ConfigError("x"), RuleError(PROBLEMS)], ids=["config", "rule"])
def test_every_exception_is_an_errsample_error_and_a_value_error(error: Exception) -> None:
    assert isinstance(error, ErrsampleError)
    assert isinstance(error, ValueError)


def test_a_rule_error_lists_every_problem_with_position_and_hint_where_there_is_one() -> None:
    error = RuleError(PROBLEMS)
    assert "<rules>:2:5: no fact of this name (severity)\nr.txt:9:1: odd" == str(error)
    assert tuple(PROBLEMS) == error.problems


def test_a_rule_error_crosses_process_pools() -> None:
    copy = pickle.loads(pickle.dumps(RuleError(PROBLEMS)))
    assert tuple(PROBLEMS) == copy.problems
