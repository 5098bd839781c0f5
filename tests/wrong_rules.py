"""Wrong rule sets and what is said about them, word for word: for the tests of whoever prints it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Wrong(NamedTuple):
    """`problems` are `line:column: message (hint)`, in the order of the text."""

    mistake: str
    text: str
    problems: tuple[str, ...]


WRONG_RULES: Final = (
    Wrong(
        "a misspelt action",
        "kep if error",
        ("1:1: expected an action, got 'kep' (did you mean 'keep'?)",),
    ),
    Wrong(
        "no action",
        "storm: if error",
        ("1:8: expected an action, got 'if' (one of keep, drop, head, shadow)",),
    ),
    Wrong(
        "a forgotten if",
        "keep error",
        ("1:6: expected 'if' before the condition, got 'error' (write: keep if error ...)",),
    ),
    Wrong(
        "unless",
        "drop unless error",
        ("1:6: expected 'if' before the condition, got 'unless' (write: drop if not (...))",),
    ),
    Wrong(
        "two rules on a line",
        "keep if error drop",
        ("1:15: expected an operator after 'error', got 'drop' (separate rules by a new line or ';')",),
    ),
    Wrong(
        "a forgotten unit",
        "keep 5 if error",
        ("1:8: expected 'per' after the number, got 'if' (write a percentage, or: keep 5 per second)",),
    ),
    Wrong(
        "a unit of another language",
        "keep 5/s if error",
        ("1:7: unexpected character '/' (write, for instance: keep 5 per second)",),
    ),
    Wrong(
        "an unknown unit",
        "keep 100 per day by fingerprint if error",
        ("1:14: unknown unit 'day' (one of second, minute, hour)",),
    ),
    Wrong(
        "a limit of nothing",
        "keep 0 per second if error",
        ("1:6: a limit of 0 keeps nothing (write: drop)",),
    ),
    Wrong(
        "a fractional limit",
        "keep 0.5 per second if error",
        (
            "1:6: a limit is expected to be a whole number, got 0.5 (for less than one a second write, for instance: 30 per minute)",
        ),
    ),
    Wrong(
        "first without then",
        "keep first 3 per minute by fingerprint if error",
        ("1:40: expected 'then' and a percentage after 'first N per UNIT', got 'if' (write, for instance: then 5%)",),
    ),
    Wrong(
        "a percentage above all",
        "keep 150% if error",
        ("1:6: a percentage is expected between 0 and 100, got 150",),
    ),
    Wrong(
        "a misspelt key",
        "keep 5 per second by fingerprnt if error",
        ("1:22: 'fingerprnt' is not a key of a limit (did you mean 'fingerprint'?)",),
    ),
    Wrong(
        "a key that has no few values",
        "keep 5 per second by duration if error",
        (
            "1:22: 'duration' is not a key of a limit (one of fingerprint, exception, kind, code, domain, name, endpoint, service, or an attribute such as http.route)",
        ),
    ),
    Wrong(
        "a misspelt fact",
        'keep if severty == "error"',
        ("1:9: unknown fact 'severty' (did you mean 'severity'?)",),
    ),
    Wrong(
        "an attribute without a dot",
        'keep if tenant == "acme"',
        ("1:9: unknown fact 'tenant' (for an attribute without a dot write: attributes[\"tenant\"])",),
    ),
    Wrong(
        "the service",
        'keep if service == "shop"',
        ("1:9: unknown fact 'service' (write: resource[\"service.name\"])",),
    ),
    Wrong(
        "no operator",
        "keep if http.route",
        ("1:9: expected an operator after 'http.route' (write: http.route exists)",),
    ),
    Wrong(
        "a misspelt operator",
        'keep if message contain "timed out"',
        ("1:17: expected an operator after 'message', got 'contain' (did you mean 'contains'?)",),
    ),
    Wrong(
        "one equals sign",
        'keep if kind = "timeout"',
        ("1:14: unexpected character '=' (write == to compare)",),
    ),
    Wrong(
        "the signs of another language",
        "keep if error && !root",
        (
            "1:15: unexpected character '&&' (write: and)",
            "1:18: unexpected character '!' (write: not)",
        ),
    ),
    Wrong(
        "text without quotes",
        "keep if kind == timeout",
        ("1:17: expected a value after '==', got 'timeout' (put text in quotes: \"timeout\")",),
    ),
    Wrong(
        "a quote that is not closed",
        'keep if name == "GET /',
        ('1:17: text is not closed (end it with " on the same line)',),
    ),
    Wrong(
        "a capital constant",
        "drop if sampled == True",
        ("1:20: expected a value after '==', got 'True' (did you mean 'true'?)",),
    ),
    Wrong(
        "a comparison with nothing",
        "drop if http.route == null",
        ("1:23: expected a value after '==', got 'null' (what is missing is tested with: not http.route exists)",),
    ),
    Wrong(
        "a chain",
        "keep if 1 < duration < 5",
        ("1:9: expected a fact or an attribute, got '1' (the fact comes first, as in: duration > 2.0)",),
    ),
    Wrong(
        "a chain the other way",
        "keep if duration > 1 < 5",
        ("1:22: comparisons do not chain (join two comparisons with 'and')",),
    ),
    Wrong(
        "a duration with a unit",
        "keep if duration > 500ms",
        ("1:20: '500ms' is not a number (durations are plain seconds, as in: duration > 0.5)",),
    ),
    Wrong(
        "a severity as a number",
        "keep if severity >= 3",
        ("1:21: 'severity' never compares with 3 (write a name in quotes, one of debug, info, warn, error, fatal)",),
    ),
    Wrong(
        "a kind that does not exist",
        'keep if kind == "timout"',
        ("1:17: 'kind' is never \"timout\" (did you mean 'timeout'?)",),
    ),
    Wrong(
        "a view with equals",
        'keep if kind == "transient"',
        ("1:17: 'kind' is never \"transient\" (write: kind in transient)",),
    ),
    Wrong(
        "a misspelt view",
        "keep if kind in transiet",
        ("1:17: unknown view 'transiet' (did you mean 'transient'?)",),
    ),
    Wrong(
        "an order where there is none",
        'keep if fault > "caller"',
        ("1:9: 'fault' is tested with ==, !=, in and not in, got '>'",),
    ),
    Wrong(
        "a comparison that is never true",
        'drop if severity < "debug"',
        ("1:9: 'severity < \"debug\"' is never true",),
    ),
    Wrong(
        "two that are never true together",
        "keep if http.status_code == 500 and http.status_code == 503",
        (
            "1:37: 'http.status_code == 500' and 'http.status_code == 503' are never true together (join alternatives with 'or')",
        ),
    ),
    Wrong(
        "a code without its scheme",
        "keep if code == 503",
        ("1:17: 'code' is never 503 (write: \"http:503\")",),
    ),
    Wrong(
        "a class in quotes",
        'keep if exception is "ValueError"',
        ("1:22: expected the name of a class after 'is', got '\"ValueError\"' (write it without quotes)",),
    ),
    Wrong(
        "a class without its module",
        "keep if exception is PaymentError",
        (
            "1:22: 'PaymentError' is no built-in exception (write its module too, as in: exception is package.module.PaymentError)",
        ),
    ),
    Wrong(
        "a misspelt class",
        "keep if exception is TimeotError",
        ("1:22: 'TimeotError' is no built-in exception (did you mean 'TimeoutError'?)",),
    ),
    Wrong(
        "is not",
        "drop if exception is not KeyError",
        ("1:22: expected the name of a class after 'is', got 'not' (write: not exception is KeyError)",),
    ),
    Wrong(
        "a bracket that is not closed",
        'drop if http.route in ("/healthz", "/readyz"\nkeep if error',
        ("1:23: '(' is never closed (add ))",),
    ),
    Wrong(
        "a backslash",
        'drop if name like "\\d+"',
        ("1:20: unknown escape '\\d' (write \\\\ for a backslash)",),
    ),
    Wrong(
        "a name used twice",
        "a: drop if root\na: keep if error",
        ("2:1: rule name 'a' is used twice (give one of the two another name)",),
    ),
    Wrong(
        "a rule after one without condition",
        'all: keep\nnoise: drop if http.route == "/healthz"',
        (
            "2:1: rule 'noise' is never reached: 'all' before it has no condition (move it up, or give the earlier rule a condition)",
        ),
    ),
    Wrong(
        "a rule after a wider one",
        'errors: keep if error\nnoise: drop if error and kind == "cancelled"',
        (
            "2:1: rule 'noise' is never reached: 'errors' before it matches every span that it does (move it up, or make the earlier condition narrower)",
        ),
    ),
    Wrong(
        "an if and nothing",
        "keep if",
        ("1:8: expected a condition after 'if', got the end of the rule",),
    ),
    Wrong(
        "a test of what always exists",
        "keep if error exists",
        ("1:9: 'error' always exists (write: error)",),
    ),
    Wrong(
        "a number in text",
        "keep if message contains 5",
        ("1:26: 'contains' expects text in quotes, got 5",),
    ),
    Wrong(
        "a number in quotes",
        'keep if duration > "2"',
        ("1:20: 'duration' is a number of seconds and never compares with \"2\"",),
    ),
    Wrong(
        "a class that is no exception's",
        "keep if name is ValueError",
        ("1:9: 'is' tests the class of exception or cause, got 'name' (compare with ==)",),
    ),
    Wrong(
        "a view of another fact",
        "keep if fault in transient",
        ("1:9: 'transient' is a view over kind, got 'fault' (write: kind in transient)",),
    ),
    Wrong(
        "a test that always holds, inverted",
        "drop if not root in (true, false)",
        ("1:13: 'not root in (true, false)' is never true",),
    ),
    Wrong(
        "a key given twice",
        "keep 5 per second by name, name",
        ("1:28: key 'name' is given twice (leave one out)",),
    ),
    Wrong(
        "an invisible character",
        'drop if name == "a\u202e"',
        ("1:19: unexpected invisible character U+202E (leave it out)",),
    ),
    Wrong(
        "every problem at once",
        "a: keep 0 per day if knd == 1\nb: kepp if error\nc: drop if (root",
        (
            "1:9: a limit of 0 keeps nothing (write: drop)",
            "1:15: unknown unit 'day' (one of second, minute, hour)",
            "1:22: unknown fact 'knd' (did you mean 'kind'?)",
            "2:4: expected an action, got 'kepp' (did you mean 'keep'?)",
            "3:12: '(' is never closed (add ))",
        ),
    ),
)
