"""The default table and the tables of codes speak the vocabulary of the axes and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from otel_errsample import ConfigError, _hot, errnos, taxonomy

TABLE = taxonomy.load_table()
CLASSIFIER = _hot.Classifier()


def test_the_table_has_every_row_of_its_file() -> None:
    assert 261 == len(TABLE)
    assert taxonomy.Row("timeout", "backoff", "error", True) == TABLE["httpx.ReadTimeout"]
    assert taxonomy.Row("resource", "free_resource", "fatal", True, True) == TABLE["psycopg.errors.DiskFull"]
    assert taxonomy.Row("client", "none", "info", False) == TABLE["django.http.response.Http404"]
    assert taxonomy.Row("@cause", "@cause", "error", True) == TABLE["sqlalchemy.exc.DBAPIError"]


@pytest.mark.parametrize(("name", "row"), TABLE.items(), ids=TABLE.keys())
def test_every_row_is_found_by_its_name_alone(name: str, row: taxonomy.Row) -> None:
    assert row.kind in taxonomy.KINDS or row.kind in (taxonomy.FROM_CODE, taxonomy.FROM_CAUSE)
    facts = CLASSIFIER.facts(event={"exception.type": name})
    known = row.kind in taxonomy.KINDS
    assert (row.kind if known else "unknown") == facts.kind
    assert (row.recovery if row.recovery in taxonomy.RECOVERIES else "none") == facts.recovery
    if name != "SystemExit":  # without a code it is a quiet exit
        assert (row.severity if row.severity in taxonomy.SEVERITIES else "error") == facts.severity
    assert (row.kind != "cancelled" and name not in ("SystemExit", taxonomy.NOT_FOUND)) is facts.error


def advices() -> list[tuple[str, str]]:
    rows = [*taxonomy.HTTP.values(), *taxonomy.SQLSTATE.values(), *taxonomy.AWS.values(), *taxonomy.LABELS.values()]
    rows += [taxonomy.HTTP_OTHER_4XX, taxonomy.HTTP_OTHER_5XX]
    rows += [taxonomy.RETRIABLE, taxonomy.INVALIDATED, taxonomy.MALFORMED]
    rows += [(kind, recovery) for _, kind, recovery in taxonomy.GRPC]
    numbered = (errnos.SYSTEM, errnos.RESOLVER, taxonomy.SQLITE)
    return rows + [row[1:3] for table in numbered for row in table.values()]


def test_tables_of_codes_use_known_kinds_and_recoveries() -> None:
    for kind, recovery in advices():
        assert kind in taxonomy.KINDS
        assert recovery in taxonomy.RECOVERIES


def test_views_hold_every_kind_once_at_most() -> None:
    members = [kind for view in taxonomy.VIEWS.values() for kind in view]
    assert len(set(members)) == len(members)
    assert {"cancelled"} == set(taxonomy.KINDS) - set(members)


def test_special_rows_exist() -> None:
    special = {*taxonomy.REFINED, *taxonomy.EXITS, taxonomy.NOT_FOUND, taxonomy.HUNG_UP, *taxonomy.ANSWERS}
    special |= taxonomy.CALLER_LEFT | taxonomy.NUMBERED_OTHERWISE
    assert set() == special - set(TABLE)


def test_every_text_of_sqlite_has_its_row() -> None:
    assert set(taxonomy.SQLITE_TEXTS.values()) <= set(taxonomy.SQLITE)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (taxonomy.Row("bugs", "none", "error"), "kind of a.B is expected to be one of business, "),
        (taxonomy.Row("bug", "pray", "error"), "recovery of a.B is expected to be one of retry, "),
        (taxonomy.Row("bug", "none", "bad"), "severity of a.B is expected to be one of debug, "),
    ],
    ids=["kind", "recovery", "severity"],
)
def test_a_row_outside_the_axes_is_refused_with_the_names_allowed(row: taxonomy.Row, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        _hot.Classifier({"a.B": row})


class TestUserRow:
    def test_what_is_left_out_is_none(self) -> None:
        row = taxonomy.UserRow(exception="shop.Refused", kind="business")
        assert ("", None, None, None, None) == (row.code, row.fault, row.severity, row.recovery, row.domain)

    @pytest.mark.parametrize(
        ("given", "complaint"),
        [
            ({"kind": "bug"}, "a row is expected to name an exception, a code or both, got neither"),
            ({"kind": "bugs"}, r"kind is expected to be one of business, .*, got 'bugs'; hint: did you mean 'bug'\?"),
            ({"kind": None}, "kind is expected to be one of business, .*, got None"),
            ({"fault": "me"}, "fault is expected to be one of caller, self, dependency, unknown, got 'me'"),
            ({"severity": "Error"}, "severity is expected to be one of .* hint: did you mean 'error'"),
            ({"recovery": "retry-tx"}, "recovery is expected to be one of .* hint: did you mean 'retry_tx'"),
            ({"domain": ""}, "domain is expected to be 1 to 64 printable characters, got ''"),
            ({"domain": "a\nb"}, "domain is expected to be 1 to 64 printable characters"),
            ({"exception": "x" * 301}, "exception is expected to be at most 300 characters"),
            ({"code": 503}, "code is expected to be at most 300 characters, got 503"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_row_that_means_nothing_is_refused_with_what_is_expected(
        self, given: dict[str, Any], complaint: str
    ) -> None:
        whole = {"kind": "bug", **({} if given == {"kind": "bug"} else {"exception": "a.B"}), **given}
        with pytest.raises(ConfigError, match=complaint):
            taxonomy.UserRow(**whole)


def test_the_schemes_of_codes_are_those_that_codes_are_made_with() -> None:
    source = (Path(__file__).parent.parent / "ext" / "codes.pyx").read_text(encoding="utf-8")
    assert set(taxonomy.CODE_SCHEMES) == set(re.findall(r'\bf"([a-z]+):\{', source))
