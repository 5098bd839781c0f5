"""ledger.py: every ended span has one ending."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_errsample.ledger import ENDING_MEANINGS, ENDINGS, ErrorCount, RuleCount, SpoolCount, Stats

counts = st.integers(0, 1 << 50)


def stats(**fields: object) -> Stats:
    endings = {**dict.fromkeys(ENDINGS, 0), **fields.pop("endings", {})}  # type: ignore[dict-item]
    return Stats(**{"ended": 0, "errors": 0, "endings": endings, **fields})  # type: ignore[arg-type]


def test_the_order_of_the_endings_is_the_numbering_of_the_counters() -> None:
    assert ENDINGS == (
        "delivered", "not_sampled", "dropped_by_rule", "sampled_out", "suppressed", "left_to_head", "thinned", "evicted",
        "buffer_full", "rejected", "export_failed", "undelivered", "delivery_unknown", "spooled", "after_shutdown",
        "internal_error",
    )  # fmt: skip


def test_every_ending_has_a_meaning_on_one_line() -> None:
    assert all(meaning and "\n" not in meaning for meaning in ENDING_MEANINGS.values())


@given(st.lists(counts, min_size=len(ENDINGS), max_size=len(ENDINGS)), counts, counts, st.integers(-3, 3))
def test_balanced_means_that_the_endings_and_the_buffer_add_up(
    numbers: list[int], buffered: int, in_flight: int, off: int
) -> None:
    endings = dict(zip(ENDINGS, numbers, strict=True))
    ledger = stats(
        ended=sum(numbers) + buffered + in_flight + off, endings=endings, buffered=buffered, in_flight=in_flight
    )
    assert (off == 0) == ledger.balanced


def full() -> Stats:
    return stats(
        ended=17,
        errors=4,
        endings={"delivered": 9, "evicted": 2},
        buffered=5,
        in_flight=1,
        buffer_bytes=3 << 19,
        peak_buffer_bytes=2 << 20,
        capacity_bytes=16 << 20,
        requests=3,
        sent_bytes=2560,
        retries=1,
        truncated=1,
        scrubbed=5,
        error_kinds=(
            ErrorCount("bug", "self", "error", "fix_code", 1),
            ErrorCount("timeout", "dependency", "warn", "backoff", 2),
            ErrorCount("timeout", "self", "error", "backoff", 1),
        ),
        error_sources={"live": 4},
        error_types={"KeyError": 1, "TimeoutError": 3},
        error_codes={"": 4},
        internal_errors={"encode": 2},
        rules=(RuleCount("pay", matched=5, kept=4, suppressed=1), RuleCount("rest")),
        rules_source="/etc/errsample.yaml",
        rules_version=3,
        config_problem="/etc/errsample.yaml:1:1: bad",
        unreported=7,
        worker="running",
    )


def test_str_tells_everything_but_zeros() -> None:
    assert str(full()).splitlines() == [
        "17 spans ended, 4 of them errors: 9 delivered, 2 evicted",
        "errors: 3 timeout, 1 bug",
        "buffer: 5 spans waiting, 1 in flight, 1.5 MiB of 16.0 MiB, peak 2.0 MiB",
        "export: 3 requests, 2.5 KiB, 1 retries; 1 spans truncated, 0 repaired",
        "exporter ok, worker running",
        "scrubbing: 5 secrets taken out",
        "rules: version 3, from /etc/errsample.yaml",
        "configuration file: /etc/errsample.yaml:1:1: bad",
        "rule pay: 5 matched, 4 kept, 1 suppressed",
        "rule rest: no match",
        "7 suppressed spans of former rules are carried by no span",
        "internal errors: 2 encode",
    ]


def test_str_tells_a_dry_run() -> None:
    line = "dry run, would have been: 3 keep, 2 drop"
    assert line in str(stats(dry_run={"head": 0, "keep": 3, "drop": 2})).splitlines()
    assert "dry run, would have been: nothing yet" in str(stats(dry_run={"head": 0}))


def test_str_of_nothing() -> None:
    assert str(stats()).splitlines() == [
        "0 spans ended, 0 of them errors",
        "buffer: 0 spans waiting, 0 in flight, 0 B of 0 B, peak 0 B",
        "export: 0 requests, 0 B, 0 retries; 0 spans truncated, 0 repaired",
        "exporter ok, worker not started",
        "rules: version 1, from default",
    ]


def test_str_says_when_the_counts_do_not_add_up() -> None:
    assert str(stats(ended=1)).splitlines()[-1] == "the counts do not add up to the spans ended"


def test_as_dict_is_json_and_holds_every_field() -> None:
    values = full().as_dict()
    assert values == json.loads(json.dumps(values))
    assert values["balanced"] is True
    assert values["endings"]["evicted"] == 2
    assert values["error_kinds"][0] == {
        "kind": "bug", "fault": "self", "severity": "error", "recovery": "fix_code", "number": 1,
    }  # fmt: skip
    assert values["rules"][0] == {
        "name": "pay", "matched": 5, "kept": 4, "dropped": 0, "suppressed": 1, "sampled_out": 0, "shadowed": 0,
        "bytes": 0,
    }  # fmt: skip
    assert {"balanced", *Stats.__dataclass_fields__} == set(values)


def test_as_dict_is_a_copy() -> None:
    ledger = full()
    ledger.as_dict()["endings"]["delivered"] = 0
    assert ledger.endings["delivered"] == 9


def test_a_moment_of_the_ledger_does_not_change() -> None:
    with pytest.raises(AttributeError):
        stats().ended = 1  # type: ignore[misc]


def test_recovered_spans_have_their_endings_beside_those_that_ended() -> None:
    assert stats(ended=1, recovered=2, endings={"delivered": 2}, buffered=1).balanced
    assert not stats(ended=1, endings={"delivered": 2}, buffered=1).balanced


def test_the_spool_is_told_where_there_is_one() -> None:
    text = str(stats(ended=0, recovered=3, endings={"delivered": 3}, spool=SpoolCount("ok", waiting=2, adopted=1)))
    assert "spool ok: 3 spans recovered; 2 waiting, 1 adopted" in text.splitlines()
    assert "spool" not in str(stats(ended=0, endings={}))
    assert "ok" == stats(ended=0, endings={}, spool=SpoolCount("ok")).as_dict()["spool"]["state"]
