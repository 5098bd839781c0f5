"""The rules in the README and docs are rules, and do what the page says they do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from otel_errsample import _hot
from otel_errsample.rules import Rules
from otel_errsample.rules.document import read
from tests.model.decide import CERTAIN_LOSS
from tests.model.spans import make_span

ROOT: Final = Path(__file__).parent.parent
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SECOND: Final = 10**9
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    place: str
    text: str


def blocks(language: str) -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in _FENCE.finditer(text):
            if found.group(1) == language:
                line = text.count("\n", 0, found.start()) + 1
                yield Block(f"{page.relative_to(ROOT)}:{line}", found.group(2))


def cells() -> Iterator[Block]:
    """The rules in the last column of the tables that set another tool's words beside ours."""
    page = ROOT / "docs" / "rules.md"
    inside = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        inside = line.endswith("| There | Here |") or (inside and line.startswith("|"))
        rule = re.search(r"`([^`]+)` \|$", line)
        if inside and rule:
            yield Block(f"docs/rules.md:{number}", rule.group(1))


RULES: Final = list(blocks("rules"))
CELLS: Final = list(cells())


@pytest.fixture(autouse=True, scope="module")
def layout() -> None:
    assert _hot.probe()


def test_no_block_of_rules_escapes_for_want_of_its_language() -> None:
    for block in blocks(""):
        assert not re.search(r"^(\S+:\s+)?(keep|drop|head|shadow)\b", block.text, re.MULTILINE), block.place


@pytest.mark.parametrize("block", RULES, ids=lambda block: block.place)
def test_every_block_of_rules_can_be_used(block: Block) -> None:
    assert len(Rules.parse(block.text, block.place)) >= 1


def test_every_configuration_file_can_be_used() -> None:
    documents = [
        block for block in blocks("yaml") if re.search("^(rules|classify|settings):", block.text, re.MULTILINE)
    ]
    assert len(documents) >= 2
    for block in documents:
        assert read(block.text, block.place).source == block.place


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.place)
def test_every_rewritten_rule_can_be_used(cell: Block) -> None:
    (name,) = Rules.parse(cell.text, cell.place).names
    assert "rule_1" == name


def test_all_policies_samplers_and_operators_are_rewritten_or_said_to_be_impossible() -> None:
    text = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    collector, refinery = text.split("## Coming from the Collector's tail sampling")[1].split("## Coming from Refinery")
    policies = [
        "always_sample",
        "latency",
        "numeric_attribute",
        "probabilistic",
        "status_code",
        "string_attribute",
        "trace_state",
        "trace_flags",
        "rate_limiting",
        "bytes_limiting",
        "span_count",
        "boolean_attribute",
        "ottl_condition",
        "and",
        "not",
        "drop",
        "composite",
    ]
    assert [] == [policy for policy in policies if f"| `{policy}`" not in collector]
    samplers = [
        "DeterministicSampler",
        "DynamicSampler",
        "EMADynamicSampler",
        "EMAThroughputSampler",
        "WindowedThroughputSampler",
        "TotalThroughputSampler",
        "RulesBasedSampler",
    ]
    operators = "= != < <= > >= starts-with contains does-not-contain exists not-exists has-root-span matches in not-in"
    assert [] == [name for name in (*samplers, *operators.split()) if f"`{name}`" not in refinery]
    assert len(CELLS) >= 40


class Case(NamedTuple):
    """A span, and the actions that come of ending it several times over within one moment."""

    actions: tuple[str, ...]
    attributes: Mapping[str, Any] = {}
    facts: Mapping[str, Any] | None = None
    resource: Mapping[str, Any] = {}
    seconds: float = 0.25
    randomness: int = 0


FAILED: Final = {"kind": "bug", "fingerprint": "1-00000000000000aa"}
DEPENDENCYS: Final = {**FAILED, "fault": "dependency"}
HIGHEST: Final = CERTAIN_LOSS - 1
SHOP: Final = {"service.name": "service-1"}
PRODUCTION: Final = {"deployment.environment.name": "production"}
AMONG_THREE: Final = {"service.name": "service-2"}

# What the page says of every named rule: first spans that it decides, then one like them that it does not.
EFFECTS: Final[dict[str, tuple[list[Case], Case]]] = {
    "health": (
        [Case(("drop",), {"http.route": "/healthz"}), Case(("drop",), {"http.route": "/readyz"})],
        Case((), {"http.route": "/health"}),
    ),
    "noise": (
        [Case(("drop",), facts={"error": False, "exception": "django.http.Http404"})],
        Case((), facts={"error": False, "exception": "django.http.Http400"}),
    ),
    "pay": (
        [
            Case(("keep", "keep"), facts={"exception": "shop.PaymentError", "severity": severity})
            for severity in ("error", "fatal")
        ],
        Case((), facts={"exception": "shop.PaymentError", "severity": "warn"}),
    ),
    "storm": (
        [Case(("keep",) * 5 + ("suppressed",) * 2, facts={**FAILED, "kind": "timeout"})],
        Case((), facts={"kind": "timeout", "error": False}),
    ),
    "client": (
        [
            Case(("keep",), facts={**FAILED, "fault": "caller"}, randomness=CERTAIN_LOSS * 9 // 10 + 1),
            Case(("sampled_out",), facts={**FAILED, "fault": "caller"}, randomness=CERTAIN_LOSS * 9 // 10 - 1),
        ],
        Case((), facts={**FAILED, "fault": "self"}),
    ),
    "slow": ([Case(("keep", "suppressed"), seconds=2.5)], Case((), seconds=2.0)),
    "rest": (
        [
            Case(("keep",) * 3 + ("sampled_out",), facts=FAILED),
            Case(("keep",) * 4, facts={**FAILED, "fingerprint": "1-00000000000000bb"}, randomness=HIGHEST),
        ],
        Case((), facts={**FAILED, "error": False}),
    ),
    "default.errors": (
        [Case(("keep",) * 5 + ("suppressed",), facts=FAILED)],
        Case((), facts={**FAILED, "error": False}),
    ),
    "never": ([Case(("drop",), {"app.do_not_sample": True, "app.force_sample": True})], Case((), {"app.x": True})),
    "forced": ([Case(("keep",), {"app.force_sample": True})], Case((), {"app.force_sample": "yes"}, resource=SHOP)),
    "others": ([Case(("keep",), resource={"service.name": "service-9"}), Case(("keep",))], Case((), resource=SHOP)),
    "errors": ([Case(("keep",), facts=FAILED, resource=SHOP)], Case((), resource=SHOP)),
    "probes": (
        [
            Case(("sampled_out",), {"http.route": "/live"}, resource=SHOP, randomness=CERTAIN_LOSS * 998 // 1000),
            Case(("keep",), {"http.route": "/ready"}, resource=AMONG_THREE, randomness=HIGHEST),
        ],
        Case((), {"http.route": "/liv"}, resource=SHOP),
    ),
    "noisy": (
        [
            Case(("sampled_out",), {"http.route": "/v1/name/x"}, resource=SHOP, randomness=CERTAIN_LOSS * 98 // 100),
            Case(("keep",), {"http.route": "/v1/name/x"}, resource=SHOP, randomness=HIGHEST),
        ],
        Case((), {"http.route": "/v1/name/"}, resource=SHOP),
    ),
    "first": ([Case(("keep",), {"http.route": "/v1/name/"}, resource=SHOP)], Case((), resource=AMONG_THREE)),
    "quiet": ([Case(("drop",), resource=AMONG_THREE)], Case((), resource=SHOP)),
    "alive": ([Case(("drop",), {"http.route": "/healthz"})], Case((), {"http.route": "/readyz"})),
    "long": ([Case(("keep",), seconds=1.001)], Case((), seconds=1.0)),
    "basket": (
        [Case(("keep",), {"cart.items": 50}), Case(("keep",), {"cart.items": 100})],
        Case((), {"cart.items": 101}),
    ),
    "share": (
        [
            Case(("keep",), randomness=CERTAIN_LOSS * 15 // 16),
            Case(("sampled_out",), randomness=CERTAIN_LOSS * 15 // 16 - 1),
        ],
        Case((), facts=FAILED),
    ),
    "known": (
        [Case(("keep", "sampled_out"), {"url.path": "/a"}, resource=PRODUCTION)],
        Case((), {"url.path": "/a"}),
    ),
    "default": ([Case(("keep", "keep"), {"url.path": "/a"})], Case((), resource=PRODUCTION)),
    "theirs": (
        [
            Case(("keep", "suppressed"), {"server.address": "pay.example.org"}, DEPENDENCYS),
            Case(("keep", "suppressed"), {"net.peer.name": "8.8.8.8"}, DEPENDENCYS),
        ],
        Case((), {"server.address": "postgres"}, DEPENDENCYS),
    ),
    "ours": (
        [Case(("keep", "keep"), {"url.full": "http://pay.svc.cluster.local/"}, DEPENDENCYS)],
        Case((), {"server.address": "postgres"}, FAILED),
    ),
}


def decided(block: Block, case: Case) -> list[tuple[str, str]]:
    """The rule that decided and what it said, for each time the span ends."""
    rules = Rules.parse(block.text)
    table = _hot.RuleTable(rules, _hot.Limits(lambda: SECOND))
    facts = None if case.facts is None else _hot.make_facts(**case.facts)
    span = make_span(
        attributes=case.attributes,
        resource=case.resource,
        seconds=case.seconds,
        trace_id=1 << 100 | case.randomness,
    )
    verdicts = [_hot.verdict(table, span, facts) for _ in range(max(len(case.actions), 1))]
    return [(rules.names[verdict[1]] if verdict[1] >= 0 else "", verdict[0]) for verdict in verdicts]


NAMED: Final = [(block, name) for block in RULES for name in Rules.parse(block.text).names if name != "try"]


@pytest.mark.parametrize(("block", "name"), NAMED, ids=[f"{block.place} {name}" for block, name in NAMED])
def test_a_rule_does_what_the_page_says(block: Block, name: str) -> None:
    taken, left = EFFECTS[name]
    for case in taken:
        assert [(name, action) for action in case.actions] == decided(block, case)
    ((other, _),) = decided(block, left)
    assert name != other


def test_the_rule_that_is_tried_out_counts_and_leaves_the_decision() -> None:
    (block,) = [block for block in RULES if "try:" in block.text]
    table = _hot.RuleTable(Rules.parse(block.text), _hot.Limits(lambda: SECOND))
    facts = _hot.make_facts(error=False, message="this call is deprecated")
    assert ("head", -1) == _hot.verdict(table, make_span(), facts)[:2]
    counted = {row["name"]: row for row in table.counts()}["try"]
    assert (1, 1, 1) == (counted["matched"], counted["dropped"], counted["shadowed"])
