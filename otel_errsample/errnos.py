"""What the numbers of the operating system stand for: of errno, and of getaddrinfo."""

from __future__ import annotations

import errno
import socket
from typing import Final

_ADVICE: Final[dict[str, tuple[str, str, str]]] = {
    "ECONNREFUSED": ("connection", "backoff", "error"),
    "ECONNRESET": ("connection", "retry", "error"),
    "EPIPE": ("connection", "retry", "error"),
    "EHOSTUNREACH": ("connection", "backoff", "error"),
    "ENETUNREACH": ("connection", "backoff", "error"),
    "ENETDOWN": ("connection", "backoff", "error"),
    "ETIMEDOUT": ("timeout", "backoff", "error"),
    "EAGAIN": ("resource", "backoff", "error"),
    "EMFILE": ("resource", "backoff", "error"),
    "ENFILE": ("resource", "backoff", "error"),
    "ENOMEM": ("resource", "backoff", "error"),
    "ENOBUFS": ("resource", "backoff", "error"),
    "EADDRNOTAVAIL": ("resource", "backoff", "error"),
    "ENOSPC": ("resource", "free_resource", "fatal"),
    "EDQUOT": ("resource", "free_resource", "fatal"),
    "EACCES": ("config", "fix_config", "error"),
    "EPERM": ("config", "fix_config", "error"),
    "ENOENT": ("config", "fix_config", "error"),
    "EADDRINUSE": ("config", "fix_config", "error"),
    "EAI_AGAIN": ("connection", "backoff", "error"),
    "EAI_NONAME": ("config", "fix_config", "error"),
}

# A connection that was accepted never fails with these: whoever meets them has called somebody.
NOT_REACHED: Final = frozenset(
    f"errno:{name}" for name in ("ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EAI_AGAIN")
)


def _tables() -> tuple[dict[int, tuple[str, str, str, str]], dict[int, tuple[str, str, str, str]]]:
    """Two tables by number, of errno and of getaddrinfo, whose numbers overlap on some systems."""
    unknown = ("unknown", "none", "error")
    system = {number: (name, *_ADVICE.get(name, unknown)) for number, name in errno.errorcode.items()}
    resolver = {
        number: (name, *_ADVICE.get(name, unknown)) for name, number in vars(socket).items() if name.startswith("EAI_")
    }
    return system, resolver


SYSTEM, RESOLVER = _tables()
# What the builtin classes for one errno stand for, where only the class of an exception is known.
OF_CLASSES: Final[dict[str, int]] = {
    "ConnectionRefusedError": errno.ECONNREFUSED,
    "ConnectionResetError": errno.ECONNRESET,
    "ConnectionAbortedError": errno.ECONNABORTED,
    "BrokenPipeError": errno.EPIPE,
}

# How an error of the system begins, and one that asyncio makes of those of all the addresses of a host.
TEXTS: Final = ("[Errno ", "Multiple exceptions: [Errno ")
