"""The rules that an argument names, read as the variables are."""

from __future__ import annotations

from typing import Final

from otel_errsample.cli.files import name_of, read_text
from otel_errsample.rules import Rules
from otel_errsample.rules.document import Document, read

# Both readers bound the characters; this bounds what is read before they are counted.
_MOST_BYTES: Final = 1 << 20


def load(path: str, texts: dict[str, str]) -> Document:
    """A file as OTEL_ERRSAMPLE_CONFIG takes it, or rule text as OTEL_ERRSAMPLE_RULES does, from the standard input.

    Notes the text in `texts`, for messages. Raises RuleError with all problems, and Unreadable.
    """
    source = name_of(path)
    text = texts[source] = read_text(path, _MOST_BYTES)
    return Document(source, Rules.parse(text, source)) if path == "-" else read(text, source)


def rules_of(document: Document) -> Rules:
    """The rules as written, without the default ones; none where the file has none."""
    return document.rules or Rules.parse("")
