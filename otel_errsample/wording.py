"""What a message says each time: it stands for an error that has neither frame nor code."""

from __future__ import annotations

import re
from typing import Final

# An apostrophe between two letters quotes nothing, and behind a letter none but b and u begins to.
_QUOTED: Final = r"""
    '(?:(?<!\w')|(?<=\b[bu]'))(?:[^']|(?<=\w)'(?=\w)){0,200}'(?!\w) | "[^"]{0,200}" | `[^`]{0,200}`
"""
# All eight groups, or the colons that stand for some of them and a digit: times have single colons, names no digits.
_IPV6: Final = r"""
    (?=[\[0-9a-f:])(?<![\w:.]) \[?
    (?:
        (?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}
        | (?=[0-9a-f:]{0,38}::)(?=[a-f:]{0,38}\d)[0-9a-f:]{1,38}(?:[0-9a-f]|(?<=:):)(?:(?:\.\d{1,3}){3})?
    )
    (?:%\w{1,16})?(?!\w) (?:\](?::\d{1,5})?)?
"""
# ULID: 26 digits of Crockford's base 32. Behind a prefix as in cus_NffrFeUfNV2Hib: 25,000 files of libraries have no
# name like that but of tests. Temporary files: the names that Python's tempfile and mktemp(1) make.
_ID: Final = r"""
    [0-7](?<!\w\w)[0-9a-hjkmnp-tv-z]{25}\b
    | (?<=_)(?-i: (?<=[a-z]_)(?=[A-Za-z]*\d)(?=[a-z\d]*[A-Z])(?=[A-Z\d]*[a-z])[A-Za-z\d]{14,64}(?!\w) )
    | (?<=p)(?-i: (?<=[/\\]tmp)(?:[a-z0-9_]{8}|\.[A-Za-z0-9]{10})(?!\w) )
"""
# Where several begin at one place, the first goes.
_PATTERNS: Final = {
    "quoted": _QUOTED,
    "url": r"""\b[a-z][a-z0-9+.-]{1,15}://[^\s"'<>]{1,200}""",
    "email": r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    "uuid": r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    "ip": rf"\b\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?::\d{{1,5}})?\b | {_IPV6}",
    "date": r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?",
    "hex": r"\b(?:0x[0-9a-f]{1,64}|(?=[0-9a-f]*\d)[0-9a-f]{8,128})\b",
    "id": _ID,
    "number": r"-?\b\d{1,64}(?:\.\d{1,64})?(?:e[+-]?\d{1,3}\b)?",
}
_VARIABLE: Final = re.compile(
    "|".join(f"(?P<{name}> {pattern} )" for name, pattern in _PATTERNS.items()), re.IGNORECASE | re.VERBOSE
)


def template(message: str) -> str:
    """The first line of a message, at most 200 characters, with what varies between two occurrences taken out."""
    line = message.lstrip("\n").partition("\n")[0][:200]
    return _VARIABLE.sub(_placeholder, line)


def _placeholder(found: re.Match[str]) -> str:
    return f"<{found.lastgroup}>"


def peer_template(peer: str) -> str:
    """The name of a host without what varies between its replicas; addresses are all alike."""
    return "<ip>" if ":" in peer else template(peer.lower())
