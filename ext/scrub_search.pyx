"""What is to go from a text, in order: secrets, what is asked for besides, what the user's patterns find.

Each is looked for without regard to the others, and where some overlap they are one.
"""

from cpython.object cimport PyObject

cdef enum:
    NO_FIND = 1 << 30       # behind any text

cdef struct Search:
    Text t              # `low` is behind the last secret
    Text whole
    int also
    PyObject* marked    # by patterns: pairs of start and end, in order, or NULL
    Py_ssize_t passed   # of them
    Find secret         # the next of each
    Find other
    Find mark


cdef void search_open(Search* search, const Text* t, int also, list marked) noexcept:
    """Search a text; `marked` has to live as long."""
    search.t = search.whole = t[0]
    search.also = also
    search.marked = NULL if marked is None else <PyObject*> marked
    search.passed = 0
    next_secret_on(search, t.low)
    next_other_on(search, t.low)
    next_mark_on(search)


cdef inline void next_secret_on(Search* search, Py_ssize_t at) noexcept:
    search.t.low = at
    if not next_secret(&search.t, at, search.t.n, &search.secret):
        search.secret.start = NO_FIND


cdef inline void next_other_on(Search* search, Py_ssize_t at) noexcept:
    if not search.also or not next_also(&search.whole, at, search.whole.n, search.also, &search.other):
        search.other.start = NO_FIND


cdef inline void next_mark_on(Search* search) noexcept:
    search.mark.start = NO_FIND
    if search.marked != NULL and search.passed < len(<list> search.marked):
        start, end = (<list> search.marked)[search.passed]
        search.passed += 1
        search.mark.start = search.whole.low + <Py_ssize_t> start
        search.mark.end = search.whole.low + <Py_ssize_t> end


cdef bint next_find(Search* search, Find* f) noexcept:
    f.start = min(search.secret.start, search.other.start, search.mark.start)
    if f.start == NO_FIND:
        return False
    f.end = f.start + 1
    while True:
        if search.secret.start < f.end:
            f.end = max(f.end, search.secret.end)
            next_secret_on(search, search.secret.end)
        elif search.other.start < f.end:
            f.end = max(f.end, search.other.end)
            next_other_on(search, behind_quote(&search.whole, search.other.end))
        elif search.mark.start < f.end:
            f.end = max(f.end, search.mark.end)
            next_mark_on(search)
        else:
            return True
