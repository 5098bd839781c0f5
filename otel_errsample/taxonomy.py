"""The axes of an error and the table that classifies exceptions.

The order of each tuple is the numbering the extension uses; `SEVERITIES` and `RECOVERIES` are also the order in
which rules compare them.
"""

from __future__ import annotations

from typing import Final

KINDS: Final = (
    "business", "client", "auth", "timeout", "connection", "throttle", "unavailable", "conflict",
    "resource", "config", "data", "bug", "cancelled", "fatal", "unknown",
)  # fmt: skip
FAULTS: Final = ("caller", "self", "dependency", "unknown")
SEVERITIES: Final = ("debug", "info", "warn", "error", "fatal")
RECOVERIES: Final = (
    "retry", "backoff", "retry_tx", "refresh_auth", "fix_request", "fix_code",
    "fix_config", "free_resource", "degrade", "restart", "none",
)  # fmt: skip

# Views over kind, usable as sets in rules. third_party is about fault, not kind, and is decided from the span.
VIEWS: Final[dict[str, frozenset[str]]] = {
    "transient": frozenset({"timeout", "connection", "throttle", "unavailable", "conflict"}),
    "client": frozenset({"client", "auth"}),
    "business": frozenset({"business"}),
    "persistent": frozenset({"config", "data", "resource"}),
    "server": frozenset({"bug", "unknown"}),
    "fatal": frozenset({"fatal"}),
}
