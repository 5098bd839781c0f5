"""`@classify`: what an application says about its own exception classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from otel_errsample.errors import ConfigError
from otel_errsample.taxonomy import Kind, Recovery, Severity, check_word

ExceptionClass = TypeVar("ExceptionClass", bound=type[BaseException])


def classify(
    *,
    kind: Kind | None = None,
    domain: str | None = None,
    severity: Severity | None = None,
    recovery: Recovery | None = None,
) -> Callable[[ExceptionClass], ExceptionClass]:
    """Declare what the errors of an exception class mean: `@classify(kind="business", domain="payments")`.

    The declaration goes before everything but the user's own rows, holds for subclasses too, and axis by axis the
    nearest class counts. It sets the attributes `errsample_kind`, `errsample_domain`, `errsample_severity` and
    `errsample_recovery` of the class; a class that sets them itself, or an exception on which they are set, needs no
    decorator and no import. A kind alone brings the severity and recovery that are usual for it.

    Args:
        kind: One of `otel_errsample.taxonomy.KINDS`; "cancelled" means that it is no error to report.
        domain: The part of the business that failed, exported as `errsample.domain`; 1 to 64 printable characters.
        severity: One of "debug", "info", "warn", "error", "fatal"; counts on every kind of span.
        recovery: What helps, as "backoff", "fix_request" or "none".

    Raises:
        ConfigError: No axis is given, a word is not one of its axis, or what is decorated is no exception class.
    """
    said = {"kind": kind, "domain": domain, "severity": severity, "recovery": recovery}
    said = {axis: word for axis, word in said.items() if word is not None}
    if not said:
        raise ConfigError("classify() is expected to say at least one of kind, domain, severity and recovery")
    for axis, word in said.items():
        check_word(axis, word)

    def declare(cls: ExceptionClass) -> ExceptionClass:
        if not isinstance(cls, type) or not issubclass(cls, BaseException):
            raise ConfigError(f"classify() is expected to decorate an exception class, got {cls!r}")
        for axis, word in said.items():
            setattr(cls, f"errsample_{axis}", word)
        return cls

    return declare
