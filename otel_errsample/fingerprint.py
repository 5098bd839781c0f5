"""What makes two errors the same: the slow parts, whose results the extension keeps per code object.

A fingerprint is `1-` and 16 hex digits over the type chain and the innermost frame of the application. No line
number, message or directory is in it, so that it is equal across hosts, releases and Python 3.10 to 3.13.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType
from typing import Final

IN_APP: Final = 1  # a frame of the application
HIDDEN: Final = 2  # never the frame of a fingerprint
PLUMBING: Final = 4  # frames that a span itself adds to a stack

_REMEMBERED_FILES: Final = 2048
_PATH: Final = 5  # frames of the application that tell the way to an error
_CYCLE: Final = 10  # a frame that occurs that often belongs to the cycle of a RecursionError

# Comprehensions have no frame of their own from Python 3.12 on (PEP 709).
_COMPREHENSIONS: Final = frozenset({"<listcomp>", "<dictcomp>", "<setcomp>"})
_LIBRARY: Final = re.compile(r".*(?:/(?:site|dist)-packages|\.whl)/(.+)", re.DOTALL)  # PEX unpacks into x.whl/
_STDLIB: Final = re.compile(r".*/(?:lib(?:64)?/python3\.\d+|python3\d+\.zip)/(.+)", re.DOTALL)
_ARCHIVE: Final = re.compile(r".*\.(?:pyzw?|zip|egg)/(.+)", re.DOTALL)
_FROZEN: Final = re.compile(r"<frozen ([\w.]+)>")
_NOTEBOOK: Final = re.compile(r"<ipython-input-|.*/ipykernel_\d+/")
_SUFFIX: Final = re.compile(r"(?:\.pyx)?\.(?:py[cdiwx]?|pxi)$")
_COMPILED: Final = (".pyx", ".pxi", ".pxd")
_EXTENSION: Final = tuple(EXTENSION_SUFFIXES)


class Frames:
    """Names frames as `module:function` and tells the application's from others.

    `in_app_include` lists module prefixes that belong to the application although they are installed; they go before
    every other rule. `helper_frames` lists modules, and functions as `module:function`, that only raise on behalf of
    their callers and never stand for an error. At most 2048 files are remembered.
    """

    def __init__(self, in_app_include: Iterable[str] = (), helper_frames: Iterable[str] = ()) -> None:
        self._include = tuple(in_app_include)
        self._helpers = frozenset(helper_frames)
        self._files: dict[str, tuple[str, int]] = {}

    def frame(self, filename: str, function: str) -> tuple[str, int]:
        """Name and flags (`IN_APP`, `HIDDEN`, `PLUMBING`) of a frame."""
        known = self._files.get(filename)
        if known is None:
            known = self._describe(filename[-4096:], function)
            if not _is_relative(filename):  # whose a relative one is depends on what is imported
                if len(self._files) >= _REMEMBERED_FILES:
                    self._files.clear()
                self._files[filename] = known
        module, flags = known
        if function in _COMPREHENSIONS:
            flags |= HIDDEN
        # compiled code names a method with its class, Python code without
        short = function if function.startswith("<") else function.rpartition(".")[2]
        name = f"{module}:{short}"
        if name in self._helpers:
            flags |= HIDDEN
        return name, flags

    def _describe(self, filename: str, function: str) -> tuple[str, int]:
        module, flags = module_of(filename, function)
        if _is_inside(module, self._include):
            flags |= IN_APP
        if _is_inside(module, self._helpers):
            flags |= HIDDEN
        if module == "contextlib" or module.startswith(("opentelemetry.", "otel_errsample.")):
            flags |= PLUMBING
        return module, flags

    def innermost(self, frames: Sequence[tuple[str, str, int]], recursion: bool = False) -> str | None:
        """The frame that stands for a stack of (file name, function, times), outermost first; None for no frame."""
        if recursion and (name := self._cycle(frames)):
            return name
        library = None
        for filename, function, _ in reversed(frames):
            name, flags = self.frame(filename, function)
            if flags & HIDDEN:
                continue
            if flags & IN_APP:
                return name
            if library is None and not flags & PLUMBING:
                library = name
        return library

    def own(self, frames: Sequence[tuple[str, str, int]], recursion: bool = False) -> str | None:
        """As `innermost`, of the application's frames alone."""
        if recursion and (name := self._cycle(frames)):
            return name
        named = (self.frame(filename, function) for filename, function, _ in reversed(frames))
        return next((name for name, flags in named if flags & (IN_APP | HIDDEN) == IN_APP), None)

    def _cycle(self, frames: Sequence[tuple[str, str, int]]) -> str | None:
        named = [(*self.frame(filename, function), times) for filename, function, times in frames]
        return cycle_start((name, times) for name, flags, times in named if flags & (IN_APP | HIDDEN) == IN_APP)

    def path(self, frames: Sequence[tuple[str, str, int]], recursion: bool = False) -> list[str]:
        """The frames that stand for the way to where a stack ends, the innermost first; as `nearest`."""
        if recursion and (name := self._cycle(frames)):
            return [name]
        return nearest([self.frame(filename, function) for filename, function, _ in reversed(frames)])


def nearest(frames: Sequence[tuple[str, int]]) -> list[str]:
    """Of frames (name, flags), the innermost first, five of the application, each once; without any, of libraries."""
    own = dict.fromkeys(name for name, flags in frames if flags & (IN_APP | HIDDEN) == IN_APP)
    others = dict.fromkeys(name for name, flags in frames if not flags & (HIDDEN | PLUMBING))
    return [*(own or others)][:_PATH]


def _is_inside(module: str, prefixes: Iterable[str]) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)


def cycle_start(frames: Iterable[tuple[str, int]]) -> str | None:
    """The outermost of the frames (name, times) that repeat; where the recursion ends differs from run to run."""
    counts: Counter[str] = Counter()
    for name, times in frames:
        counts[name] += times
    return next((name for name, count in counts.items() if count >= _CYCLE), None)


def module_of(filename: str, function: str = "") -> tuple[str, int]:
    """The module a file holds and `IN_APP` or 0, from what a stack text says too, so that it and live frames agree.

    `function` is the name of a function in it, as the frame has it.
    """
    path = filename.replace("\\", "/")
    if _NOTEBOOK.match(path):
        return "<notebook>", IN_APP
    if frozen := _FROZEN.fullmatch(path):
        return frozen[1], 0
    if path.startswith("<"):
        return "<generated>", 0
    for pattern in (_LIBRARY, _STDLIB):
        if inside := pattern.fullmatch(path):
            return _dotted(inside[1]), 0
    stdlib = sysconfig.get_path("stdlib").replace("\\", "/") + "/"
    if path.startswith(stdlib):
        return _dotted(path[len(stdlib) :]), 0
    if _is_relative(path):
        module = _dotted(path.removeprefix("./"))
        if path.endswith(_COMPILED):
            return module, 0
        installed = _installed(module, function)
        return (installed, 0) if installed else (module, IN_APP)
    if inside := _ARCHIVE.fullmatch(path):
        return _dotted(inside[1]), IN_APP
    root = max((root for root in _roots() if path.startswith(root)), key=len, default="")
    inner = path[len(root) :] if root else "/".join(path.split("/")[-3:])
    return _dotted(inner.lstrip("/")), IN_APP


def _is_relative(path: str) -> bool:
    return not path.startswith(("/", "\\", "<")) and path[1:3] not in (":/", ":\\")


def _installed(module: str, function: str) -> str | None:
    """The installed extension that was built of a source whose relative path reads so, None where there is none.

    What Cython and mypyc make of Python sources says where these lay when it was built, which tells no more than what an
    application says that was started by a relative path: SQLAlchemy 2.1 has lib/sqlalchemy/engine/_result_cy.py. Cython
    names functions with their module, coroutines without, and mypyc neither; Python itself puts no dot into a name. A
    source may be called otherwise than its module: aiohttp's reader_c is built of reader_py.py.
    """
    names = function.removeprefix("init ").split(".")
    if len(names) > 1:
        candidates = [".".join(names[:end]) for end in range(len(names), 0, -1)]
    else:
        parts = module.split(".")
        candidates = [".".join(parts[start:]) for start in range(len(parts))]
    if found := next((name for name in candidates if _is_installed_extension(name)), None):
        return found
    # What is imported under that name was not built; of what is not, the package tells that it holds such sources.
    sources = (name for name in candidates if name not in sys.modules)
    return next((name for name in sources if _has_installed_extension(name.rpartition(".")[0])), None)


def _is_installed_extension(name: str) -> bool:
    file = _namespace(name).get("__file__")
    return type(file) is str and file.endswith(_EXTENSION) and bool(_LIBRARY.fullmatch(file.replace("\\", "/")))


def _has_installed_extension(package: str) -> bool:
    children = tuple(_namespace(package))
    return any(type(child) is str and _is_installed_extension(f"{package}.{child}") for child in children)


def _namespace(name: str) -> dict[str, object]:
    module = sys.modules.get(name)
    # a stand-in for a module would import what it stands for, or run other code
    return vars(module) if type(module) is ModuleType else {}


def _roots() -> set[str]:
    """The directories modules are imported from, with a slash at the end; the root of the file system tells nothing."""
    try:
        # Path.resolve would follow symbolic links, and frames do not.
        paths = [os.path.abspath(entry) for entry in (*sys.path, os.curdir) if isinstance(entry, str)]  # noqa: PTH100  as said above
    except OSError:
        paths = [entry for entry in sys.path if isinstance(entry, str)]  # the working directory was removed
    return {f"{path}/" for path in (path.replace("\\", "/").rstrip("/") for path in paths) if path}


def _dotted(path: str) -> str:
    parts = _SUFFIX.sub("", path).split("/")
    if len(parts) > 1 and parts[-1] in ("__init__", "__main__"):
        parts.pop()
    return ".".join(parts)


def host_of(url: str) -> str | None:
    """The host of an absolute URL, None where there is none."""
    _, absolute, rest = url.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    host = authority[1:].partition("]")[0] if authority.startswith("[") else authority.partition(":")[0]
    return host if absolute and host else None


def digest(parts: Iterable[str]) -> tuple[str, int]:
    """The fingerprint of these parts and its 64 bits; never 0, which stands for none."""
    text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    hashed = blake2b(text, digest_size=8).digest()
    return f"1-{hashed.hex()}", int.from_bytes(hashed, "big") or 1
