"""The texts of errors, fit for a log: the name of a variable stands where its value would."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from otel_errsample.plugins.switch import NAME

_IN_FILE: Final = re.compile(r"\$\{(?:env:)?([A-Za-z_]\w*)")
_MOST_OF_FILE: Final = 1 << 20
# What is shorter stands in any text by chance.
_LEAST_VALUE: Final = 4
_LEAST_SECRET: Final = 3
# Values of variables that are words of our messages too.
_WORDS: Final = (NAME, "true", "false", "none")


def told(error: BaseException) -> str:
    """What an error says, on one line: without values of variables, and without what a validator quotes of a file."""
    text = str(error)
    cause: BaseException | None = error
    while cause is not None:
        if hasattr(cause, "validator"):  # jsonschema's
            text = text.replace(repr(getattr(cause, "instance", None)), "what stands there", 1)
        cause = cause.__cause__
    text = without_values(" ".join(text.split()))
    for name, value in os.environ.items():
        if name.startswith("OTEL_"):
            reference = _reference(name).replace("\\", r"\\")  # as a template has it
            for part in {value.strip(), *(part.strip() for part in value.split(","))}:
                if len(part) >= _LEAST_VALUE and part.lower() not in _WORDS:
                    text = re.sub(rf"(?<![\w$]){re.escape(part)}(?!\w)", reference, text)
    return text


def without_values(text: str) -> str:
    """The text without what the variables that OTEL_CONFIG_FILE names, and the headers of OTLP exporters, hold."""
    secrets = {**dict(_of_headers()), **dict(_of_file())}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, secrets[secret])
    return text


def _of_headers() -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if name.startswith("OTEL_") and name.endswith("HEADERS"):
            for secret in _in_pairs(value):
                yield secret, "***"


def _of_file() -> Iterator[tuple[str, str]]:
    try:
        with Path(os.environ["OTEL_CONFIG_FILE"]).open(encoding="utf-8", errors="replace") as file:
            names = set(_IN_FILE.findall(file.read(_MOST_OF_FILE)))
    except (KeyError, OSError, ValueError):
        return
    for name in names:
        value = os.environ.get(name, "")
        for secret in (value, *(_in_pairs(value) if "=" in value else ())):
            # As it is, on one line, as Python quotes it, as a header list has it.
            for text in (secret, " ".join(secret.split()), repr(secret)[1:-1], quote(secret, safe="")):
                if len(text) >= _LEAST_VALUE:
                    yield text, _reference(name)


def _in_pairs(value: str) -> set[str]:
    """The values of a list `key=value,key2=value2`."""
    raw = {pair.partition("=")[2].strip() for pair in value.split(",")}
    return {secret for secret in raw | set(map(unquote, raw)) if len(secret) >= _LEAST_SECRET}


def _reference(name: str) -> str:
    return f"${{{name}}}"
