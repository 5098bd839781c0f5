"""YAML text to nodes with positions: the part of YAML that says one thing, in bounded time and memory.

Anchors, aliases, tags, merge keys, duplicate keys and second documents are refused. Plain scalars are typed as YAML
1.2's core schema has it, where `no` is text and `012` is not ten. Bounds are checked on the stream of events, before
anything is built of them: 332 bytes of aliases become 522 MB when they are written out, and libyaml's composer crashes
the process at a depth of 100,000.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

import yaml

from otel_errsample.rules.report import Report

MAX_TEXT: Final = 256 * 1024
MAX_DEPTH: Final = 8  # the deepest place that means anything is 4: a row of `classify`, and the names in it
MAX_NODES: Final = 10_000  # 1000 rules and 1000 rows of four keys; 15 ms with libyaml, 250 ms without

_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WHOLE: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,29})", re.ASCII)
_FRACTION: Final = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", re.ASCII
)
_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# What YAML folds and strips; every other character of a scalar stands in the file, in the same order.
_BLANK: Final = " \t\n\r\x85\u2028\u2029"
# By style, the runs of such characters, and escapes, each for one character of the value.
_RUNS: Final = {
    "'": re.compile(f"''|[^{_BLANK}']+"),
    '"': re.compile(rf"\\(?:x(..)|u(.{{4}})|U(.{{8}})|[^{_BLANK}])|[^{_BLANK}\\]+"),
    "": re.compile(f"[^{_BLANK}]+"),
}
# libyaml takes it for a comment, other parsers refuse it, and somebody's rules may be in it.
_STUCK_COMMENT: Final = re.compile("[|>][-+0-9]*#")
_BREAK: Final = re.compile("[\r\n\x85\u2028\u2029]")
_BLANK_ESCAPES: Final = ("\\n", "\\t", "\\r", "\\N", "\\L", "\\P")


@dataclass(frozen=True, slots=True)
class Scalar:
    """`text` as YAML reads it; `start` and `stop` bound it in the file, quotes and the head of a block included."""

    text: str
    style: str  # "" plain, "'" or '"' quoted, "|" literal, ">" folded
    start: int
    stop: int

    def value(self) -> str | int | float | bool | None:
        """What a plain scalar says in YAML 1.2; text where it is quoted or a block."""
        if self.style:
            return self.text
        if self.text in _WORDS:
            return _WORDS[self.text]
        if _WHOLE.fullmatch(self.text):
            return int(self.text)
        return float(self.text) if _FRACTION.fullmatch(self.text) else self.text

    def origin(self, source: str) -> Callable[[int], int]:
        """Where in `source`, the file's text, a character of `text` stands.

        Exact for every character that is no blank, whatever the style; a blank counts on from the one before it.
        """
        runs = self._runs(source)
        starts, counts = (
            array("I"),
            array("I", [0]),
        )  # a run's start; the characters before it, and one more for the last
        text = self.text

        def origin(at: int) -> int:
            upto = text[: at + 1]
            number = len(upto) - sum(map(upto.count, _BLANK))
            if number == 0:
                return self.start
            while counts[-1] < number:
                start, length = next(runs)
                starts.append(start)
                counts.append(counts[-1] + length)
            run = bisect_left(counts, number) - 1
            return starts[run] + number - counts[run] + at - len(upto.rstrip(_BLANK))

        return origin

    def _runs(self, source: str) -> Iterator[tuple[int, int]]:
        """Start and length in `source` of the pieces the text is made of, without blanks."""
        start, stop = self.start, self.stop
        if self.style in ("'", '"'):
            start, stop = start + 1, stop - 1
        elif self.style:  # the head of a block may end in a comment
            head = _BREAK.search(source, start, stop)
            start = head.start() if head else stop
        for run in _RUNS.get(self.style, _RUNS[""]).finditer(source, start, stop):
            escaped = (self.style == '"' and run[0][0] == "\\") or (self.style == "'" and run[0] == "''")
            if not (self.style == '"' and escaped and _is_blank(run)):
                yield run.start(), 1 if escaped else len(run[0])


def _is_blank(escape: re.Match[str]) -> bool:
    number = escape[1] or escape[2] or escape[3]
    return escape[0] in _BLANK_ESCAPES or (number is not None and chr(int(number, 16)) in _BLANK)


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Mapping:
    entries: tuple[tuple[Scalar, Node], ...]
    start: int


Node: TypeAlias = Scalar | Sequence | Mapping


def described(node: Node) -> str:
    """A node where another kind of node was expected."""
    if isinstance(node, Scalar):
        return f"'{node.text[:60]}'" if node.value() is not None else "nothing"
    return "a list" if isinstance(node, Sequence) else "a mapping"


def read_nodes(text: str, report: Report) -> Node | None:
    """The one document of a YAML text, None where it holds nothing.

    What cannot be read is reported: a duplicate key without ending the search, everything else with a RuleError.
    """
    if len(text) > MAX_TEXT:
        report.stop(0, "", f"a file is expected to have at most {MAX_TEXT} characters, got {len(text)}")
    if found := _UNPRINTABLE.search(text):
        report.stop(found.start(), repr(found[0])[1:-1], "a character that YAML does not allow")
    return _Reader(text, report).document()


class _Reader:
    def __init__(self, text: str, report: Report) -> None:
        self._text = text
        self._report = report
        self._nodes = 0
        # libyaml reads a file of the largest size in 5 ms, the one in Python in 150 ms and with less tolerance: no tab
        # behind a colon, no question mark in a word between brackets.
        self._events: Any = yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    def document(self) -> Node | None:
        try:
            return self._document()
        except yaml.YAMLError as error:
            self._unreadable(error)
        finally:
            self._events.close()

    def _document(self) -> Node | None:
        node: Node | None = None
        event: Any
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if node is not None:
                    self._stop(event, "one document is expected in a file", "take out the second '---'")
                if event.tags:
                    self._stop(event, "tags are not allowed", "leave out the %TAG line")
            elif isinstance(event, yaml.NodeEvent):
                node = self._node(event, 1)
        nothing = isinstance(node, Scalar) and node.value() is None
        return None if nothing else node

    def _node(self, event: Any, depth: int) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop(event, f"at most {MAX_NODES} values are expected in a file")
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self._stop(event, "anchors and aliases are not allowed", "write the value out where it is used")
        if event.tag is not None:
            self._stop(event, "tags are not allowed", "leave it out")
        start, stop = event.start_mark.index, event.end_mark.index
        if isinstance(event, yaml.ScalarEvent):
            if event.style in ("|", ">") and (found := _STUCK_COMMENT.match(self._text, start)):
                self._report.stop(found.end() - 1, "#", f"a blank is expected between '{event.style}' and a comment")
            return Scalar(event.value, event.style or "", start, stop)
        if depth > MAX_DEPTH:
            self._stop(event, f"values are expected to be nested at most {MAX_DEPTH} deep")
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(tuple(self._items(depth)), start)
        return Mapping(tuple(self._entries(depth)), start)

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.CollectionEndEvent):
            yield self._node(event, depth + 1)

    def _entries(self, depth: int) -> Iterator[tuple[Scalar, Node]]:
        seen: set[str] = set()
        while not isinstance(event := next(self._events), yaml.CollectionEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, Scalar):
                self._stop(event, "a key is expected to be a name")
            if key.text in seen:
                self._report.add(key.start, key.text, f"the key '{key.text}' is used twice", "leave one of the two out")
            seen.add(key.text)
            yield key, self._node(next(self._events), depth + 1)

    def _stop(self, event: Any, message: str, hint: str = "") -> NoReturn:
        start = event.start_mark.index
        self._report.stop(start, self._text[start : event.end_mark.index].split("\n", 1)[0], message, hint)

    def _unreadable(self, error: Any) -> NoReturn:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "the text cannot be read"
        hint = ""
        if "mapping values" in problem:
            hint = "put a rule that contains ': ' in quotes, or write all of them below 'rules: |'"
        elif "cannot start any token" in problem:
            hint = "indent with spaces, and put text that begins with a mark in quotes"
        self._report.stop(mark.index if mark else 0, "", f"not readable as YAML: {problem}", hint)
