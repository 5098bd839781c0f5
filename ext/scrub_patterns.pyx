"""The user's patterns, which are asked last and of the same texts.

They run in RE2, behind Python code, where a signal handler may run too and memory end. What is raised there is counted,
and the text it was raised at is taken for dirty, the whole of it.
"""


cdef inline Py_ssize_t behind_type(const Text* t) noexcept nogil:
    """How far behind its beginning the message of `Type: message` begins; 0 for another text."""
    cdef Py_ssize_t body = body_of(t, t.low, t.n)
    cdef Py_ssize_t end = run_of(t, body, C_KEY)
    return end + 2 - t.low if end > body and stands(t, end, b": ", 2) else 0


cdef bint pattern_occurs(Scrubber scrubber, object text, const Text* t) noexcept:
    try:
        return t.n > t.low and scrubber.patterns.occur(PyUnicode_Substring(text, t.low, t.n), behind_type(t))
    except BaseException as error:
        swallowed(scrubber.ledger, "scrub_patterns", error)
    return True


cdef list pattern_finds(Scrubber scrubber, object text, const Text* t):
    """Pairs of start and end, counted from `t.low`, in order of their starts."""
    if t.n == t.low:
        return None
    try:
        return scrubber.patterns.find(PyUnicode_Substring(text, t.low, t.n), behind_type(t))
    except BaseException as error:
        swallowed(scrubber.ledger, "scrub_patterns", error)
    return [(0, t.n - t.low)]
