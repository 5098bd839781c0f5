"""What counts as an error, and of what kind: the definition, in plain Python.

Readable rather than fast or safe: it calls `isinstance`, `getattr` and `str` on whatever it is given. The extension
is compared with it on generated spans.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from otel_errsample import errnos, stacktext, taxonomy
from tests.model.stated import Code, Declared, Found, Rows, name_of, over, stated, stated_by_rows

TABLE = taxonomy.load_table()
SEVERITY = {name: rank for rank, name in enumerate(taxonomy.SEVERITIES)}
GRPC_NAMES = [row[0] for row in taxonomy.GRPC]


@dataclass
class Seen:
    """What there is to see of an ended span."""

    status: str = "UNSET"
    kind: str = "INTERNAL"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()  # the attributes of its exception events, in order
    live: BaseException | None = None
    stale: bool = False  # what is live was so when the span started
    description: str | None = None


@dataclass
class Told:
    """What is told of it."""

    error: bool
    kind: str
    fault: str
    severity: str
    recovery: str
    code: str | None
    source: str
    exception: str | None
    cause: str | None
    domain: str | None


def classify(seen: Seen, rows: Rows = ()) -> Told | None:
    """The error predicate, then the facts."""
    event = seen.events[-1] if seen.events else None
    http, rpc = http_of(seen.attributes), rpc_of(seen.attributes)
    server, client = seen.kind == "SERVER", seen.kind == "CLIENT"
    rpc_failed = bool(rpc) and (client or rpc in taxonomy.GRPC_SERVER_ERRORS)
    by_code = http >= 500 or (client and http >= 400) or rpc_failed
    live, left = seen.live, False
    if live is not None:
        agrees = event is not None and event.get("exception.type") == name_of(type(live))
        if seen.stale:
            if not (agrees and event is not None and said_by(live) == event.get("exception.message")):
                live = None
        elif agrees or (event is None and (seen.status == "ERROR" or by_code or not isinstance(live, Exception))):
            left = True
        else:
            live = None
    if event is not None and not left:
        twice = len(seen.events) > 1 and all(
            seen.events[-2].get(key) == event.get(key) for key in ("exception.type", "exception.message")
        )
        left = event.get("exception.escaped") in (True, "True", "true") or (server and rpc == 0 and twice)
    if not (seen.status == "ERROR" or left or by_code):
        return None
    if seen.kind == "INTERNAL" and "asgi.event.type" in seen.attributes and not left and event is None:
        return None
    if left and server and rpc == 0:
        rpc = 2
    return tell(seen, rows, live, event, http, rpc, left)


def refused(rpc: int | None) -> bool:
    """Whether a server's answer blames the caller."""
    return bool(rpc) and rpc not in taxonomy.GRPC_SERVER_ERRORS


def said_by(exception: BaseException) -> object:
    """The message of an exception as far as its arguments tell it for certain."""
    return exception.args[0] if len(exception.args) == 1 else "" if not exception.args else None


def tell(
    seen: Seen,
    rows: Rows,
    live: BaseException | None,
    event: Mapping[str, Any] | None,
    http: int,
    rpc: int | None,
    left: bool,
) -> Told:
    chain = list(chain_of(live)) if live is not None else []
    names: list[str] = []
    if live is not None:
        source, names = "live", [name_of(type(link)) for link, _ in chain]
    elif event is not None:
        source, names = "event", [event["exception.type"]]
    else:
        source = "status" if seen.status == "ERROR" else "code"
    on_span = span_code(seen.attributes, http, rpc)
    own: Code | None = None
    found = None
    said: taxonomy.UserRow | Declared | None = None
    row = row_of(type(live)) if live is not None else row_named(names[0]) if names else None
    if live is not None:
        found, own = kind_of_exception(live, chain, rows, on_span)
        said = stated(live, rows, own_code(live) or code_beneath(live, chain), on_span)
    elif names:
        found = from_row(row_named(names[0])[1])
        said = stated_by_rows(named(names[0]), rows, None, on_span)
    elif on_span is not None:
        said = stated_by_rows([], rows, on_span, None)
    if said is not None and said.kind:
        found = over(said, found)
    found = found or from_span(seen, on_span, row)
    if found is None:
        found, hinted = from_hints(seen, rows, on_span)
        said = said or hinted
    untold = found is None
    found = found or Found("unknown", None, None)
    failed_itself = seen.kind == "SERVER" and http >= 500
    if failed_itself and "kind" not in found.stated and (found.answer or found.kind == "cancelled"):
        given = http_code(http)
        assert given is not None
        found = replace(found, kind=given.kind, recovery=given.recovery, severity=given.severity, decided=given)
    if untold and row is not None:
        found.recovery, found.severity, found.library = row[1].recovery, row[1].severity, row[1].library
    if said is not None:
        found = over(said, found)
    kind, recovery, severity = found.kind, found.recovery, found.severity
    recovery = recovery if recovery in taxonomy.RECOVERIES else "none"
    severity = severity if severity in SEVERITY else "error"
    caller_error = seen.kind == "SERVER" and (400 <= http < 500 or refused(rpc))
    if "kind" not in found.stated:
        if row is not None and row[0] == "BrokenPipeError" and seen.kind == "SERVER" and http < 500:
            kind, recovery, severity = "cancelled", "none", "debug"
        if caller_error and kind == "data":
            kind = "client"
    leaving = row is not None and row[0] == "SystemExit"
    exit_code = live.code if isinstance(live, SystemExit) else (event or {}).get("exception.message")
    quiet = leaving and (exit_code in (None, 0) if live is not None else exit_code in (None, "", "0", "None"))
    own_failure = failed_itself and "kind" not in found.stated
    if "severity" not in found.stated:
        if own_failure and kind in ("client", "auth") and not found.library:
            severity = max(severity, "error", key=SEVERITY.__getitem__)
        if leaving and not quiet:
            severity = "fatal"
        if caller_error:
            severity = min(severity, "info", key=SEVERITY.__getitem__)
        if seen.kind in ("CLIENT", "PRODUCER"):
            severity = min(severity, "warn", key=SEVERITY.__getitem__)
    aborted = seen.status != "ERROR" and seen.kind == "SERVER" and refused(rpc)
    meant = own.answer if own is not None and own.answer else http if seen.kind == "SERVER" else 0
    absent = row is not None and row[0] in taxonomy.ANSWERS and meant == 404
    none_at_all = "kind" not in found.stated and not failed_itself and (quiet or aborted or absent)
    downgraded = kind == "cancelled" or seen.status == "OK" or none_at_all
    chosen = next((code for code in (found.decided, own, on_span) if code is not None and code.text), None)
    telling = chosen if kind == "unknown" else found.decided
    return Told(
        not downgraded,
        kind,
        found.fault or fault_of(kind, seen.kind, found, own_failure, telling, chosen, own),
        severity,
        recovery,
        chosen.text if chosen else None,
        source,
        names[0] if names else None,
        names[-1] if len(names) > 1 else None,
        found.domain,
    )


def http_of(attributes: Mapping[str, Any]) -> int:
    value = attributes.get("http.response.status_code", attributes.get("http.status_code"))
    if isinstance(value, str):
        value = int(value[:3]) if value[:3].isdecimal() and len(value) >= 3 else 0
    return value if isinstance(value, int) and 100 <= value < 600 else 0


def rpc_of(attributes: Mapping[str, Any]) -> int | None:
    for key in ("rpc.grpc.status_code", "rpc.response.status_code", "rpc.status_code"):
        if key in attributes:
            value = attributes[key]
            if isinstance(value, str):
                return GRPC_NAMES.index(value) if value in GRPC_NAMES else None
            return value if 0 <= value < len(GRPC_NAMES) else None
    return None


def http_code(number: int) -> Code | None:
    if number < 400:
        return None
    other = taxonomy.HTTP_OTHER_4XX if number < 500 else taxonomy.HTTP_OTHER_5XX
    kind, recovery = taxonomy.HTTP.get(number, other)
    return Code(f"http:{number}", kind, recovery, {404: "warn", 499: "debug"}.get(number), answer=number)


def grpc_code(number: int | None) -> Code | None:
    if not number:
        return None
    name, kind, recovery = taxonomy.GRPC[number]
    return Code(f"grpc:{name}", kind, recovery, "debug" if kind == "cancelled" else None, rpc=number)


def sqlstate_code(value: Any) -> Code | None:
    if not isinstance(value, str) or len(value) != 5 or not value.isascii() or not value.isalnum():
        return None
    return Code(f"sqlstate:{value}", *taxonomy.SQLSTATE.get(value, taxonomy.SQLSTATE.get(value[:2], ("unknown", None))))


def span_code(attributes: Mapping[str, Any], http: int, rpc: int | None) -> Code | None:
    return grpc_code(rpc) or sqlstate_code(attributes.get("db.response.status_code")) or http_code(http)


def own_code(exception: BaseException) -> Code | None:
    """Of the carriers only those of the standard library and the usual attributes: enough for generated exceptions."""
    if isinstance(exception, OSError):
        row = errnos.SYSTEM.get(exception.errno) if isinstance(exception.errno, int) else None
        return Code(f"errno:{row[0]}", *row[1:]) if row else None
    if row_of(type(exception))[0] not in ("Exception", *taxonomy.ANSWERS) or type(exception) is Exception:
        return None
    status = getattr(exception, "status_code", None)
    found = sqlstate_code(getattr(exception, "sqlstate", None)), http_code(status if isinstance(status, int) else 0)
    return next((code for code in found if code is not None), None)


def code_beneath(exception: BaseException, chain: Sequence[tuple[BaseException, str]]) -> Code | None:
    """The nearest code among the causes of a client library's exception that says no more than that a peer failed."""
    row = row_of(type(exception))[1]
    if not row.library or (
        row.kind in taxonomy.KINDS and row.kind not in {*taxonomy.VIEWS["transient"], "unknown", "config"}
    ):
        return None
    for inner, relation in chain[1:]:
        if relation != "cause":
            break  # a generated context was not handled by any library
        if (code := own_code(inner)) is not None and code.text:
            return code
    return None


def class_of(name: str) -> type | None:
    module, _, last = name.rpartition(".")
    return getattr(sys.modules.get(module or "builtins"), last, None)


def named(name: str) -> list[str]:
    """The names of the class of that name and its bases, or the name alone."""
    cls = class_of(name)
    return [name_of(base) for base in cls.__mro__] if cls is not None else [name]


def row_named(name: str) -> tuple[str, taxonomy.Row]:
    cls = class_of(name)
    if cls is not None:
        return row_of(cls)
    return (name, TABLE[name]) if name in TABLE else ("", taxonomy.Row("@code", "none", "error"))


def row_of(cls: type) -> tuple[str, taxonomy.Row]:
    names = [name_of(base) for base in cls.__mro__]
    for name in [name for name in names if name in taxonomy.EXITS] + names:
        if name in TABLE:
            return name, TABLE[name]
    return "", taxonomy.Row("@code", "none", "error")


def chain_of(exception: BaseException | None) -> Iterator[tuple[BaseException, str]]:
    seen: set[int] = set()
    relation = ""
    while exception is not None and id(exception) not in seen and len(seen) < 8:
        yield exception, relation
        seen.add(id(exception))
        relation = "cause" if exception.__cause__ is not None else "context"
        following = exception.__cause__
        uncaused = name_of(type(exception)) in stacktext.UNCAUSED
        if following is None and not exception.__suppress_context__ and not uncaused:
            following = exception.__context__
        if name_of(type(exception)) in stacktext.LATE and name_of(type(following)) == stacktext.STOPPED:
            return
        exception = following


def from_row(row: taxonomy.Row) -> Found | None:
    if row.kind.startswith("@") or row.kind == "unknown":
        return None
    return Found(row.kind, row.recovery, row.severity, row.library, peer=row.peer)


def kind_of_exception(
    exception: BaseException,
    chain: Sequence[tuple[BaseException, str]],
    rows: Rows,
    on_span: Code | None = None,
) -> tuple[Found | None, Code | None]:
    """What is stated, then what is not; and the code met first. `on_span` counts for the outermost exception."""
    leaves = getattr(exception, "exceptions", None)
    named = own_code(exception) or code_beneath(exception, chain)
    said = stated(exception, rows, named, on_span)
    if leaves is not None:
        found, own = kind_of_group(leaves, rows)
    elif said is not None and said.kind:
        found, own = from_row(row_of(type(exception))[1]), named
    else:
        found, own = kind_unstated(exception, chain, rows)
        own = own or named
    return over(said, found) if said is not None and (said.kind or found is not None) else found, own


def kind_unstated(
    exception: BaseException, chain: Sequence[tuple[BaseException, str]], rows: Rows
) -> tuple[Found | None, Code | None]:
    """The row, the exception's own code, its cause, in that order, a refined row last."""
    row_name, row = row_of(type(exception))
    refined = taxonomy.REFINED.get(row_name)
    own = own_code(exception)
    if refined is None and (found := from_row(row)):
        return found, own
    if own is not None and own.kind != "unknown":
        answer = row_name in taxonomy.ANSWERS
        return Found(own.kind, own.recovery, own.severity or row.severity, row.library, own, answer=answer), own
    if len(chain) > 1 and chain[1][1] == "cause":
        found, inner = kind_of_exception(chain[1][0], chain[1:], rows)
        own = own or inner
        if found:
            found.library = found.library or bool(row and row.library)
            return found, own
    return from_row(row), own


def kind_of_group(leaves: Sequence[BaseException], rows: Rows) -> tuple[Found | None, Code | None]:
    """The worst leaf by severity, then by kind, the first of equals; cancelled only where every leaf was."""
    judged = [kind_of_exception(leaf, list(chain_of(leaf)), rows) for leaf in leaves]

    def badness(entry: tuple[Found | None, Code | None]) -> tuple[int, int]:
        found = entry[0]
        if found is None:
            return SEVERITY["error"], 0
        kind = 0 if found.kind == "unknown" else taxonomy.KINDS.index(found.kind)
        return -1 if found.kind == "cancelled" else SEVERITY.get(found.severity or "", SEVERITY["error"]), kind

    worst = max(judged, key=badness)
    return worst if worst[0] else (None, None)


def from_span(seen: Seen, on_span: Code | None, row: tuple[str, taxonomy.Row] | None) -> Found | None:
    if on_span is None:
        return None
    if on_span.rpc == 2 and seen.kind == "SERVER":
        return Found("bug", "none", "error", False, on_span)
    if on_span.kind == "unknown":
        return None
    if row is None:
        return Found(on_span.kind, on_span.recovery, on_span.severity, False, on_span)
    severity, answer = on_span.severity or row[1].severity, row[0] in taxonomy.ANSWERS
    return Found(on_span.kind, on_span.recovery, severity, row[1].library, on_span, answer=answer)


def from_hints(seen: Seen, rows: Rows, on_span: Code | None) -> tuple[Found | None, taxonomy.UserRow | None]:
    """What error.type or the head of the description tells, and the row that says so."""
    head = (seen.description or "").partition(":")[0]
    for hint, prose in ((seen.attributes.get("error.type"), False), (head, not head.startswith("StatusCode."))):
        word = (hint or "").removeprefix("StatusCode.")
        code = http_code(int(word)) if word.isdecimal() and len(word) == 3 else None
        code = code or grpc_code(GRPC_NAMES.index(word) if word in GRPC_NAMES else 0)
        if prose and code is not None and code.kind == "cancelled":
            continue
        if code is not None and code.kind != "unknown":
            return Found(code.kind, code.recovery, code.severity, False, code), None
        if word and (said := stated_by_rows(named(word), rows, code, on_span)):
            return over(said, None), said
        if word in TABLE and (found := from_row(TABLE[word])):
            if prose and found.kind == "cancelled" and word not in taxonomy.EXITS:
                continue
            return found, None
    return None, None


def fault_of(
    kind: str,
    span_kind: str,
    found: Found,
    own_failure: bool,
    decided: Code | None,
    chosen: Code | None,
    own: Code | None,
) -> str:
    transient = kind in taxonomy.VIEWS["transient"]
    peer = decided is not None and (decided.answer >= 500 or decided.rpc in taxonomy.GRPC_SERVER_ERRORS)
    peer = peer and kind != "config"
    if kind in ("cancelled", "business"):
        return "caller"
    if span_kind in ("CLIENT", "PRODUCER"):
        if transient or peer:
            return "dependency"
        of_server = chosen is not None and (chosen.text or "").startswith(("sqlstate:", "mysql:"))
        if kind == "resource" and (found.peer or of_server):
            return "dependency"
        return "unknown" if kind == "unknown" else "self"
    if not found.library and (kind == "auth" or (kind == "client" and span_kind != "INTERNAL")):
        return "self" if own_failure else "caller"
    if found.library and peer and found.decided == own:
        return "dependency"
    called = found.library or (chosen is not None and chosen.text in errnos.NOT_REACHED)
    return "dependency" if transient and called else "self"
