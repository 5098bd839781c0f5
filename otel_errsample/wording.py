"""What a message says each time: it stands for an error that has neither frame nor code."""

from __future__ import annotations

import re
from typing import Final

_VARIABLE: Final = re.compile(
    r"""(?x)
    (?P<quoted> '[^']{0,200}' | "[^"]{0,200}" | `[^`]{0,200}` )
    | (?P<url> \b[a-z][a-z0-9+.-]{1,15}://[^\s"'<>]{1,200} )
    | (?P<email> [\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8} )
    | (?P<uuid> \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b )
    | (?P<ip> \b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b )
    | (?P<date> \b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)? )
    | (?P<hex> \b(?:0x[0-9a-f]{1,64}|(?=[0-9a-f]*\d)[0-9a-f]{8,128})\b )
    | (?P<number> -?\b\d{1,64}(?:\.\d{1,64})? )
    """,
    re.IGNORECASE,
)


def template(message: str) -> str:
    """The first line of a message, at most 200 characters, with what varies between two occurrences taken out."""
    line = message.lstrip("\n").partition("\n")[0][:200]
    return _VARIABLE.sub(_placeholder, line)


def _placeholder(found: re.Match[str]) -> str:
    return f"<{found.lastgroup}>"


def peer_template(peer: str) -> str:
    """The name of a host without what varies between its replicas; addresses are all alike."""
    return "<ip>" if ":" in peer else template(peer.lower())
