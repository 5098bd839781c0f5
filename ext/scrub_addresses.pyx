"""IP addresses of both versions, and what only looks like one: versions, times, ranges, names with `::`.

Loopback and unspecified addresses and netmasks stay: they are the same everywhere and name no one.
"""

from libc.stdint cimport uint8_t

cdef Words VERSIONS


load_words(&VERSIONS, scrub.VERSIONS)


cdef inline bint is_hex(uint8_t c) noexcept nogil:
    return is_class(c, C_DIGIT) or c"a" <= c | 0x20 <= c"f"


cdef Py_ssize_t four_end(const Text* t, Py_ssize_t at) noexcept nogil:
    """Behind four numbers up to 255 with full stops between them, else -1."""
    cdef int part, number
    cdef Py_ssize_t start
    for part in range(4):
        if part:
            if not stands(t, at, b".", 1):
                return -1
            at += 1
        start = at
        number = 0
        while at - start < 4 and digit_at(t, at):
            number = 10 * number + t.s[at] - c"0"
            at += 1
        if at == start or at - start > 3 or number > 255:
            return -1
    return at


cdef bint address_four(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    cdef Py_ssize_t end = four_end(t, at)
    if end < 0 or at > t.low and (is_class(t.s[at - 1], C_LETTER | C_DIGIT) or t.s[at - 1] in b"_."):
        return False
    if end < t.n and (is_class(t.s[end], C_LETTER | C_DIGIT) or t.s[end] == c"_"):
        return False
    if end + 1 < t.n and t.s[end] == c"." and is_class(t.s[end + 1], C_LETTER | C_DIGIT):
        return False        # 1.2.3.4.5, tool-1.2.3.4.tar.gz
    if stands(t, at, b"127.", 4) or stands(t, at, b"0.", 2) or stands(t, at, b"255.", 4):
        return False
    return not announces_version(t, at) and find_from(t, at, end, f)


cdef bint announces_version(const Text* t, Py_ssize_t at) noexcept nogil:
    """`version 1.2.3.4`, `"firmware": "1.2.3.4"`, `>=1.2.3.4`."""
    cdef Py_ssize_t end = back_over_marks(t, at)
    cdef Py_ssize_t start = run_back(t, end, C_LETTER, LONGEST_WORD)
    if end < at and end > t.low and t.s[end] == c"=" and t.s[end - 1] in b"<>~":
        return True
    return ends_in_one_of(t, start, end, &VERSIONS)


cdef bint address_six(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """An address of which the first `:` is at `at`.

    Eight groups, or fewer around a `::`: but so many, or of such a look, that it is no `Name::name`, slice or time.
    """
    cdef Py_ssize_t start = at
    cdef Py_ssize_t end
    cdef int groups = 0
    cdef bint gap = False, four = False, long = False, full = False
    while start > t.low and at - start < 5 and is_hex(t.s[start - 1]):
        start -= 1
    if at - start > 4 or start > t.low and (
        is_class(t.s[start - 1], C_LETTER | C_DIGIT) or t.s[start - 1] in b"_:."
    ):
        return False
    at = start
    if t.s[at] == c":":
        if not stands(t, at, b"::", 2):
            return False
        gap = True
        at += 2
    while True:
        end = at
        while end - at < 5 and end < t.n and is_hex(t.s[end]):
            end += 1
        if end - at > 4:
            return False
        if end == at:
            break
        if end < t.n and t.s[end] == c"." and four_end(t, at) > 0:
            at = four_end(t, at)
            four = True
            groups += 2
            break
        groups += 1
        long |= end - at > 2
        full |= end - at == 4 and holds_digit(t, at, end)
        at = end
        if groups == 8 or not stands(t, at, b":", 1):
            break
        if stands(t, at, b"::", 2):
            if gap:
                break
            gap = True
            at += 2
        elif at + 1 < t.n and is_hex(t.s[at + 1]):
            at += 1
        else:
            break
    if at < t.n and (is_class(t.s[at], C_LETTER | C_DIGIT) or t.s[at] == c"_"):
        return False
    if at + 1 < t.n and t.s[at] == c":" and (is_hex(t.s[at + 1]) or t.s[at + 1] == c":"):
        return False
    if not (groups < 8 and (four or groups > 2 or groups == 2 and full) if gap else groups == 8 and (long or four)):
        return False
    if at + 1 < t.n and t.s[at] == c"%":
        at = run_of(t, at + 1, C_TOKEN)     # the interface of a link-local one
    return find_from(t, start, at, f)


cdef inline bint holds_digit(const Text* t, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    while at < end and not is_class(t.s[at], C_DIGIT):
        at += 1
    return at < end
