"""What is asked of `traceback` of this Python: frames met for the first time, and who prints exceptions here.

Python's half of ext/frames.pyx and ext/printing.pyx. What these rely on is looked at, not assumed: where another package
has changed how exceptions are printed, that package prints them.
"""

from __future__ import annotations

import builtins
import sys
import traceback
from types import FunctionType, TracebackType
from typing import Final, NamedTuple

# The backport of groups to 3.10 is known: exceptions without groups and notes it prints as 3.10 does.
_KNOWN: Final = ("traceback", "exceptiongroup._formatting")

CAUSED: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
MEANWHILE: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"

# A syntax error prints the line it is about. The others are printed with "Did you mean", which looks at live objects,
# since 3.12, and on 3.10 by the backport of groups; not on 3.11.
_WITH_SUGGESTIONS: Final = (NameError, AttributeError, ImportError)
ASKED: Final = (SyntaxError, *(() if sys.version_info[:2] == (3, 11) else _WITH_SUGGESTIONS))
"""Classes whose last lines `traceback` has to make itself, each time."""

BASE_GROUP: Final[type[BaseException] | None] = getattr(builtins, "BaseExceptionGroup", None)
"""None before 3.11."""

Watched = tuple[object, str, object]
"""(owner, name, value) of something that takes part in printing an exception."""


class Frame(NamedTuple):
    """One frame as `traceback` prints it; file, line and function say which frames it folds as repetitions."""

    text: str
    filename: str
    line: int | None
    function: str


def first_frame(stack: TracebackType) -> Frame:
    """The outermost frame of a traceback. Reads its source: does input and output, may run the code of a loader."""
    summary = traceback.extract_tb(stack, limit=1)
    (frame,) = summary
    (text,) = summary.format()
    return Frame(text, frame.filename, frame.lineno, frame.name)


def last_lines(exception: BaseException) -> str:
    """What `traceback` prints below the frames."""
    told = traceback.TracebackException(type(exception), exception, exception.__traceback__, limit=0, compact=True)
    return "".join(told.format_exception_only())


def printers() -> tuple[tuple[Watched, ...], bool]:
    """What prints exceptions, to notice when it is replaced, and whether all of it is known here."""
    found = []
    for owner, names in (
        (traceback, ("format_exception", "TracebackException", "StackSummary", "FrameSummary")),
        (traceback.TracebackException, ("__init__", "format", "format_exception_only")),
        (traceback.StackSummary, ("format",)),
    ):
        found += [(owner, name, getattr(owner, name)) for name in names]
    return tuple(found), all(_module_of(value) in _KNOWN for _, _, value in found)


def _module_of(value: object) -> object:
    # By its globals: functools.wraps gives a wrapper the __module__ of what it wraps.
    if isinstance(value, FunctionType):
        return value.__globals__.get("__name__")
    return getattr(value, "__module__", None)
