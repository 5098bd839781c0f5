"""What is known about an error: made by classify, read by decide, enrich and the user's callbacks."""

cimport cython
from libc.stdint cimport uint64_t

from otel_errsample.taxonomy import FAULTS, KINDS, RECOVERIES, SEVERITIES

SOURCES = ("live", "event", "event_partial", "status", "code")


cdef struct Raised:
    # What tells one exception from another without keeping it; address 0: none.
    size_t address
    size_t cls
    size_t place        # code and instruction of the raise point, mixed
    bint laid_to_dependency     # by a span that it left


@cython.final
@cython.freelist(16)
cdef class ErrorFacts:
    """What failed, as far as the span and the live exception tell.

    `error` is False for a downgraded failure (a cancellation, Http404, SystemExit(0)): the other facts stay and rules
    by class still run. Strings are None where nothing is known. The exception object itself is never kept.
    """
    cdef readonly bint error
    cdef int kind_code, fault_code, severity_code, recovery_code, source_code
    cdef readonly object exception      # full class name: "builtins" left out, as the SDK writes exception.type
    cdef readonly object cause          # full class name of the root cause, None where it is the exception itself
    cdef readonly object code           # "http:503", "grpc:UNAVAILABLE", "sqlstate:40001", "errno:ECONNREFUSED"
    cdef readonly object domain         # what the user declared, as "payments"
    cdef readonly object message
    cdef readonly object fingerprint    # "1-" + 16 hex digits
    cdef readonly object culprit        # "module:function"
    cdef readonly object stack_hash     # "1-" + 16 hex digits, None unless asked for
    cdef readonly Py_ssize_t group_size     # how many errors an ExceptionGroup holds, 0 for other exceptions
    cdef readonly tuple group_types     # full class names of these, None for other exceptions
    cdef readonly tuple chain           # full class names from the outermost to the root cause; None for one alone
    cdef uint64_t fingerprint_hash      # the 64 bits of fingerprint; 0: none
    cdef Raised raised                  # which exception it is, for the spans around
    cdef uint64_t origin                # id of the span that the error, or what led to it, passed first; 0: this one
    cdef readonly bint propagated       # it is the very error of that span
    cdef int shared_verdict, shared_rule    # what was said of it there, HEAD for nothing
    # Owned, because an event may make its attributes anew at each look, at the address of those before.
    cdef object recorded                # the attributes of its event
    cdef object stack                   # the text of its stack; None where that is none of the known
    cdef KnownStack known               # what that text begins as
    # The classes, for `exception is` and `cause is`; None where only a name is known. Never the instance.
    cdef object exception_class
    cdef object cause_class
    cdef object leaf_classes            # tuple of the classes of an ExceptionGroup's leaves, or None
    cdef object cause_leaf_classes      # the same of a cause

    @property
    def origin_span_id(self):
        """The id of the kept span that the error, or what led to it, passed first, as 16 hex digits; None: this one."""
        return f"{self.origin:016x}" if self.origin else None

    @property
    def kind(self):
        return KINDS[self.kind_code]

    @property
    def fault(self):
        return FAULTS[self.fault_code]

    @property
    def severity(self):
        return SEVERITIES[self.severity_code]

    @property
    def recovery(self):
        return RECOVERIES[self.recovery_code]

    @property
    def source(self):
        return SOURCES[self.source_code]

    def __repr__(self):
        what = self.exception or self.code or "error"
        return f"ErrorFacts({what}, kind={self.kind}, fault={self.fault}, code={self.code})"


def make_facts(*, bint error=True, str kind="unknown", str fault="unknown", str severity="error", str recovery="none",
               str source="live", exception=None, cause=None, code=None, domain=None, message=None, fingerprint=None,
               culprit=None, stack_hash=None, group_size=0, group_types=None, exception_class=None, cause_class=None,
               leaf_classes=None, cause_leaf_classes=None):
    """ErrorFacts from names, for tests; raises ValueError for a name that is not one of its axis."""
    cdef ErrorFacts facts = ErrorFacts.__new__(ErrorFacts)
    facts.error = error
    facts.kind_code = KINDS.index(kind)
    facts.fault_code = FAULTS.index(fault)
    facts.severity_code = SEVERITIES.index(severity)
    facts.recovery_code = RECOVERIES.index(recovery)
    facts.source_code = SOURCES.index(source)
    facts.exception = exception
    facts.cause = cause
    facts.code = code
    facts.domain = domain
    facts.message = message
    facts.fingerprint = fingerprint
    facts.fingerprint_hash = int(fingerprint[2:], 16) if fingerprint else 0
    facts.culprit = culprit
    facts.stack_hash = stack_hash
    facts.group_size, facts.group_types = group_size, group_types
    facts.exception_class = exception_class
    facts.cause_class = cause_class
    facts.leaf_classes = leaf_classes
    facts.cause_leaf_classes = cause_leaf_classes
    return facts
