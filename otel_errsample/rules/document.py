"""A configuration file: rules, rows for the taxonomy and settings, checked as a whole."""

from __future__ import annotations

import errno
import os
import stat
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from otel_errsample.config import FILE_SETTINGS, PREFIX
from otel_errsample.rules import nodes
from otel_errsample.rules.check import check
from otel_errsample.rules.nodes import Node, Scalar, Sequence, described, read_nodes
from otel_errsample.rules.parser import parse
from otel_errsample.rules.report import Report, did_you_mean
from otel_errsample.rules.rows import read_rows
from otel_errsample.rules.ruleset import Rules
from otel_errsample.setting import Setting
from otel_errsample.taxonomy import UserRow

KEYS: Final = ("rules", "classify", "settings")
RULE_TEXT_SUFFIX: Final = ".rules"

# Between the rules of a list: whatever is left open in one of them, the next one begins anew.
_SEPARATOR: Final = "\n;\n"


@dataclass(frozen=True)
class Document:
    """What a file says. `rules` is None where it has none, `settings` maps arguments to accepted values."""

    source: str
    rules: Rules | None = None
    classify: tuple[UserRow, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)


def load(path: str | os.PathLike[str]) -> Document:
    """Read and check a file; see `read`. Raises OSError where it cannot be read or is no regular file."""
    return read(text_of(path), os.fspath(path))


def content_of(path: str | os.PathLike[str]) -> bytes:
    """What a file holds, as much as is ever looked at. Raises OSError."""
    source = os.fspath(path)
    if "\0" in source:
        raise OSError(f"{source!r} cannot be the name of a file")
    # Opening a pipe waits for its writer, and a device may never end.
    if not stat.S_ISREG(Path(source).stat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", source)
    with Path(source).open("rb") as file:
        return file.read(4 * nodes.MAX_TEXT + 1)  # UTF-8 has at most 4 bytes a character


def text_of(path: str | os.PathLike[str]) -> str:
    """The text of a file. Raises as `load` does."""
    source = os.fspath(path)
    data = content_of(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")  # without the byte order mark
        Report(before, source).stop(len(before), "", "the file is expected to be UTF-8")


def read(text: str, source: str) -> Document:
    """Read and check the text of a file: rules where `source`, its name, ends in `.rules`, else a YAML document.

    Raises RuleError, which lists all problems of the whole document with line and column. Bounds: 256 Ki characters,
    10,000 values, 8 levels.
    """
    if source.endswith(RULE_TEXT_SUFFIX):
        return Document(source, Rules.parse(text, source))
    report = Report(text, source)
    root = read_nodes(text, report)
    if root is None:
        # Most likely a file that is being written: it must not pass for one that takes all rules back.
        report.stop(0, "", "the file is empty", f"expected keys: {', '.join(KEYS)}")
    if not isinstance(root, nodes.Mapping):
        hint = f"rules go below 'rules: |', or into a file whose name ends in {RULE_TEXT_SUFFIX}"
        report.stop(root.start, "", f"a mapping with the keys {', '.join(KEYS)} is expected", hint)
    rules = None
    rows: tuple[UserRow, ...] = ()
    settings: Mapping[str, object] = {}
    for key, node in root.entries:
        if key.text == "rules":
            rules = _rules(node, text, report)
        elif key.text == "classify":
            rows = read_rows(node, report)
        elif key.text == "settings":
            settings = _settings(node, text, report)
        else:
            hint = did_you_mean(key.text, KEYS) or f"one of {', '.join(KEYS)}"
            if key.text in FILE_SETTINGS:
                hint = "write it below 'settings:'"
            report.add(key.start, key.text, f"unknown key '{key.text}'", hint)
    report.finish()
    return Document(source, rules() if rules else None, rows, settings)


def _rules(node: Node, source: str, report: Report) -> Callable[[], Rules] | None:
    """Report what is wrong with the rules; the function makes the rule set once all problems are known to be none."""
    items: list[Scalar] = []
    for item in node.items if isinstance(node, Sequence) else (node,):
        if isinstance(item, Scalar) and item.value() is not None:
            items.append(item)
        elif isinstance(node, Sequence):
            hint = "put a rule that contains ': ' in quotes, or write all of them below 'rules: |'"
            message = f"a rule is expected to be text, got {described(item)}"
            report.add(item.start, "", message, hint if isinstance(item, nodes.Mapping) else "")
        else:
            report.add(item.start, "", f"'rules' is expected to be text or a list of texts, got {described(item)}")
    text = _SEPARATOR.join(item.text for item in items)
    inner = report.within(_origin(items, source))
    rules = parse(text, inner)
    check(rules, inner)
    return lambda: Rules._of(rules, "\n".join(item.text for item in items))


def _origin(items: list[Scalar], source: str) -> Callable[[int], int]:
    """Where in the file a character of the joined rules stands."""
    starts = [0]
    for item in items:
        starts.append(starts[-1] + len(item.text) + len(_SEPARATOR))
    origins: dict[int, Callable[[int], int]] = {}

    def origin(at: int) -> int:
        number = min(bisect_right(starts, at), len(items)) - 1
        if number not in origins:
            origins[number] = items[number].origin(source)
        return origins[number](at - starts[number])

    return origin


def _settings(node: Node, source: str, report: Report) -> dict[str, object]:
    if not isinstance(node, nodes.Mapping):
        report.add(node.start, "", f"'settings' is expected to be a mapping, got {described(node)}")
        return {}
    settings: dict[str, object] = {}
    for key, value in node.entries:
        setting = FILE_SETTINGS.get(key.text)
        if setting is None:
            report.add(key.start, key.text, f"unknown setting '{key.text}'", _meant(key.text))
        else:
            settings[setting.argument] = _setting(setting, value, source, report)
    return settings


def _meant(name: str) -> str:
    if name == "rules":
        return "'rules' is a key of its own, beside 'settings'"
    for setting in FILE_SETTINGS.values():
        if name.upper().removeprefix(PREFIX) == setting.variable.removeprefix(PREFIX):
            return f"write: {setting.argument}"
    return did_you_mean(name, FILE_SETTINGS) or f"one of {', '.join(FILE_SETTINGS)}"


def _setting(setting: Setting, node: Node, source: str, report: Report) -> object:
    given = [_value(item) for item in node.items] if isinstance(node, Sequence) else _value(node)
    accepted = setting.accepted(given)
    flaws = setting.flaws(given) if accepted is None else []
    for place, flaw in flaws:
        item = node.items[place] if isinstance(node, Sequence) else node
        if isinstance(item, Scalar):
            piece = flaw.piece if flaw.piece in item.text else ""
            at = item.origin(source)(item.text.find(piece))
            report.add(at, piece or item.text, f"'{setting.argument}': this {flaw.message}", flaw.hint)
    if accepted is None and not flaws:
        wanted = setting.expectation
        if isinstance(setting.default, tuple):
            wanted = f"a list of {setting.listed or 'texts'}"
        message = f"'{setting.argument}' is expected to be {wanted}, got {described(node)}"
        plain = isinstance(node, Scalar) and Scalar(node.text, "", 0, 0).value()
        hint = "write it without quotes" if plain and setting.accepted(plain) is not None else ""
        report.add(node.start, node.text if isinstance(node, Scalar) else "", message, hint)
    return accepted


def _value(node: Node) -> object:
    return node.value() if isinstance(node, Scalar) else None
