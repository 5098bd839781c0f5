"""The examples of docs/errors.md do what the page says, and its table is that of the attributes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from otel_errsample import _hot
from otel_errsample.taxonomy import AXES, UserRow
from tests.failing import raised

PAGE = (Path(__file__).parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")


def run_examples() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "shop.errors"}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, names)  # the page's own code
    return names


def told(error: BaseException, *rows: UserRow, **codes: Any) -> tuple[Any, ...]:
    facts = _hot.Classifier(user_rows=rows).facts(error, codes=codes or None)
    return facts.kind, facts.domain, facts.severity, facts.recovery


def test_what_the_declarations_say_is_told() -> None:
    names = run_examples()
    assert ("business", "payments", "warn", "none") == told(names["PaymentDeclined"]("no"))
    assert ("business", "payments", "fatal", "none") == told(names["LedgerCorrupt"]("no"))
    assert ("unavailable", "stock", "error", "backoff") == told(names["StockUnknown"]("7"))
    assert ("unavailable", "stock", "warn", "backoff") == told(names["error"])


def test_the_words_of_every_axis_are_on_the_page() -> None:
    for axis, words in AXES.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `errsample.{axis}`"))
        assert ", ".join(words) in row, axis


def test_the_attributes_stand_in_the_order_in_which_they_are_left_out() -> None:
    table = PAGE[PAGE.index("| Attribute |") : PAGE.index("`recovery` says")]
    listed = re.findall(r"`((?:errsample|error)\.[\w.]+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE)))
    inner = raised(lambda: KeyError("root"))
    error = OSError(28, "full")
    error.__cause__ = inner
    error.errsample_domain = "disk"  # type: ignore[attr-defined]
    extra = _hot.enrich(_hot.Classifier().facts(raised(lambda: error)), None, "rule", "span", 1, True)
    assert extra is not None
    elsewhere = [name for name in listed if name.startswith(("errsample.origin.", "errsample.propagated"))]
    of_some = [name for name in listed if name.startswith(("errsample.stack_hash", "errsample.group."))]
    assert [name for name in listed if name not in elsewhere + of_some] == list(extra)
    facts = _hot.make_facts(stack_hash="1-1", group_size=1, group_types=("A",), cause="B")
    extra = _hot.enrich(facts, None, None, None, 0, True)
    assert extra is not None
    assert [*of_some, "errsample.root.type"] == list(extra)[-4:]
