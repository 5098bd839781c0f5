"""What users state about errors: rows of the configuration, attributes of classes and of single exceptions.

Rows are compiled at start, and which of them concern a class is worked out once per class. Attributes of classes are
read through `type`, those of an exception from its own dictionary, so that no code of the application runs.
"""

from cpython.object cimport PyObject
from cpython.type cimport PyType_IsSubtype

from otel_errsample import taxonomy
from otel_errsample.errors import ConfigError

cdef extern from "Python.h":
    ctypedef struct PyBaseExceptionObject:
        PyObject *dict
        char suppress_context
    Py_ssize_t PyDict_GET_SIZE(PyObject *items)

cdef enum:
    MOST_ROWS = 1000


@cython.final
cdef class Stated:
    """What one row or class says; an axis of which it says nothing is NOT_SAID."""
    cdef int kind, fault, severity, recovery
    cdef str domain
    cdef str exception      # name or glob, None for any exception, or none
    cdef str code           # code or glob, None for any
    cdef bint glob


cdef list USUAL_RECOVERIES = [RECOVERIES.index(taxonomy.USUAL[kind][0]) for kind in KINDS]
cdef list USUAL_SEVERITIES = [SEVERITIES.index(taxonomy.USUAL[kind][1]) for kind in KINDS]
cdef int RECOVERY_BACKOFF = RECOVERIES.index("backoff")


cdef Stated nothing_stated():
    cdef Stated made = Stated.__new__(Stated)
    made.kind = made.fault = made.severity = made.recovery = NOT_SAID
    return made


cdef inline int word_place(tuple words, object word) except -4:
    """The place of an axis's word, NOT_SAID for anything else; calls no method of a subclass of str."""
    cdef str plain = exact_text(word)
    return words.index(plain) if plain is not None and plain in words else NOT_SAID


cdef bint is_pattern(str text):
    return "*" in text or "?" in text or "\\" in text


cdef Stated compile_row(object row):
    cdef Stated made = nothing_stated()
    if not isinstance(row, taxonomy.UserRow):
        raise ConfigError(f"user_rows is expected to hold taxonomy.UserRow, got {row!r}")
    made.kind = word_place(KINDS, row.kind)
    made.fault = word_place(FAULTS, row.fault)
    made.severity = word_place(SEVERITIES, row.severity)
    made.recovery = word_place(RECOVERIES, row.recovery)
    made.domain = exact_text(row.domain)
    made.exception = exact_text(row.exception) or None
    made.code = exact_text(row.code) or None
    made.glob = made.exception is not None and is_pattern(made.exception)
    return made


cdef list compile_rows(object rows):
    cdef list made = [compile_row(row) for row in rows]
    if len(made) > MOST_ROWS:
        raise ConfigError(f"at most {MOST_ROWS} user rows are expected, got {len(made)}")
    return made


cdef bint concerns(Stated row, object cls, list names):
    """Whether a row is about a class; `names` are those of its order of resolution, its own first, then other ones."""
    cdef str own
    if row.exception is None:
        return True
    if row.glob:
        own = names[0]
        return glob_covers_text(row.exception, own)
    if row.exception in names:
        return True
    # Libraries offer classes under shorter names than those they were defined with.
    base = resolve_class(row.exception) if cls is not None else None
    return base is not None and PyType_IsSubtype(<type> cls, <type> base)


cdef inline bint code_covers(str pattern, Code code) noexcept:
    return code is not None and code.text is not None and glob_covers_text(pattern, code.text)


cdef Stated read_stated(object fields, Stated above):
    """What a dictionary of attributes says, filled up from `above`; `above` itself where it says nothing."""
    cdef Stated made
    cdef int kind = word_place(KINDS, fields.get("errsample_kind"))
    cdef int severity = word_place(SEVERITIES, fields.get("errsample_severity"))
    cdef int recovery = word_place(RECOVERIES, fields.get("errsample_recovery"))
    cdef str domain = exact_text(fields.get("errsample_domain"))
    retryable = fields.get("retryable")
    if recovery == NOT_SAID and (retryable is True or retryable is False):
        recovery = RECOVERY_BACKOFF if retryable is True else RECOVERY_NONE
    if kind == NOT_SAID and severity == NOT_SAID and recovery == NOT_SAID and domain is None:
        return above
    made = nothing_stated()
    made.kind, made.severity, made.recovery = kind, severity, recovery
    made.domain = domain[:taxonomy.LONGEST_DOMAIN] if domain else None
    return made if above is None else stated_over(made, above)


cdef Stated stated_over(Stated upper, Stated lower):
    """Both together; where both say something, `upper` counts.

    A kind brings its usual recovery with it, so that one stated nearer is not mixed with a recovery for another kind.
    """
    cdef Stated made = nothing_stated()
    made.kind = lower.kind if upper.kind == NOT_SAID else upper.kind
    made.fault = lower.fault if upper.fault == NOT_SAID else upper.fault
    made.severity = lower.severity if upper.severity == NOT_SAID else upper.severity
    made.recovery = upper.recovery
    if upper.recovery == NOT_SAID and upper.kind == NOT_SAID:
        made.recovery = lower.recovery
    made.domain = upper.domain or lower.domain
    return made


cdef Stated declared_by(object cls):
    """What a class and its bases declare, the nearest first."""
    cdef Stated found = None
    for base in TYPE_MRO(cls)[::-1]:
        found = read_stated(TYPE_DICT(base), found)
    return found


cdef Stated stated_of(ClassInfo info, object exception, Code own, Code on_span):
    """What counts for one exception of a chain: a row that holds, over the exception itself, over its class."""
    cdef Stated found = info.declared
    cdef Stated row
    cdef PyObject *fields = NULL
    if exception is not None:
        fields = (<PyBaseExceptionObject *> exception).dict
        if fields != NULL and PyDict_GET_SIZE(fields):
            found = read_stated(<dict> fields, found)
    if info.rows is not None:
        row = first_row(info.rows, own, on_span)
        if row is not None:
            return row if found is None else stated_over(row, found)
    return found


cdef Stated first_row(list rows, Code own, Code on_span):
    cdef Stated row
    for row in rows:
        if row.code is None or code_covers(row.code, own) or code_covers(row.code, on_span):
            return row
    return None
