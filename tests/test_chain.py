"""Chains and groups are followed as `traceback` prints them, within bounds, whatever refers to what."""

from __future__ import annotations

from typing import Any

import pytest

from otel_errsample import _hot
from tests.failing import caused
from tests.failures import HAS_GROUPS, failing

CLASSIFIER = _hot.Classifier()
needs_groups = pytest.mark.skipif(not HAS_GROUPS, reason="groups came with 3.11")


def group(*leaves: Exception) -> Any:
    return ExceptionGroup("several", leaves)  # type: ignore[name-defined,unused-ignore]  # noqa: F821


@pytest.mark.parametrize(
    ("explicit", "suppressed", "chain"),
    [
        (True, False, ("KeyError", "ValueError")),
        (False, False, ("KeyError", "ValueError")),
        (True, True, ("KeyError", "ValueError")),
        (False, True, None),
    ],
    ids=["cause", "context", "cause of which the context is suppressed", "suppressed context"],
)
def test_cause_goes_before_context_unless_that_is_suppressed(
    explicit: bool, suppressed: bool, chain: tuple[str, ...] | None
) -> None:
    error = caused(KeyError("x"), ValueError("root"), explicit)
    error.__suppress_context__ = suppressed
    facts = CLASSIFIER.facts(error)
    assert (chain, chain and "ValueError") == (facts.chain, facts.cause)


def test_a_cycle_is_followed_once() -> None:
    first, second, third = ValueError("a"), KeyError("b"), OSError("c")
    first.__cause__, second.__context__, third.__cause__ = second, third, first
    assert ("ValueError", "KeyError", "OSError") == CLASSIFIER.facts(first).chain


@pytest.mark.scenario("A8")
@pytest.mark.parametrize("explicit", [True, False], ids=["causes", "contexts"])
def test_three_hundred_links_are_read_to_the_eighth(explicit: bool) -> None:
    error: BaseException = ValueError("root")
    for _ in range(300):
        error = caused(RuntimeError("link"), error, explicit)
    facts = CLASSIFIER.facts(error)
    assert ("RuntimeError",) * 8 == facts.chain


@needs_groups
class TestGroups:
    def test_the_worst_leaf_counts(self) -> None:
        facts = CLASSIFIER.facts(group(TimeoutError(), OSError(28, "full"), KeyError("x")))
        assert ("resource", "fatal", "errno:ENOSPC") == (facts.kind, facts.severity, facts.code)

    def test_a_group_is_cancelled_only_where_every_leaf_was(self) -> None:
        cancelled = type("Stopped", (Exception,), {"errsample_kind": "cancelled"})
        assert not CLASSIFIER.facts(group(cancelled(), group(cancelled()))).error
        facts = CLASSIFIER.facts(group(cancelled(), group(cancelled(), ValueError("x"))))
        assert (True, "bug") == (facts.error, facts.kind)

    def test_a_leaf_is_judged_with_its_own_cause(self) -> None:
        facts = CLASSIFIER.facts(group(caused(RuntimeError("wrapped"), ConnectionResetError(), True)))  # type: ignore[arg-type]
        assert "connection" == facts.kind

    @pytest.mark.scenario("A8")
    def test_a_thousand_leaves_are_looked_at_in_part(self) -> None:
        read: list[int] = []

        class Leaf(Exception):
            def __init__(self, number: int) -> None:
                super().__init__(number)
                self.number = number

            @property
            def status_code(self) -> int:
                read.append(self.number)
                return 503

        facts = CLASSIFIER.facts(group(*(Leaf(number) for number in range(1000))))
        assert "unavailable" == facts.kind
        assert 63 >= len(read)

    def test_groups_in_groups_are_looked_at_in_part(self) -> None:
        error: Exception = ValueError("bottom")
        for _ in range(300):
            error = group(error)
        facts = CLASSIFIER.facts(failing(lambda: raise_(error)))
        assert ("ExceptionGroup", "tests.test_chain:raise_") == (facts.exception, facts.culprit)


def raise_(error: BaseException) -> None:
    raise error
