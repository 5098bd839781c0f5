"""What users state about errors, and what it makes of what was found: the definition, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from otel_errsample import taxonomy

Rows = Sequence[taxonomy.UserRow]


@dataclass
class Code:
    text: str | None
    kind: str = "unknown"
    recovery: str | None = None
    severity: str | None = None
    answer: int = 0  # HTTP status
    rpc: int = 0


@dataclass
class Found:
    kind: str
    recovery: str | None
    severity: str | None
    library: bool = False  # raised by a client library
    decided: Code | None = None  # the code that gave the kind
    answer: bool = False  # what decided is a framework's way to answer
    peer: bool = False  # what decided is a class for what a peer ran out of
    stated: frozenset[str] = frozenset()  # the axes that a user stated
    fault: str | None = None
    domain: str | None = None


def name_of(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


@dataclass
class Declared:
    """What a class or an exception says of itself, None where it says nothing."""

    kind: str | None = None
    severity: str | None = None
    recovery: str | None = None
    domain: str | None = None
    fault: None = None


def declared(exception: BaseException) -> Declared | None:
    """Axis by axis the nearest counts: the exception, its class, its bases. A kind starts its recovery anew."""
    told = Declared()
    for fields in [vars(base) for base in type(exception).__mro__[::-1]] + [vars(exception)]:
        said = {axis: fields.get(f"errsample_{axis}") for axis in ("kind", "severity", "recovery", "domain")}
        for axis, words in taxonomy.AXES.items():
            if axis in said and said[axis] not in words:
                said[axis] = None
        if said["recovery"] is None and isinstance(fields.get("retryable"), bool):
            said["recovery"] = "backoff" if fields["retryable"] else "none"
        if said["kind"] is not None:
            told.recovery = None
        for axis, word in said.items():
            if word is not None:
                setattr(told, axis, word)
    return told if told != Declared() else None


def stated(
    exception: BaseException, rows: Rows, own: Code | None, on_span: Code | None
) -> taxonomy.UserRow | Declared | None:
    """The first of the user's rows that holds; what it leaves out, the declaration says."""
    row = stated_by_rows([name_of(base) for base in type(exception).__mro__], rows, own, on_span)
    below = declared(exception)
    if row is None or below is None:
        return row or below
    return taxonomy.UserRow(
        exception="*",
        kind=row.kind,
        fault=row.fault,
        severity=row.severity or below.severity,
        recovery=row.recovery,
        domain=row.domain or below.domain,
    )


def stated_by_rows(names: Sequence[str], rows: Rows, own: Code | None, on_span: Code | None) -> taxonomy.UserRow | None:
    codes = [code.text for code in (own, on_span) if code is not None and code.text]
    for row in rows:
        about = not row.exception or row.exception in names or (bool(names) and fnmatchcase(names[0], row.exception))
        if about and (not row.code or any(fnmatchcase(code, row.code) for code in codes)):
            return row
    return None


def over(said: taxonomy.UserRow | Declared, found: Found | None) -> Found:
    """What was found, with what is stated in its place."""
    if said.kind:
        usual = taxonomy.USUAL[said.kind]
        found = Found(said.kind, *usual, library=found.library if found else False)
    assert found is not None
    axes = ("kind", "severity", "recovery", "fault", "domain")
    found.stated |= {axis for axis in axes if getattr(said, axis)}
    found.recovery, found.severity = said.recovery or found.recovery, said.severity or found.severity
    found.fault, found.domain = said.fault or found.fault, said.domain or found.domain
    return found
