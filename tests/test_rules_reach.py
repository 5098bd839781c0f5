"""What no span can meet or reach is reported; what one could is not."""

from __future__ import annotations

import pytest

from otel_errsample.rules.check import check
from otel_errsample.rules.parser import parse
from otel_errsample.rules.reach import unreached
from otel_errsample.rules.report import Report


def problems(text: str) -> list[str]:
    report = Report(text, "r")
    check(parse(text, report), report)
    return [problem.message for _, problem in report._found]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("root and not root", "'root' and 'not root' are never true together"),
        ("root and error and root == false", "'root' and 'root == false' are never true together"),
        ('kind == "bug" and kind in transient', "'kind == \"bug\"' and 'kind in transient' are never true together"),
        (
            'kind in third_party and fault == "self"',
            "'kind in third_party' and 'fault == \"self\"' are never true together",
        ),
        (
            "kind in third_party and kind not in third_party",
            "'kind in third_party' and 'kind not in third_party' are never true together",
        ),
        (
            'not fault == "dependency" and kind in third_party',
            "'not fault == \"dependency\"' and 'kind in third_party' are never true together",
        ),
        (
            'severity > "warn" and severity <= "info"',
            "'severity > \"warn\"' and 'severity <= \"info\"' are never true together",
        ),
        ("duration > 5 and duration < 2", "'duration > 5' and 'duration < 2' are never true together"),
        ("a.b > 1 and (a.b < 1 and root)", "'a.b > 1' and 'a.b < 1' are never true together"),
        ('a.b == 1 and a.b == "1"', "'a.b == 1' and 'a.b == \"1\"' are never true together"),
        ("a.b == 1 and a.b == true", "'a.b == 1' and 'a.b == true' are never true together"),
        ("a.b in (1, 2) and a.b not in (1, 2)", "'a.b in (1, 2)' and 'a.b not in (1, 2)' are never true together"),
        ("not a.b exists and a.b != 3", "'not a.b exists' and 'a.b != 3' are never true together"),
        ("not (root or not root)", "'not root' and 'root' are never true together"),
        ('name == "x" and name contains "y"', "'name == \"x\"' and 'name contains \"y\"' are never true together"),
        ('name == "x" and not name startswith "x"', "'name == \"x\"' and 'not name startswith \"x\"' are never"),
        ('name like "x" and not name like "x"', "'name like \"x\"' and 'not name like \"x\"' are never true together"),
        ("cause is OSError and not cause is OSError", "'cause is OSError' and 'not cause is OSError' are never"),
        ('name > "b" and name < "a"', "'name > \"b\"' and 'name < \"a\"' are never true together"),
        ("a.b in (1, 2) and a.b != 1 and a.b != 2", "'a.b != 2' is never true after the tests of 'a.b' before it"),
        ("error or root and not root", "'root' and 'not root' are never true together"),
    ],
)
def test_tests_that_are_never_true_together_are_named(condition: str, expected: str) -> None:
    (message,) = problems(f"keep if {condition}")
    assert message.startswith(expected)


@pytest.mark.parametrize(
    "condition",
    [
        "x.y in (true, 1.0) and x.y in (1.0)",
        'x.y in (false, 0) and x.y in (0, "a")',
        "not a.b < 5 and not a.b >= 5",  # text, for instance
        'a.b exists and not a.b < 5 and not a.b >= 5 and not a.b < "x" and not a.b >= "x" and not a.b in (true, false)',
        "not a.b < 5 and not a.b >= 5 and a.b != 3",  # not a number
        "a.b > 1e308 and a.b > 1.7e308",  # infinite
        f"a.b > {2**60} and a.b < {2**60 + 3}",
        "a.b > 5 and a.b < 6",
        "a.b > 5 and a.b < 5.00000000000001",
        'name > "a" and name < "aa"',
        'name contains "x" and not name contains "y"',
        'name like "x*" and not name like "y*" and name contains "z"',
        'name == "xy" and name contains "y" and name like "x*"',
        "exception is OSError and not exception is ValueError",
        'kind in transient and kind != "timeout"',
        'not kind == "bug" and not kind != "bug"',  # missing
        'severity >= "warn" and severity <= "warn"',
        'kind in third_party and kind == "timeout"',
        'kind in third_party and fault == "dependency"',
        'kind not in third_party and fault == "dependency"',  # one of the user's own
        'not kind in third_party and fault == "dependency"',
        "a.b == 1 or a.b == 2",
        "a.b == 1 and (a.b == 2 or root)",  # not looked into
        'resource["a.b"] == 1 and a.b == 2',
        "a.b == 1 and a.b == 1.0",
    ],
)
def test_what_some_span_meets_is_not_reported(condition: str) -> None:
    assert [] == problems(f"keep if {condition}")


REACHED = "is never reached: 'a' before it matches every span that it does"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("error", "error"),
        ("error", "error and root"),
        ("error", "error == true"),
        ("error or root", "root"),
        ("error or root", "root and kind in transient"),
        ("error or root", "error and a.b == 1 or root and a.b == 2"),
        ('severity >= "warn"', 'severity == "error"'),
        ("kind in transient", 'kind in ("timeout", "throttle")'),
        ("kind exists", 'kind == "bug"'),
        ('fault == "dependency"', "kind in third_party"),
        ("kind not in third_party", 'fault == "self"'),
        ("duration > 1", "duration > 2"),
        ("http.status_code >= 500", "http.status_code in (500, 503)"),
        ("http.route exists", 'http.route contains "x" and http.route == "/x"'),
        ('message contains "x"', 'message contains "x" and error'),
        ("not root", "error and not root"),
        ("exception is OSError", "exception is OSError and sampled"),
    ],
)
def test_a_rule_behind_a_wider_one_is_never_reached(earlier: str, later: str) -> None:
    assert [f"rule 'b' {REACHED}"] == problems(f"a: keep if {earlier}\nb: drop if {later}")


@pytest.mark.parametrize(
    "text",
    [
        "a: keep if error and root; b: drop if error",
        "a: shadow keep if error; b: drop if error",
        "a: keep if duration > 2; b: drop if duration > 1",
        'a: keep if message contains "x"; b: drop if message == "y"',
        "a: keep if exception is OSError; b: drop if exception is ConnectionError",
        'a: keep if kind != "bug"; b: drop if not kind == "bug"',
        "a: keep if error or root; b: drop if sampled",
    ],
)
def test_a_rule_that_something_is_left_for_is_not_reported(text: str) -> None:
    assert [] == problems(text)


def test_several_rules_behind_the_same_one_are_all_reported() -> None:
    text = "a: keep if error; b: drop if error and root; c: head if error and sampled; d: drop if root"
    assert [f"rule '{name}' {REACHED}" for name in "bc"] == problems(text)
    assert {"b", "c"} == unreached(parse(text, Report(text, "r")))


def test_a_generated_set_is_searched_up_to_a_bound_and_no_further() -> None:
    text = "\n".join(f'r{number}: keep if http.route == "/r{number}" and error' for number in range(999))
    assert [] == problems(text + "\nlast: keep if error and http.route == '/r998'")
