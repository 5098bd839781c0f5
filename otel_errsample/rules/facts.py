"""The words a rule can use: facts, their values, keys of limits, and attribute names that mean the same."""

from __future__ import annotations

from typing import Final

from otel_errsample.taxonomy import FAULTS, KINDS, RECOVERIES, SEVERITIES, VIEWS

# SpanKind's members by their value, in lower case.
SPAN_KINDS: Final = ("internal", "server", "client", "producer", "consumer")

# Facts with a closed list of values; a test of one is decided for every value when the rules are prepared.
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "kind": KINDS,
    "fault": FAULTS,
    "severity": SEVERITIES,
    "recovery": RECOVERIES,
    "span.kind": SPAN_KINDS,
}
ORDERED: Final = frozenset({"severity", "recovery"})
FLAGS: Final = frozenset({"error", "root", "sampled"})
NUMBERS: Final = frozenset({"duration"})
TEXTS: Final = frozenset({"exception", "cause", "code", "domain", "message", "fingerprint", "endpoint", "name"})
CLASSES: Final = frozenset({"exception", "cause"})
FACTS: Final = (*sorted(TEXTS | FLAGS | NUMBERS), *CHOICES)

# Known of every span; all other facts are missing (and `error` is false) where nothing failed.
OF_ANY_SPAN: Final = frozenset({"root", "sampled", "duration", "endpoint", "name", "span.kind"})

# third_party is about who is at fault and where that is, whatever the kind.
THIRD_PARTY: Final = "third_party"
VIEW_NAMES: Final = (*VIEWS, THIRD_PARTY)

# Facts a limit can be counted by, besides any attribute. `service` exists as a key only.
KEYS: Final = ("fingerprint", "exception", "kind", "code", "domain", "name", "endpoint", "service")

UNITS: Final = {"second": 1_000_000_000, "minute": 60_000_000_000, "hour": 3_600_000_000_000}

# Old and new names of one thing with one meaning and one type, after the deprecation notes of the semantic conventions
# 0.66b2. Left out are names that were split or whose values changed: http.target, http.flavor, rpc.grpc.status_code.
_RENAMED: Final = (
    ("http.request.method", "http.method"),
    ("http.response.status_code", "http.status_code"),
    ("http.request.body.size", "http.request_content_length_uncompressed"),
    ("http.response.body.size", "http.response_content_length_uncompressed"),
    ("url.full", "http.url"),
    ("url.scheme", "http.scheme"),
    ("client.address", "http.client_ip"),
    ("user_agent.original", "http.user_agent"),
    ("rpc.system.name", "rpc.system"),
    ("db.system.name", "db.system"),
    ("db.namespace", "db.name"),
    ("db.query.text", "db.statement"),
    ("db.operation.name", "db.operation"),
    ("db.collection.name", "db.sql.table", "db.mongodb.collection", "db.cassandra.table", "db.cosmosdb.container"),
)
_GROUP_OF: Final = {name: group for group in _RENAMED for name in group}

# What other tools call with a dot, and no span has as an attribute when it ends: a rule would silently never match.
_ELSEWHERE: Final = {
    "exception.type": "exception",
    "exception.message": "message",
    "span.name": "name",
    "span.duration": "duration",
    "trace.duration": "duration",
    "span.status": "error",
    "span.status.code": "error",
    "status.code": "error",
    "otel.status_code": "error",
}
_OF_THE_RESOURCE: Final = (
    "service.name",
    "service.namespace",
    "service.version",
    "service.instance.id",
    "deployment.environment",
    "deployment.environment.name",
)


def meant_by(name: str) -> str:
    """What to write instead of a dotted name that stands for no attribute of a span; "" where it does stand for one.

    Whoever has such an attribute writes attributes["..."].
    """
    if name in _OF_THE_RESOURCE:
        return f'resource["{name}"]'
    first, *rest = name.removeprefix("span.").split(".")
    if rest and first == "errsample" and ".".join(rest) in FACTS:
        return ".".join(rest)
    if first in ("attributes", "resource") and name not in ("attributes", "resource"):
        key = ".".join(rest[1:] if rest[:1] == ["attributes"] else rest) or "key"
        return f'{first}["{key}"]'
    return _ELSEWHERE.get(name, "")


def spellings(name: str) -> tuple[str, ...]:
    """The names under which an attribute is looked up, the one that was written first."""
    return (name, *(other for other in _GROUP_OF.get(name, ()) if other != name))


def accepted(fact: str, op: str, values: tuple[str, ...]) -> int:
    """Which choices of a fact pass a test, as a bit mask over their positions; the values are choices of the fact."""
    choices = CHOICES[fact]
    positions = [choices.index(value) for value in values]
    passing = range(len(choices))
    if op in ("==", "in"):
        chosen = [place for place in passing if place in positions]
    elif op in ("!=", "not in"):
        chosen = [place for place in passing if place not in positions]
    else:
        bound = positions[0]
        order = {"<": bound.__gt__, "<=": bound.__ge__, ">": bound.__lt__, ">=": bound.__le__}[op]
        chosen = [place for place in passing if order(place)]
    return sum(1 << place for place in chosen)
