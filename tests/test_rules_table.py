"""The flat table: jumps, folding for spans without failure, exact thresholds."""

from __future__ import annotations

import pytest

from otel_errsample.rules import Rules
from otel_errsample.rules.parser import parse
from otel_errsample.rules.report import Report
from otel_errsample.rules.table import CERTAIN_LOSS, MATCH, NO_MATCH, Node, Table, compile_table, threshold


def table(text: str) -> Table:
    return compile_table(parse(text, Report(text, "r")))


def test_a_condition_becomes_tests_with_two_places_to_go_on() -> None:
    compiled = table('drop if a.b == 1 and (a.c exists or not d.e like "x")')
    assert (0, 2) == compiled.failed[0]
    assert (
        Node("like", 0, "x", NO_MATCH, MATCH),
        Node("exists", 1, None, MATCH, 0),
        Node("==", 2, 1, 1, NO_MATCH),
    ) == compiled.nodes[:3]
    assert (("attribute", ("d.e",)), ("attribute", ("a.c",)), ("attribute", ("a.b",))) == compiled.operands


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("error", False),
        ("error and root", False),
        ('kind == "bug" or exception is ValueError', False),
        ('not (not error or name == "x")', False),
        ('message contains "x"', False),
        ("error or root", True),
        ("not error", True),
        ('kind == "bug" or duration > 1', True),
        ("not cause exists", True),
        ('span.kind == "server" and sampled', True),
        ("http.route exists", True),
        ('endpoint == "x" and resource["a"] exists', True),
    ],
)
def test_a_rule_knows_whether_it_can_match_a_span_where_nothing_failed(condition: str, expected: bool) -> None:
    compiled = table(f"keep if {condition}")
    assert 1 == len(compiled.failed)
    assert expected == bool(compiled.clean)


def test_what_is_always_true_of_such_a_span_needs_no_test() -> None:
    compiled = table("shadow drop if not error; keep if not kind exists; drop if root")
    assert ((0, MATCH), (1, MATCH)) == compiled.clean
    assert 3 == len(compiled.failed)


@pytest.mark.parametrize(
    ("condition", "op", "mask"),
    [
        ('kind == "business"', "kind", 0b1),
        ('kind != "business"', "kind", 0b111111111111110),
        ("kind in client", "kind", 0b110),
        ('severity >= "error"', "severity", 0b11000),
        ('severity < "error"', "severity", 0b00111),
        ('recovery <= "backoff"', "recovery", 0b11),
        ('recovery > "degrade"', "recovery", 0b11000000000),
        ('span.kind in ("server", "consumer")', "span.kind", 0b10010),
        ("span.kind exists", "span.kind", 0b11111),
    ],
)
def test_a_closed_list_becomes_a_mask(condition: str, op: str, mask: int) -> None:
    assert Node(op, -1, mask, MATCH, NO_MATCH) == table(f"keep if {condition}").nodes[0]


@pytest.mark.parametrize(
    ("condition", "yes", "no"),
    [("kind in third_party", MATCH, NO_MATCH), ("kind not in third_party", NO_MATCH, MATCH)],
)
def test_a_third_party_is_a_dependency_that_was_called_outside(condition: str, yes: int, no: int) -> None:
    compiled = table(f"keep if {condition}")
    host, caller, fault = compiled.nodes
    assert ((0, 2),) == compiled.failed
    assert () == compiled.clean
    assert Node("fault", -1, 0b0100, 1, no) == fault
    assert Node("span.kind", -1, 0b11101, 0, no) == caller
    assert ("matches", 0, yes, no) == (host.op, host.operand, host.yes, host.no)
    assert (("peer", ()),) == compiled.operands
    assert callable(host.constant)
    assert ["pay.example.com", None] == [host.constant("pay.example.com"), host.constant("db.internal")]


def test_what_is_the_users_own_is_known_when_the_table_is_made() -> None:
    rules = Rules.parse("keep if kind in third_party")
    (host, *_) = rules._table_inside(["example.com"]).nodes
    assert callable(host.constant)
    assert [None, "pay.example.org"] == [host.constant("pay.example.com"), host.constant("pay.example.org")]
    assert rules._table is rules._table_inside(())


def test_a_set_has_one_test_per_type_of_value() -> None:
    compiled = table('keep if a.b not in (1, "x", true, 1.0, "y")')
    assert [frozenset({"x", "y"}), frozenset({1}), frozenset({True})] == [node.constant for node in compiled.nodes[:3]]
    assert [(MATCH, NO_MATCH), (MATCH, 0), (MATCH, 1)] == [(node.yes, node.no) for node in compiled.nodes[:3]]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("error == true", (MATCH, NO_MATCH)),
        ("error != true", (NO_MATCH, MATCH)),
        ("error in (false,)", (NO_MATCH, MATCH)),
        ("error not in (false,)", (MATCH, NO_MATCH)),
    ],
)
def test_a_flag_becomes_one_test(condition: str, expected: tuple[int, int]) -> None:
    node = table(f"keep if {condition}").nodes[0]
    assert ("error", *expected) == (node.op, node.yes, node.no)


def test_classes_are_numbered_and_builtins_have_no_module() -> None:
    compiled = table("keep if exception is builtins.OSError or cause is OSError or exception is a.B")
    assert ("a.B", "OSError") == compiled.targets
    assert ["exception is", "cause is", "exception is"] == [node.op for node in compiled.nodes]


@pytest.mark.parametrize(
    ("percent", "expected"),
    [
        (100, 0),
        (0, CERTAIN_LOSS),
        (50, 1 << 55),
        (25, 3 << 54),
        (0.1, round(CERTAIN_LOSS * 999 / 1000)),
        (1e-20, CERTAIN_LOSS),
        (33.3, 48062415223297933),
    ],
)
def test_a_threshold_is_the_exact_decimal_rounded_once(percent: float, expected: int) -> None:
    assert expected == threshold(percent)


def test_an_action_has_its_numbers_and_names_its_limit() -> None:
    first = table("a: keep first 3 per minute by service, http.method then 50% if error").actions[0]
    assert ("first", "", False, 1 << 55, 3, 60_000_000_000) == first[:6]
    assert "a: keep first 3 per minute by service, http.method then 50%" == first.limiter
    compiled = table("b: shadow keep path 2 per hour by service, http.method")
    assert ("bucket", "path", True) == compiled.actions[0][:3]
    keys = [compiled.operands[key] for key in compiled.actions[0].keys]
    assert [("resource", ("service.name",)), ("attribute", ("http.method", "http.request.method"))] == keys
