"""The first matching rule wins, and what is exported adds up to what was seen."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from otel_errsample import _hot
from otel_errsample.rules import Rules
from tests.model.decide import CERTAIN_LOSS
from tests.model.spans import SECOND, make_span


class Clock:
    def __init__(self) -> None:
        self.now = 5 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture(autouse=True, scope="module")
def layout() -> None:
    assert _hot.probe()


def table_of(text: str, clock: Clock | None = None) -> tuple[Any, Any]:
    limits = _hot.Limits(clock or Clock())
    return _hot.RuleTable(Rules.parse(text), limits), limits


# Weights and counts


def test_the_default_rules_keep_five_failures_a_second_of_each_fingerprint_and_count_the_rest() -> None:
    clock = Clock()
    limits = _hot.Limits(clock)
    table = _hot.RuleTable(Rules.default(), limits)
    facts = [_hot.make_facts(fingerprint=f"1-{number:016x}") for number in (1, 2)]
    for _ in range(7):
        for each in facts:
            _hot.verdict(table, make_span(), each)
    assert ("default.errors",) == table.names
    assert (10, 4) == (table.counts()[0]["kept"], table.counts()[0]["suppressed"])
    clock.now += SECOND
    assert ("keep", 0, "erased", 0, 2) == _hot.verdict(table, make_span(), facts[0])[:5]
    assert ("head", -1, "as_is", 0, 0) == _hot.verdict(table, make_span())[:5]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(True, ("keep", -1, "set", 0, 0), id="kept with certainty"),
        pytest.param(False, ("drop", -1, "as_is", 0, 0), id="dropped"),
        pytest.param(1, ("head", 0, "as_is", 0, 0), id="one is not true"),
        pytest.param("true", ("head", 0, "as_is", 0, 0), id="text is not true"),
    ],
)
def test_the_application_decides_before_any_rule(value: object, expected: tuple[object, ...]) -> None:
    table, _ = table_of("head")
    assert expected == _hot.verdict(table, make_span(attributes={"errsample.keep": value}))[:5]
    assert int(expected[1] == 0) == table.counts()[0]["matched"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("keep", ("keep", 0, "set", 0, 0), id="keep"),
        pytest.param("drop", ("drop", 0, "as_is", 0, 0), id="drop"),
        pytest.param("head", ("head", 0, "as_is", 0, 0), id="head"),
        pytest.param("keep 100%", ("keep", 0, "set", 0, 0), id="all"),
        pytest.param("keep 0%", ("sampled_out", 0, "as_is", 0, 0), id="none"),
        pytest.param("keep 1 per hour", ("keep", 0, "erased", 0, 0), id="limited"),
        pytest.param("keep first 1 per hour then 1%", ("keep", 0, "erased", 0, 0), id="first"),
        pytest.param("drop if error; keep", ("keep", 1, "set", 0, 0), id="second rule"),
        pytest.param("shadow drop; keep", ("keep", 1, "set", 0, 0), id="after a shadow"),
        pytest.param("shadow keep 1 per hour", ("head", -1, "as_is", 0, 0), id="only a shadow"),
        pytest.param("", ("head", -1, "as_is", 0, 0), id="no rules"),
    ],
)
def test_every_action_says_its_weight(text: str, expected: tuple[object, ...]) -> None:
    assert expected == _hot.verdict(table_of(text)[0], make_span())[:5]


@pytest.mark.parametrize("randomness_source", ["trace id", "rv"])
def test_a_percentage_keeps_exactly_from_its_threshold_on(randomness_source: str) -> None:
    table, _ = table_of("keep 25%")
    threshold = CERTAIN_LOSS * 3 // 4
    kept = []
    for r in (0, threshold - 1, threshold, CERTAIN_LOSS - 1):
        if randomness_source == "rv":
            span = make_span(trace_state={"other": "rv:1", "ot": f"th:c;rv:{r:014x}"})
        else:
            span = make_span(trace_id=0xABCDEF << 56 | r)
        kept.append(_hot.verdict(table, span)[:4])
    out, kept_one = ("sampled_out", 0, "as_is", 0), ("keep", 0, "set", threshold)
    assert [out, out, kept_one, kept_one] == kept


@pytest.mark.parametrize(
    "ot",
    [
        "rv:0000000000000",
        "rv:000000000000000",
        "rv:0000000000000g",
        "xrv:ffffffffffffff",
        "rv",
        "",
    ],
)
def test_an_unreadable_rv_counts_as_none(ot: str) -> None:
    table, _ = table_of("keep 50%")
    high, low = (make_span(trace_id=1 << 60 | r, trace_state={"ot": ot}) for r in (CERTAIN_LOSS - 1, 1))
    assert ["keep", "sampled_out"] == [_hot.verdict(table, span)[0] for span in (high, low)]


@pytest.mark.parametrize("percent", ["12.5%", "50%", "90%"])
def test_the_weights_of_a_percentage_estimate_the_spans_seen_within_one_per_cent(percent: str) -> None:
    table, _ = table_of(f"keep {percent}")
    draw = random.Random(56)
    estimate = 0.0
    for _ in range(100_000):
        action, _, _, threshold, *_ = _hot.verdict(table, make_span(trace_id=draw.getrandbits(128) | 1 << 127))
        if action == "keep":
            estimate += CERTAIN_LOSS / (CERTAIN_LOSS - threshold)
    assert estimate == pytest.approx(100_000, rel=0.01)


@pytest.mark.parametrize("share", ["25%", "0%"])
def test_first_and_share_together_estimate_what_was_seen(share: str) -> None:
    clock = Clock()
    table, limits = table_of(f"keep first 20 per second by name then {share}", clock)
    draw = random.Random(7)
    seen, estimate = 50_000, 0.0
    for number in range(seen):
        clock.now = number * SECOND // 1000
        span = make_span(f"name {number % 3}", trace_id=draw.getrandbits(128) | 1 << 127)
        action, _, weight, threshold, carried, *_ = _hot.verdict(table, span)
        if action == "keep":
            estimate += CERTAIN_LOSS / (CERTAIN_LOSS - threshold) if weight == "set" else 1 + carried
    estimate += sum(limits.pending().values())
    # Where the share is 0 %, nobody has a weight, and counting makes the sum exact.
    assert estimate == (seen if share == "0%" else pytest.approx(seen, rel=0.01))


def test_counters_tell_what_every_rule_did_and_a_shadow_what_it_would_have_done() -> None:
    table, _ = table_of('a: shadow keep 1 per hour; b: drop if name == "x"; c: keep 0% if root; d: head')
    for name, root in (("x", True), ("y", True), ("z", False)):
        _hot.verdict(table, make_span(name, root=root))
    counted = {
        row["name"]: {key: value for key, value in row.items() if value and key != "name"} for row in table.counts()
    }
    assert {
        "a": {"matched": 3, "kept": 1, "suppressed": 2, "shadowed": 3},
        "b": {"matched": 1, "dropped": 1},
        "c": {"matched": 1, "sampled_out": 1},
        "d": {"matched": 1},
    } == counted


def test_a_look_asks_every_rule_and_spends_nothing() -> None:
    table, limits = table_of(
        'a: keep 1 per hour by kind if error; b: drop if http.route == "/a"; c: head if a.b exists'
    )
    facts = _hot.make_facts(kind="bug")
    for _ in range(3):
        looked = table.look(make_span(attributes={"http.method": "GET", "http.route": "/a"}), facts)
        assert ((True, True, False), ("bug", "/a", None)) == looked
    assert ((False, True, False), (None, "/a", None)) == table.look(make_span(attributes={"http.route": "/a"}))
    assert [0, 0, 0] == [count["matched"] for count in table.counts()]
    assert [0] == list(limits.pending().values())


def test_keys_that_share_a_slot_share_its_budget_and_the_sums_stay_exact() -> None:
    clock = Clock()
    table, limits = table_of('keep 1 per second by attributes["id"]', clock)
    outcomes: Counter[str] = Counter()
    carried = 0
    for _ in range(3):
        clock.now += SECOND
        for number in range(3000):
            verdict = _hot.verdict(table, make_span(attributes={"id": number}))
            outcomes[verdict[0]] += 1
            carried += verdict[4]
    assert 3 * 1024 >= outcomes["keep"] > 1024
    assert 9000 == outcomes["keep"] + carried + sum(limits.pending().values())


def test_a_missing_key_is_one_shared_key() -> None:
    table, _ = table_of("keep 1 per hour by http.route, kind")
    routes = [None, None, "/a", "/a", ("/a",)]
    spans = [make_span(attributes={"http.route": route}) for route in routes]
    assert ["keep", "suppressed", "keep", "suppressed", "suppressed"] == [
        _hot.verdict(table, span)[0] for span in spans
    ]


# Hostile input


class Hostile:
    """Equal in hash to any name it is made for, and angry when compared."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")


def test_an_attribute_key_that_fails_to_compare_is_a_missing_attribute() -> None:
    table, _ = table_of("keep if http.route exists; drop if not http.route exists")
    names: Any = {Hostile("http.route"): 1, Hostile("errsample.keep"): True}
    assert "drop" == _hot.verdict(table, make_span(attributes=names))[0]


def test_a_span_without_context_or_attributes_is_decided_too() -> None:
    span = make_span()
    span._context = span._attributes = None
    assert "sampled_out" == _hot.verdict(table_of("keep 50%")[0], span)[0]
    assert "keep" == _hot.verdict(table_of("keep if not http.route exists")[0], span)[0]


def test_huge_values_are_decided_by_their_type_and_size() -> None:
    table, _ = table_of(
        'a: keep 9 per hour by attributes["k"] if attributes["k"] in ("x", 1) or attributes["k"] > 5 '
        'or attributes["k"] contains "zz"; b: drop'
    )
    values = [10**5000, "y" * 10**6, "y" * 4095 + "zz", "zz" + "y" * 10**6, float("inf"), float("nan")]
    rules = [_hot.verdict(table, make_span(attributes={"k": value}))[1] for value in values]
    assert [0, 1, 1, 0, 0, 1] == rules
