"""The rows of a configuration file's `classify`: what the user knows better than the taxonomy."""

from __future__ import annotations

import re
from typing import Final

from otel_errsample.rules.nodes import Mapping, Node, Scalar, Sequence, described
from otel_errsample.rules.report import Report, did_you_mean
from otel_errsample.taxonomy import AXES, CODE_SCHEMES, KINDS, LONGEST_DOMAIN, LONGEST_PATTERN, UserRow

MAX_ROWS: Final = 1000

KEYS: Final = ("exception", "code", "kind", "fault", "severity", "recovery", "domain")
# Also the patterns of the JSON Schema. A qualified name may hold "<locals>".
PATTERNS: Final[dict[str, str]] = {
    "exception": rf"^[\w.*?<>]{{1,{LONGEST_PATTERN}}}$",
    "code": rf"^({'|'.join(CODE_SCHEMES)}):[\w.*?-]{{1,100}}$",
    "domain": rf"^[\w.:/ -]{{1,{LONGEST_DOMAIN}}}$",
}
_EXPECTED: Final = {
    "exception": ("the name of a class", "a full name such as shop.errors.CardError, or a glob such as shop.*"),
    "code": ("a code", "one such as http:503, or a glob such as sqlstate:23*"),
    "domain": ("a domain", f"at most {LONGEST_DOMAIN} letters, digits, blanks and the marks _ . : / -"),
}


def read_rows(node: Node, report: Report) -> tuple[UserRow, ...]:
    """The rows in order; those that are wrong are reported and left out."""
    if not isinstance(node, Sequence):
        report.add(node.start, "", f"'classify' is expected to be a list of rows, got {described(node)}")
        return ()
    if len(node.items) > MAX_ROWS:
        report.stop(node.items[MAX_ROWS].start, "", f"at most {MAX_ROWS} rows are expected")
    rows = (_row(item, report) for item in node.items)
    return tuple(row for row in rows if row is not None)


def _row(node: Node, report: Report) -> UserRow | None:
    if not isinstance(node, Mapping):
        hint = "as in: {exception: shop.CardError, kind: data}"
        report.add(node.start, "", f"a row is expected to be a mapping, got {described(node)}", hint)
        return None
    values: dict[str, str | None] = {}
    for key, value in node.entries:
        if key.text in KEYS:
            values[key.text] = _value(key.text, value, report)
        else:
            hint = did_you_mean(key.text, KEYS) or f"one of {', '.join(KEYS)}"
            report.add(key.start, key.text, f"unknown key '{key.text}' of a row", hint)
    if "kind" not in values:
        report.add(node.start, "", "a row needs a 'kind'", f"one of {', '.join(KINDS)}")
    if "exception" not in values and "code" not in values:
        report.add(node.start, "", "a row needs an 'exception' or a 'code'")
    if not values.keys() >= {"kind"} or not values.keys() & {"exception", "code"} or None in values.values():
        return None
    return UserRow(**values)  # type: ignore[arg-type]  # checked by `_value`, field by field


def _value(key: str, node: Node, report: Report) -> str | None:
    value = node.value() if isinstance(node, Scalar) else None
    if not isinstance(value, str):
        hint = f"write: http:{value}" if key == "code" and isinstance(value, int) else ""
        report.add(node.start, "", f"'{key}' is expected to be text, got {described(node)}", hint)
        return None
    if key in AXES:
        if value in AXES[key]:
            return value
        hint = did_you_mean(value, AXES[key]) or f"one of {', '.join(AXES[key])}"
        report.add(node.start, value, f"'{key}' is never '{value[:60]}'", hint)
        return None
    if re.fullmatch(PATTERNS[key], value):
        return value
    what, hint = _EXPECTED[key]
    scheme = value.partition(":")[0]
    if key == "code" and scheme not in CODE_SCHEMES:
        hint = did_you_mean(scheme, CODE_SCHEMES) or hint
    report.add(node.start, value, f"'{key}' is expected to be {what}, got '{value[:60]}'", hint)
    return None
