"""Rule text to tokens, one rule at a time."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from otel_errsample.rules.report import Report

# Bounds of a text nobody vouches for; each is checked before the work it bounds.
MAX_TEXT: Final = 256 * 1024
MAX_RULES: Final = 1000
MAX_TOKENS: Final = 4000  # a rule
MAX_ALL_TOKENS: Final = 10_000  # reading, parsing and checking one takes 3 us
MAX_NESTING: Final = 32
MAX_STRING: Final = 256

ACTIONS: Final = ("keep", "drop", "head", "shadow")


class Token(NamedTuple):
    kind: str  # "name", "number", "string", "mark"; "end" closes the list of a rule
    value: str | int | float
    at: int
    text: str


# The patterns run over configuration, never over span data, and are linear: where one gives characters back, what follows
# fails at once. Runs are taken by classes rather than by repeated groups, which cost 0.25 us a character.
_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\f]+|\#[^\n]*)
    |(?P<end>[;\n](?:[ \t\r\f\n;]+|\#[^\n]*)*)
    |(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)
    |(?P<number>[+-]?\.?[0-9](?:[A-Za-z0-9_.]+|(?<=[eE])[+-]){0,40})
    |(?P<string>"[^"\\\n]*(?:\\[^\n][^"\\\n]*){0,300}"|'[^'\\\n]*(?:\\[^\n][^'\\\n]*){0,300}')
    |(?P<mark>==|!=|<=|>=|[<>()\[\],:%])
    |(?P<stray>=|&&|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)
# Controls but those that are space, and marks that are invisible or turn the direction of writing: what a person reads
# would not be what is evaluated, and a terminal that shows the message would obey them.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f\ud800-\udfff]"
)
_NAME: Final = re.compile(r"[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DURATION: Final = re.compile(r"[0-9.]+(?:[num]?s|min|[mhd])?")
_RULE_START: Final = re.compile(rf"(?:{'|'.join(ACTIONS)})(?![A-Za-z0-9_.-])|[A-Za-z_][A-Za-z0-9_.-]*[ \t]*:")
_STRAY_HINTS: Final = {
    "=": "write == to compare",
    "&&": "write: and",
    "||": "write: or",
    "&": "write: and",
    "|": "write: or",
    "!": "write: not",
    "/": "write, for instance: keep 5 per second",
    "*": 'patterns are in quotes, as in: name like "GET *"',
    **dict.fromkeys("\u2018\u2019\u201c\u201d", "quotes are straight: \" or '"),
    "{": "write ( and ) around values",
}
_ESCAPES: Final = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t"}


def rules_of(text: str, report: Report) -> Iterator[tuple[int, list[Token]]]:
    """Each rule's number, from 1, and tokens, closed by an "end" token; a rule with an unreadable piece is reported and left out.

    A newline separates rules, except inside brackets; there a line that begins a rule shows that the bracket was
    forgotten. Raises RuleError where a bound is exceeded.
    """
    if len(text) > MAX_TEXT:
        report.stop(0, "", f"rules are expected to have at most {MAX_TEXT} characters, got {len(text)}")
    invisible = [(found.start(), f"U+{ord(found.group()):04X}") for found in _UNSEEN.finditer(text)]
    for at, name in invisible:
        report.add(at, "", f"unexpected invisible character {name}", "leave it out")
    if invisible:
        return  # no message may repeat them
    # The added separator closes the last rule, whatever is open in it, in the way every other one is closed.
    closed = text + "\n;"
    tokens: list[Token] = []
    opened: list[Token] = []
    sound = True
    rules = 0
    count = 0
    at = 0
    while at < len(closed):
        match = _TOKEN.match(closed, at)
        assert match is not None  # `stray` takes any character
        start, at, kind = at, match.end(), str(match.lastgroup)
        if kind == "space":
            continue
        if kind != "end":
            token = _token(kind, match.group(), start, report)
            if token is None:
                sound = False
                if kind == "stray" and match.group() in "\"'":
                    at = closed.index("\n", at)  # the rest of the line is text, and reading it would report nonsense
                continue
            tokens.append(token)
            count += 1
            if count > MAX_ALL_TOKENS:
                report.stop(start, token.text, f"rules are expected to have at most {MAX_ALL_TOKENS} words and marks")
            _balance(token, opened, report)
            if len(tokens) > MAX_TOKENS:
                report.stop(start, token.text, f"a rule is expected to have at most {MAX_TOKENS} words and marks")
            continue
        if opened and ";" not in match.group() and not _RULE_START.match(closed, at):
            continue
        if opened:
            close = ")" if opened[-1].text == "(" else "]"
            report.add(opened[-1].at, opened[-1].text, f"'{opened[-1].text}' is never closed", f"add {close}")
        if tokens or not sound:
            rules += 1
            if rules > MAX_RULES:
                report.stop(start, "", f"at most {MAX_RULES} rules are expected")
        if tokens and sound and not opened:
            yield rules, [*tokens, Token("end", "", start, "")]
        tokens, opened, sound = [], [], True


def _balance(token: Token, opened: list[Token], report: Report) -> None:
    if token.kind != "mark":
        return
    if token.text in "([":
        opened.append(token)
        if len(opened) > MAX_NESTING:
            report.stop(token.at, token.text, f"brackets are expected to be nested at most {MAX_NESTING} deep")
    elif token.text in ")]" and opened:
        opened.pop()  # a wrong kind of bracket is the parser's to report


def _token(kind: str, text: str, at: int, report: Report) -> Token | None:
    if kind == "number":
        return _number(text, at, report)
    if kind == "string":
        return _string(text, at, report)
    if kind == "stray":
        if text in "\"'":
            report.add(at, text, "text is not closed", f"end it with {text} on the same line")
        else:
            report.add(at, text, f"unexpected character '{text}'", _STRAY_HINTS.get(text, ""))
        return None
    if len(text) > MAX_STRING:
        report.add(at, text, f"a name is expected to have at most {MAX_STRING} characters, got {len(text)}")
        return None
    if kind == "name" and not _NAME.fullmatch(text):
        report.add(at, text, f"'{text}' is not a name", "parts are joined by one dot or hyphen, as in: http.route")
        return None
    return Token(kind, text, at, text)


def _number(text: str, at: int, report: Report) -> Token | None:
    if len(text) > 40 or not _NUMBER.fullmatch(text):
        seconds = "durations are plain seconds, as in: duration > 0.5"
        hint = "names begin with a letter" if text[0].isdigit() and not _DURATION.fullmatch(text) else seconds
        report.add(at, text, f"'{text[:60]}' is not a number", hint)
        return None
    value = float(text) if any(mark in text for mark in ".eE") else int(text)
    if not -(2**63) <= value < 2**63 if isinstance(value, int) else math.isinf(value):
        report.add(at, text, f"a number is expected to fit 64 bits, got {text}")
        return None
    return Token("number", value, at, text)


def _string(text: str, at: int, report: Report) -> Token | None:
    body = text[1:-1]
    if len(body) > 2 * MAX_STRING:
        report.add(at, text, f"text is expected to have at most {MAX_STRING} characters, got {len(body)}")
        return None
    pieces: list[str] = []
    escaped = False
    for offset, letter in enumerate(body):
        if escaped:
            escaped = False
            if letter not in _ESCAPES:
                report.add(
                    at + offset,
                    body[offset - 1 : offset + 1],
                    f"unknown escape '\\{letter}'",
                    r"write \\ for a backslash",
                )
                return None
            pieces.append(_ESCAPES[letter])
        elif letter == "\\":
            escaped = True
        else:
            pieces.append(letter)
    value = "".join(pieces)
    if len(value) > MAX_STRING:
        report.add(at, text, f"text is expected to have at most {MAX_STRING} characters, got {len(value)}")
        return None
    return Token("string", value, at, text)
