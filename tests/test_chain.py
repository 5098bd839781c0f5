"""Chains and groups are followed as `traceback` prints them, within bounds, whatever refers to what."""

from __future__ import annotations

import asyncio
import functools
import itertools
from typing import Any

import pytest

from otel_errsample import _hot
from tests.failing import caused, raised
from tests.failures import HAS_GROUPS, failing, recorded

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


@pytest.mark.parametrize("explicit", [True, False], ids=["cause", "context"])
def test_what_was_handled_when_the_system_failed_is_not_what_led_to_it(explicit: bool) -> None:
    """A key that is missing in a cache says nothing about the refused connection to where its value is."""

    def fetch() -> None:
        try:
            vars(fetch)["key"]
        except KeyError as error:
            refused = ConnectionRefusedError(111, "refused")
            if explicit:
                raise refused from error
            raise refused  # noqa: B904  the point

    for refused in (failing(fetch), caused(OSError("no"), failing(fetch), True)):
        expected = ("ConnectionRefusedError", *(("KeyError",) if explicit else ()))
        for facts in (CLASSIFIER.facts(refused), CLASSIFIER.facts(event=recorded(refused))):
            assert expected == (facts.chain or (facts.exception,))[-len(expected) :]
            assert "KeyError" == facts.cause or not explicit
    assert CLASSIFIER.facts(failing(fetch)).fingerprint == CLASSIFIER.facts(event=recorded(failing(fetch))).fingerprint


def test_a_time_out_of_asyncio_is_not_led_to_by_how_it_stops() -> None:
    async def main() -> None:
        await asyncio.wait_for(asyncio.sleep(60), 0.001)

    error = failing(lambda: asyncio.run(main()))
    assert isinstance(error.__cause__, asyncio.CancelledError)
    for facts in (CLASSIFIER.facts(error), CLASSIFIER.facts(event=recorded(error))):
        assert ("timeout", None, None) == (facts.kind, facts.chain, facts.cause)
    cancelled = caused(ValueError("x"), asyncio.CancelledError(), True)
    assert "asyncio.exceptions.CancelledError" == CLASSIFIER.facts(cancelled).cause


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

    def test_the_order_of_the_members_does_not_matter(self) -> None:
        leaves = (TimeoutError(), ValueError("x"), type("Unknown", (Exception,), {})())
        told = {CLASSIFIER.facts(group(*order)).kind for order in itertools.permutations(leaves)}
        assert {"bug"} == told

    def test_a_group_is_cancelled_only_where_every_leaf_was(self) -> None:
        cancelled = type("Stopped", (Exception,), {"errsample_kind": "cancelled"})
        assert not CLASSIFIER.facts(group(cancelled(), group(cancelled()))).error
        facts = CLASSIFIER.facts(group(cancelled(), group(cancelled(), ValueError("x"))))
        assert (True, "bug") == (facts.error, facts.kind)

    def test_a_leaf_is_judged_with_its_own_cause(self) -> None:
        facts = CLASSIFIER.facts(group(caused(RuntimeError("wrapped"), ConnectionResetError(), True)))  # type: ignore[arg-type]
        assert "connection" == facts.kind

    def test_a_text_tells_as_much_by_the_names_in_it(self) -> None:
        for leaves in ((ValueError("x"), TimeoutError()), (TimeoutError(),), (asyncio.TimeoutError(), OSError(1, "x"))):
            error = raised(functools.partial(group, *leaves))
            live, text = CLASSIFIER.facts(error), CLASSIFIER.facts(event=recorded(error))
            assert (live.kind, live.recovery, live.severity) == (text.kind, text.recovery, text.severity)
        assert "unknown" == CLASSIFIER.facts(event={"exception.type": "ExceptionGroup", "exception.message": "x"}).kind

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

    def test_the_members_that_are_no_groups_are_counted_and_their_classes_told(self) -> None:
        facts = CLASSIFIER.facts(group(KeyError("x"), group(TimeoutError(), KeyError("y")), OSError(28, "full")))
        assert (4, ("KeyError", "OSError", "TimeoutError")) == (facts.group_size, facts.group_types)
        single = CLASSIFIER.facts(KeyError("x"))
        assert (0, None) == (single.group_size, single.group_types)

    def test_a_thousand_are_counted_and_eight_classes_told(self) -> None:
        classes = [type(f"E{number}", (Exception,), {"__module__": "shop"}) for number in range(20)]
        facts = CLASSIFIER.facts(group(*(classes[number % 20]() for number in range(1000))))
        assert (1000, tuple(sorted(f"shop.E{number}" for number in range(20))[:8])) == (
            facts.group_size,
            facts.group_types,
        )
        assert 1024 == CLASSIFIER.facts(group(*(KeyError() for _ in range(5000)))).group_size

    @pytest.mark.parametrize(("members", "inner", "expected"), [(15, 15, 30), (16, 3, 19), (40, 20, 60), (20, 16, 36)])
    def test_members_that_are_not_printed_are_counted_too(self, members: int, inner: int, expected: int) -> None:
        error = group(group(*(ValueError("a") for _ in range(inner))), *(KeyError("b") for _ in range(members)))
        facts = CLASSIFIER.facts(event=recorded(error))
        assert ("event", expected, ("KeyError", "ValueError")) == (facts.source, facts.group_size, facts.group_types)

    def test_a_message_cannot_add_members(self) -> None:
        forged = "x\n+---------------- ... ----------------\n| and 7 more exceptions\n    +-+- ... -\n    | and 7 more exceptions"
        facts = CLASSIFIER.facts(event=recorded(group(ValueError(forged), KeyError(forged))))
        assert 2 == facts.group_size

    def test_groups_in_groups_are_looked_at_in_part(self) -> None:
        error: Exception = ValueError("bottom")
        for _ in range(300):
            error = group(error)
        facts = CLASSIFIER.facts(failing(lambda: raise_(error)))
        assert ("ExceptionGroup", "tests.test_chain:raise_") == (facts.exception, facts.culprit)


def raise_(error: BaseException) -> None:
    raise error
