"""Secrets for tests, made where they are needed: what looks like a real one is in no file.

A line of corpus/scrub_secrets.txt has `«»` around what must go, and in braces how to make the secret parts: `{*12}` 12
letters and digits, `{ghp_*36}` the same behind a prefix, `{AKIA^16}` with capitals only, `{\\n*64}` on a line of its own,
`{word}` small letters alone.
"""

from __future__ import annotations

import random
import re
import string
from pathlib import Path
from typing import NamedTuple

from otel_errsample.scrub import REDACTED

CORPUS = Path(__file__).parent / "corpus"
ORDINARY = (CORPUS / "scrub_ordinary.txt").read_text(encoding="utf-8").splitlines()
TEMPLATES = (CORPUS / "scrub_secrets.txt").read_text(encoding="utf-8").splitlines()

_PART = re.compile(r"\{(pw|word|hex|b64|jwt|\\n|[^{}' \"]*?[*^]\d+)\}")


class Planted(NamedTuple):
    """A text, the parts of it that must not leave, and what must be left of it."""

    text: str
    secrets: tuple[str, ...]
    expected: str


def planted(count: int) -> list[Planted]:
    """That many texts with secrets, each its own, from the templates in turn."""
    source = random.Random(4)
    return [plant(TEMPLATES[number % len(TEMPLATES)], source) for number in range(count)]


def plant(template: str, source: random.Random) -> Planted:
    secrets: list[str] = []

    def make(found: re.Match[str]) -> str:
        made = _made(found[1], source)
        if made.strip():
            secrets.append(made.strip())
        return made

    text = _PART.sub(make, template)
    return Planted(
        text.replace("«", "").replace("»", ""), tuple(secrets), re.sub("«.*?»", REDACTED, text, flags=re.DOTALL)
    )


def _made(how: str, source: random.Random) -> str:
    if how == "pw":
        return letters(source, 10) + "!$%" + letters(source, 4)
    if how == "word":
        return "".join(source.choices(string.ascii_lowercase, k=12))
    if how == "hex":
        return f"a1{source.getrandbits(120):030x}"
    if how == "b64":
        return letters(source, 22) + "=="
    if how == "jwt":
        return "eyJ" + letters(source, 20) + ".eyJ" + letters(source, 40) + "." + letters(source, 43)
    if how == "\\n":
        return "\n"
    prefix, kind, length = re.split(r"([*^])", how)
    made = letters(source, int(length))
    return prefix.replace("\\n", "\n") + (made.upper() if kind == "^" else made)


def letters(source: random.Random, length: int) -> str:
    """Letters of both cases and digits, some of each."""
    rest = "".join(source.choices(string.ascii_letters + string.digits, k=length - 3))
    return "q7" + rest + "X"


def card_number(source: random.Random) -> str:
    """A number of 16 digits whose check digit is right."""
    digits = [4, *(source.randrange(10) for _ in range(14))]
    doubled = [2 * digit if place % 2 == 0 else digit for place, digit in enumerate(digits)]
    return "".join(map(str, digits)) + str(-sum(digit - 9 * (digit > 9) for digit in doubled) % 10)
