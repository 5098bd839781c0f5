"""A configuration file of any bytes: refused with positions inside it, or read, and then YAML for others too."""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml

from fuzz.targets.rules import check_positions
from otel_errsample.errors import RuleError
from otel_errsample.rules import Rules
from otel_errsample.rules.document import KEYS, load

MOST = 4096
WORDS = tuple(
    word.encode()
    for word in (
        "rules:", "classify:", "settings:", "rules: |\n", "rules: >\n", "- keep\n", "  a: keep if error\n", "exception:",
        "kind: ", "fault: ", "severity: ", "transient", "buffer_bytes: ", "scrub: strict", "&a ", "*a", "<<: *a", "!!python/object:",
        "!!binary", "%TAG ! tag:a,2000:\n", "%YAML 1.1\n", "---\n", "...\n", "? ", ": ", "\ufeff", "\u2028", "\x85", "{", "[", "'", '"',
        "\\x41", "\\u00e9", "\\U0001f600", "\\N", "~", "null", "0x1f", "1_000", "1e9", ".inf", "no",
    )
)  # fmt: skip

_DIRECTORY = tempfile.TemporaryDirectory(prefix="fuzz-config-")
_FILE = Path(_DIRECTORY.name) / "a.yaml"


def check(data: bytes) -> None:
    _FILE.write_bytes(data)
    try:
        document = load(_FILE)
    except RuleError as error:
        check_positions(error, data.decode("utf-8-sig", "replace"))
        return
    text = data.decode("utf-8-sig")
    # The loader in Python would refuse tabs behind colons and question marks in words.
    said = yaml.load(text, yaml.CSafeLoader)
    assert set(said) <= set(KEYS)
    assert document == load(_FILE)
    if document.rules is not None:
        assert document.rules == Rules.parse(str(document.rules))
        with_defaults = document.rules.with_defaults()
        assert with_defaults == Rules.parse(with_defaults.text)
