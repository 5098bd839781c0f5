"""`classify`: rows for the taxonomy, every mistake with its place."""

from __future__ import annotations

import pytest

from otel_errsample.errors import RuleError
from otel_errsample.rules.nodes import read_nodes
from otel_errsample.rules.report import Report
from otel_errsample.rules.rows import MAX_ROWS, read_rows
from otel_errsample.taxonomy import UserRow


def rows(text: str) -> tuple[UserRow, ...]:
    report = Report(text, "f")
    node = read_nodes(text, report)
    assert node is not None
    found = read_rows(node, report)
    report.finish()
    return found


def test_rows_say_what_they_know_and_leave_the_rest_to_the_table() -> None:
    text = """
    - {exception: shop.errors.CardError, kind: business}
    - code: sqlstate:23*
      kind: data
      fault: self
      severity: warn
      recovery: none
      domain: "orders: payment"
    - {exception: "*Timeout", code: http:50?, kind: timeout}
    """
    assert (
        UserRow(exception="shop.errors.CardError", kind="business"),
        UserRow(
            code="sqlstate:23*",
            kind="data",
            fault="self",
            severity="warn",
            recovery="none",
            domain="orders: payment",
        ),
        UserRow(exception="*Timeout", code="http:50?", kind="timeout"),
    ) == rows(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "f:1:1: 'classify' is expected to be a list of rows, got 'a'"),
        ("[a]", "f:1:2: a row is expected to be a mapping, got 'a' (as in: {exception: shop.CardError, kind: data})"),
        ("[{kind: bug}]", "f:1:2: a row needs an 'exception' or a 'code'"),
        (
            "[{code: http:500}]",
            ("f:1:2: a row needs a 'kind' (one of business, client, auth, timeout, connection, throttle, unavailable, "
            "conflict, resource, config, data, bug, cancelled, fatal, unknown)"),
        ),
        ("[{code: http:500, kind: bugs}]", "f:1:25: 'kind' is never 'bugs' (did you mean 'bug'?)"),
        (
            "[{code: http:500, kind: bug, fault: me}]",
            "f:1:37: 'fault' is never 'me' (one of caller, self, dependency, unknown)",
        ),
        ("[{code: http:500, kind: bug, sevrity: x}]", "f:1:30: unknown key 'sevrity' of a row (did you mean 'severity'?)"),
        ("[{code: 503, kind: bug}]", "f:1:9: 'code' is expected to be text, got '503' (write: http:503)"),
        ("[{code: http:500, kind: 5}]", "f:1:25: 'kind' is expected to be text, got '5'"),
        ("[{code: http:500, kind: [bug]}]", "f:1:25: 'kind' is expected to be text, got a list"),
        ("[{code: htp:500, kind: bug}]", "f:1:9: 'code' is expected to be a code, got 'htp:500' (did you mean 'http'?)"),
        (
            "[{code: '503', kind: bug}]",
            ("f:1:9: 'code' is expected to be a code, got '503' "
            "(one such as http:503, or a glob such as sqlstate:23*)"),
        ),
        (
            "[{exception: shop error, kind: bug}]",
            ("f:1:14: 'exception' is expected to be the name of a class, got 'shop error' "
            "(a full name such as shop.errors.CardError, or a glob such as shop.*)"),
        ),
        (
            "[{code: http:500, kind: bug, domain: ''}]",
            ("f:1:38: 'domain' is expected to be a domain, got '' "
            "(at most 64 letters, digits, blanks and the marks _ . : / -)"),
        ),
        (f"[{'{code: http:1, kind: bug},' * (MAX_ROWS + 1)}]", "f:1:26002: at most 1000 rows are expected"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        rows(text)
    assert message == str(caught.value)


def test_all_that_is_wrong_is_reported_at_once() -> None:
    with pytest.raises(RuleError) as caught:
        rows("- {kind: x, code: y}\n- {exception: a.B, kind: bug}\n- {}\n- {kind: bug, exception: a b}")
    assert [(1, 10), (1, 19), (3, 3), (3, 3), (4, 26)] == [
        (problem.line, problem.column) for problem in caught.value.problems
    ]
