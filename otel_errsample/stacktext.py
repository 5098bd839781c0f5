"""What a stack text as `traceback.format_exception` writes it says: types, relations, frames, members of groups.

The reverse of what the SDK records, for the spans whose exception is not live when they end. Lines of messages are not
believed: what they could forge stands below the part that is read, or inside a margin.
"""

from __future__ import annotations

import itertools
import re
from typing import Final, NamedTuple

Frame = tuple[str, str, int]
"""File, function, and how often it is called in a row."""

# What the system reports has no cause: whatever was handled then, as a key missing in a cache, is another story.
UNCAUSED: Final = frozenset(
    ("ConnectionRefusedError", "ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError", "socket.gaierror")
)
# asyncio stops what takes too long by a cancellation, and makes a time-out of that.
LATE: Final = frozenset(("TimeoutError", "asyncio.exceptions.TimeoutError"))
STOPPED: Final = "asyncio.exceptions.CancelledError"
_MAX_STACK: Final = 64 * 1024  # characters of a stack text that are read: half its head, half its tail
_CHAIN: Final = 8  # exceptions of a chain that are looked at, from the outermost
_LEAVES: Final = 64  # exceptions of a group that are looked at
_HEADER: Final = "Traceback (most recent call last):"


class Leaf(NamedTuple):
    """An exception of a group that is no group itself."""

    type: str
    frames: list[Frame]


Members = tuple[list[Leaf], int]
"""The leaves of a group, and how many members were not printed."""

_NO_MEMBERS: Final[Members] = ([], 0)


class Block(NamedTuple):
    """One exception of a stack text: how it belongs to the one before, type, frames, and of a group its leaves.

    `left_out` is how many members of a group were not printed.
    """

    relation: str
    type: str
    frames: list[Frame]
    leaves: list[Leaf]
    left_out: int


_SEPARATOR: Final = re.compile(
    r"^(?:The above exception was the direct (cause) of the following exception:"
    r"|During handling of the above exception, another exception (occurred):)\n",
    re.MULTILINE,
)
_BETWEEN: Final = "above exception"  # in both of them; to look for it takes 0.1 us, the pattern 8 us
_FRAME: Final = re.compile(r'  File "(.*)", line \d+, in (.+)')
_REPEATED: Final = re.compile(r"  \[Previous line repeated (\d+) more times?\]")
_TYPE_LINE: Final = re.compile(r"([^\W\d][\w.<>]*)(?::|$)")
_MARGIN: Final = re.compile(r"^ *[|+] ", re.MULTILINE)
_CHILDREN: Final = re.compile(r"^ *\+-\+-+ 1 -+$", re.MULTILINE)
_IN_GROUP: Final = "\n  | "  # before the lines of a group, and of nothing else
_MEMBER: Final = re.compile(r" *\+-(\+)?-+ (\d+|\.\.\.) -+")
_END: Final = re.compile(r" *\+-+")
# How pools of processes quote what the worker printed: as the message of a cause that they make up.
_QUOTE: Final = 'RemoteTraceback: \n"""\n'
_QUOTED: Final = '\n"""\n\nThe above exception was the direct cause of the following exception:\n\n'
_QUOTES: Final = 4  # pools inside pools that are looked into
# No line of a message begins like the first of these two: it would stand behind a margin.
_LEFT_OUT: Final = re.compile(r"^ *\+-+ \.\.\. -+\n *\| and (\d{1,9}) more exceptions?$", re.MULTILINE)


def above_message(stack: str, type_name: str, message: str) -> str | None:
    """The part of a text as `traceback.format_exception` writes it that stands above its final exception.

    Errors of one place share it, whatever their messages say, and lines in a message are not in it, so that they are
    not taken for frames. None for a text that is cut short: it lost its innermost frames.
    """
    printed = type_name.removeprefix("__main__.").removeprefix("builtins.")
    if not stack.endswith("\n"):
        if not stack.endswith(f"\n{printed}: {message}" if message else f"\n{printed}"):
            return None
        stack += "\n"  # which whoever recorded it took away
    endings = (
        (f"{printed}: {message}\n", f"{printed}: {message.partition(chr(10))[0]}") if message else (f"{printed}\n",)
    )
    for ending in (*endings, f"{printed}:"):
        for margin in ("\n", _IN_GROUP):
            at = stack.rfind(margin + ending)
            if at >= 0:
                return stack[: at + 1]
        if stack.startswith((ending, _IN_GROUP[1:] + ending)):
            return ""
    return None


def is_group(stack: str, above: str) -> bool:
    """Whether the exception whose message stands below `above` is a group, so that its members follow."""
    return stack.startswith(_IN_GROUP[1:], len(above))


def parse_stack(body: str, type_name: str, below: str = "", message: str = "") -> list[Block]:
    """The exceptions of what `above_message` left of a stack text, outermost first, at most eight.

    At most 64 KiB are read. `type_name` and `message` are those of the final exception, whose lines are missing; `below`
    is the rest of the text where it is a group. What another process printed of an exception stands for it.
    """
    body = _bounded(_unquoted(body, type_name, message) if _QUOTE in body else body)
    pieces = _SEPARATOR.split(body)[::-1] if _BETWEEN in body else [body]  # text, occurred, cause, text, ...
    members = read_members(_bounded(below)) if below else _NO_MEMBERS
    blocks = [Block("", type_name, _read_block(pieces[0], False)[1], *members)]
    for occurred, text in zip(pieces[1::3], pieces[3::3], strict=True):
        inner, frames = _read_block(text, True)
        members = read_members(text) if _in_margin(text) else _NO_MEMBERS
        above = blocks[-1].type
        if (occurred and above in UNCAUSED) or (inner == STOPPED and above in LATE):
            break
        blocks.append(Block("context" if occurred else "cause", inner, frames, *members))
    return blocks[:_CHAIN]


def parse_quoted(text: str, type_name: str, message: str) -> list[Block]:
    """The exceptions of what another process printed of one, as a pool brings it along."""
    printed = text.removeprefix('\n"""\n').removesuffix('"""')
    return parse_stack(_above(printed, type_name, message), type_name, message=message)


def _above(printed: str, type_name: str, message: str) -> str:
    # A class of a script is one of __mp_main__ in a worker: what is left is its message, which holds no frames.
    return above_message(printed, type_name, message) or printed


def _unquoted(body: str, type_name: str, message: str) -> str:
    """A stack text with what a worker printed, below the frames through which its exception was raised again."""
    for _ in range(_QUOTES):
        begin = body.rfind(_QUOTE)
        end = body.find(_QUOTED, begin + len(_QUOTE))
        if begin < 0 or end < 0:
            break
        printed, again = body[begin + len(_QUOTE) : end], body[end + len(_QUOTED) :]
        before = body[: body.rfind("\n", 0, begin) + 1]
        following = _SEPARATOR.search(again)
        closing = again.find('\n"""\n')
        outermost = max((found.end() for found in _SEPARATOR.finditer(printed)), default=0)
        printed = printed[:outermost] + _frames_of(again) + printed[outermost:].lstrip("\n")
        if closing >= 0 and (following is None or closing < following.start()):
            body = before + printed + again[closing:]
        elif following:
            body = f"{before}{printed}\n\n{again[following.start() :]}"
        else:
            body = before + _above(f"{printed}\n", type_name, message)
    return body


def _frames_of(again: str) -> str:
    """The first traceback of a text, without what stands below its frames."""
    head, _, rest = again.partition(f"{_HEADER}\n")
    lines = itertools.takewhile(lambda line: line.startswith("  "), rest.split("\n"))
    return "" if head.strip() else "\n".join((_HEADER, *lines, ""))


class _Member:
    """An exception in the text of a group that is being read; `column` is that of its margin."""

    def __init__(self, column: int) -> None:
        self.column = column
        self.lines: list[str] = []
        self.leaves: list[Leaf] = []

    def add(self, line: str) -> None:
        if _SEPARATOR.match(f"{line}\n"):
            self.lines, self.leaves = [], []  # what stood above is but a cause of the member
        else:
            self.lines.append(line)

    def finish(self) -> list[Leaf]:
        """The members of its own where it is a group, else itself."""
        return self.leaves or [Leaf(*_read_block("\n".join(self.lines), True))]


def read_members(text: str) -> Members:
    """The leaves in the text of a group, at most 64, in the order they are printed, and how many members are not."""
    root = _Member(-1)
    open_members = [root]

    def close(column: int) -> None:
        """Finish the members whose margin is there or further to the right."""
        while open_members[-1].column >= column:
            found = open_members.pop().finish()
            open_members[-1].leaves += found

    first = _CHILDREN.search(text)
    for line in text[first.start() :].split("\n") if first else ():
        column = len(line) - len(line.lstrip(" "))
        if marker := _MEMBER.fullmatch(line):
            column += 2 if marker[1] else 0
            close(column)
            if marker[2] != "...":
                open_members.append(_Member(column))
        elif _END.fullmatch(line):
            close(column)
        elif line[column : column + 1] == "|":
            close(column + 1)
            if open_members[-1].column == column:
                open_members[-1].add(line[column + 2 :])
    close(0)
    return [leaf for leaf in root.leaves if leaf.type][:_LEAVES], sum(map(int, _LEFT_OUT.findall(text)))


def _bounded(text: str) -> str:
    """Half of what is read from the head, half from the tail, in whole lines: a piece of one would end the frames."""
    if len(text) <= _MAX_STACK:
        return text
    head, tail = text[: _MAX_STACK // 2], text[-_MAX_STACK // 2 :]
    return head[: head.rfind("\n") + 1] + tail[tail.find("\n") + 1 :]


def _in_margin(text: str) -> bool:
    return text.lstrip("\n").startswith(("  + ", "  | "))


def _read_block(text: str, with_type: bool) -> tuple[str, list[Frame]]:
    children = _CHILDREN.search(text) if "+-+-" in text else None
    if children:
        text = text[: children.start()]
    if _in_margin(text):
        text = _MARGIN.sub("", text)
    frames: list[Frame] = []
    reading = False
    for line in text.split("\n"):
        if line.startswith("    ") and reading:
            continue  # source code
        if line.endswith(_HEADER):
            reading = True
        elif line.startswith("  "):
            if reading:
                _read_frame(line, frames)
        elif with_type and line.strip() and (found := _TYPE_LINE.match(line)):
            return found[1], frames
        elif line:
            reading = False
    return "", frames


def _read_frame(line: str, frames: list[Frame]) -> None:
    if found := _FRAME.fullmatch(line):
        filename, function = found.groups()
        frames.append((filename, function, 1))
    elif frames and (again := _REPEATED.fullmatch(line)):
        filename, function, times = frames[-1]
        frames[-1] = (filename, function, times + int(again[1]))
