"""Rule sets that can be read but make no sense are refused, with what to write instead."""

from __future__ import annotations

import pytest

from otel_errsample import regex
from otel_errsample.errors import RuleError
from otel_errsample.rules.check import check
from otel_errsample.rules.parser import parse
from otel_errsample.rules.report import Report


def problems(text: str) -> list[str]:
    report = Report(text, "r")
    check(parse(text, report), report)
    try:
        report.finish()
    except RuleError as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "text",
    [
        'keep if kind == "timeout" and fault != "self" and severity >= "warn" and recovery in ("retry", "backoff")',
        'keep if span.kind == "server" and root and sampled == false and error != true',
        "keep if kind in transient or kind not in third_party or kind in fatal",
        'keep if duration > 2 and name like "GET *" and endpoint startswith "/" and code == "http:503"',
        'keep if exception is a.b.C and cause is ValueError and exception contains "x" and message exists',
        'keep if http.status_code in (500, "500", true) and attributes["a"] < 5 and resource["b"] >= "x"',
        "keep 1 per hour by fingerprint, exception, kind, code, domain, name, endpoint, service",
        'keep 1 per hour by attributes["a"], a.b',
        'keep if domain in ("billing", "stock") and domain not in ("a", "b") and domain like "bill*"',
        "shadow drop; keep",
        "keep 0%; ",
        "keep first 1000000 per hour then 100%",
        "keep span 0.001%",
    ],
)
def test_sound_rules_have_no_problems(text: str) -> None:
    assert [] == problems(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: keep if error; a: drop", "r:1:19: rule name 'a' is used twice (give one of the two another name)"),
        (
            "keep; drop if error; head",
            (
                "r:1:7: rule 'rule_2' is never reached: 'rule_1' before it has no condition "
                "(move it up, or give the earlier rule a condition)"
            ),
        ),
        ("keep 150%", "r:1:6: a percentage is expected between 0 and 100, got 150"),
        ("keep -0.5%", "r:1:6: a percentage is expected between 0 and 100, got -0.5"),
        ("keep 0 per second", "r:1:6: a limit of 0 keeps nothing (write: drop)"),
        (
            "keep 0.5 per second",
            (
                "r:1:6: a limit is expected to be a whole number, got 0.5 "
                "(for less than one a second write, for instance: 30 per minute)"
            ),
        ),
        ("keep -1 per second", "r:1:6: a limit is expected between 1 and 1000000, got -1"),
        ("keep 1000001 per hour", "r:1:6: a limit is expected between 1 and 1000000, got 1000001"),
        ("keep 1 per minutes", "r:1:12: unknown unit 'minutes' (did you mean 'minute'?)"),
        ("keep 1 per day", "r:1:12: unknown unit 'day' (one of second, minute, hour)"),
        ("keep 1 per hour by fingerprnt", "r:1:20: 'fingerprnt' is not a key of a limit (did you mean 'fingerprint'?)"),
        (
            "keep 1 per hour by duration",
            (
                "r:1:20: 'duration' is not a key of a limit (one of fingerprint, exception, kind, code, domain, name, "
                "endpoint, service, or an attribute such as http.route)"
            ),
        ),
        (f"keep 1 per hour by {', '.join(f'a.b{n}' for n in range(9))}", "r:1:68: at most 8 keys are expected, got 9"),
        ('keep if knd == "x"', "r:1:9: unknown fact 'knd' (did you mean 'kind'?)"),
        (
            'keep if tenant == "x"',
            "r:1:9: unknown fact 'tenant' (for an attribute without a dot write: attributes[\"tenant\"])",
        ),
        ("keep if message", "r:1:9: expected an operator after 'message' (write: message exists)"),
        ("keep if http.route", "r:1:9: expected an operator after 'http.route' (write: http.route exists)"),
        ("keep if error exists", "r:1:9: 'error' always exists (write: error)"),
        (
            "keep if name is ValueError",
            "r:1:9: 'is' tests the class of exception or cause, got 'name' (compare with ==)",
        ),
        (
            "keep if exception is a-b",
            "r:1:22: 'a-b' is not the name of a class (as in: exception is package.module.Class)",
        ),
        ("keep if kind in transiet", "r:1:17: unknown view 'transiet' (did you mean 'transient'?)"),
        (
            "keep if kind in bugs5",
            (
                "r:1:17: unknown view 'bugs5' (one of transient, client, business, persistent, server, fatal, third_party, "
                'or values: in ("a", "b"))'
            ),
        ),
        (
            "keep if fault in transient",
            "r:1:9: 'transient' is a view over kind, got 'fault' (write: kind in transient)",
        ),
        ("keep if message contains 5", "r:1:26: 'contains' expects text in quotes, got 5"),
        ("keep if a.b < true", "r:1:15: true and false have no order for '<' (compare with ==)"),
        ('keep if kind == "timout"', "r:1:17: 'kind' is never \"timout\" (did you mean 'timeout'?)"),
        ('keep if kind == "transient"', "r:1:17: 'kind' is never \"transient\" (write: kind in transient)"),
        (
            'keep if fault == "xyzzy"',
            "r:1:18: 'fault' is never \"xyzzy\" (one of caller, self, dependency, unknown)",
        ),
        (
            "keep if severity >= 3",
            "r:1:21: 'severity' never compares with 3 (write a name in quotes, one of debug, info, warn, error, fatal)",
        ),
        ('keep if severity < "debug"', "r:1:9: 'severity < \"debug\"' is never true"),
        ('keep if kind < "bug"', "r:1:9: 'kind' is tested with ==, !=, in and not in, got '<'"),
        (
            'keep if severity like "e*"',
            "r:1:9: 'severity' is tested with ==, !=, in, not in, <, <=, > and >=, got 'like'",
        ),
        ('keep if duration > "2s"', "r:1:20: 'duration' is a number of seconds and never compares with \"2s\""),
        ('keep if duration contains "2"', "r:1:9: 'duration' is a number of seconds and never passes 'contains'"),
        ("keep if code == 503", "r:1:17: 'code' is never 503 (write: \"http:503\")"),
        ('keep if error == "yes"', "r:1:18: 'error' is true or false and never compares with \"yes\""),
        ("keep if root not in (true, false)", "r:1:9: 'root not in (true, false)' is never true"),
    ],
)
def test_says_what_makes_no_sense(text: str, expected: str) -> None:
    assert [expected] == problems(text)


def test_every_problem_of_a_set_is_reported_at_once() -> None:
    text = 'keep 0 per day if knd == 1 and kind == "x"\nkeep 101% if not (severity > 1 or nme == "x")'
    assert ["1:6", "1:12", "1:19", "1:40", "2:6", "2:30", "2:35"] == [
        problem[2:].split(": ")[0] for problem in problems(text)
    ]


def test_without_re2_matches_is_refused_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(pattern: str) -> regex.Regex:
        raise regex.RegexUnavailable

    monkeypatch.setattr("otel_errsample.rules.check.Regex", unavailable)
    expected = (
        "'matches' needs RE2, which is not installed (pip install 'otel-errsample[re2]', or use contains or like)"
    )
    assert [f"r:1:25: {expected}"] == problems('keep if message matches "a+"')


def test_a_pattern_that_re2_refuses_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def invalid(pattern: str) -> regex.Regex:
        raise regex.RegexInvalid("missing )")

    monkeypatch.setattr("otel_errsample.rules.check.Regex", invalid)
    assert ["r:1:25: RE2 refuses the pattern: missing )"] == problems('keep if message matches "(a"')
