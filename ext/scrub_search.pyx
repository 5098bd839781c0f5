"""What is to go from a text, in order: secrets, and what is looked for besides; where some overlap they are one."""

cdef enum:
    NO_FIND = 1 << 30       # behind any text

cdef struct Search:
    Text t              # `low` is behind the last secret
    Text whole
    int also
    Find secret         # the next of each
    Find other


cdef void search_open(Search* search, const Text* t, int also) noexcept:
    search.t = search.whole = t[0]
    search.also = also
    search_on(search, t.low)
    search_also_on(search, t.low)


cdef inline void search_on(Search* search, Py_ssize_t at) noexcept:
    search.t.low = at
    if not next_secret(&search.t, at, search.t.n, &search.secret):
        search.secret.start = NO_FIND


cdef inline void search_also_on(Search* search, Py_ssize_t at) noexcept:
    if not search.also or not next_also(&search.whole, at, search.whole.n, search.also, &search.other):
        search.other.start = NO_FIND


cdef bint next_find(Search* search, Find* f) noexcept:
    f.start = min(search.secret.start, search.other.start)
    if f.start == NO_FIND:
        return False
    f.end = f.start + 1
    while True:
        if search.secret.start < f.end:
            f.end = max(f.end, search.secret.end)
            search_on(search, search.secret.end)
        elif search.other.start < f.end:
            f.end = max(f.end, search.other.end)
            search_also_on(search, behind_quote(&search.whole, search.other.end))
        else:
            return True
