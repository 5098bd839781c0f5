"""Secret names whose values are the next item: tuples of a header or a form, entries with a name and a value.

What a comma parts is ordinary for the most part, lists of fields above all, so more than a name is asked for. Nothing
here allocates or raises; forward it looks to the next quote, which ends the next look too.
"""


cdef bint paired(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """The item behind the comma at `at`: `('X-Api-Key', 'x')`, `{'name': 'API_KEY', 'value': 'x'}`."""
    cdef Py_ssize_t end = at - 1
    cdef Py_ssize_t start, opening
    cdef int says
    if end <= t.low or not is_class(t.s[end], C_QUOTE):
        return False
    start = run_back(t, end, C_KEY, LONGEST_KEY)
    opening = start - 2
    if opening < t.low or t.s[start - 1] != t.s[end]:
        return False
    if t.s[opening] == c":" or t.s[opening] == c" ":
        return (
            says_name(t, before_blanks(t, start - 1)) and key_says(t.s, start, end, True) != KEY_PLAIN
            and entry_value(t, at + 1, f)
        )
    if t.s[opening] == c"b" and opening > t.low:
        opening -= 1
    if t.s[opening] != c"(" and t.s[opening] != c"[":
        return False
    says = key_says(t.s, start, end, True)
    if says == KEY_PLAIN:
        return False
    if t.s[opening] == c"(" and is_header(t, start, end):
        return secret_value(t, at + 1, ASSIGNED, f)
    return pair_value(t, opening, at + 1, ASSIGNED if says == KEY_SECRET and in_list(t, opening) else SAID_WEAK, f)


cdef bint is_header(const Text* t, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    return (
        memchr(t.s + start, c"-", end - start) is not NULL
        or ends_in(t, start, end, b"cookie", 6) or ends_in(t, start, end, b"authorization", 13)
    )


cdef bint in_list(const Text* t, Py_ssize_t opening) noexcept nogil:
    """Whether the bracket at `opening` begins an item of a list of such: `[('a', 'b'), ('c', 'd')]`."""
    cdef Py_ssize_t before = run_back(t, opening, C_BLANK, MOST_BLANKS)
    if before <= t.low:
        return False
    if t.s[before - 1] == c",":
        return before - 1 > t.low and t.s[before - 2] == t.s[opening] + 1 + (t.s[opening] != c"(")
    return t.s[before - 1] == c"["


cdef bint pair_value(const Text* t, Py_ssize_t opening, Py_ssize_t at, int manner, Find* f) noexcept nogil:
    """A quoted value that the bracket at `opening` closes behind, or of which the end was cut off.

    Among other pairs it is a value for sure; alone it may be the second of two names.
    """
    cdef Py_ssize_t end
    at = run_of(t, at, C_BLANK)
    at += at < t.n and t.s[at] == c"b"
    if at >= t.n or not is_class(t.s[at], C_QUOTE):
        return False
    end = quoted_end(t, at, 0)
    if end < t.n and (t.s[end] != t.s[at] or not stands(t, end + 1, b")" if t.s[opening] == c"(" else b"]", 1)):
        return False
    if manner == SAID_WEAK and key_says(t.s, at + 1, end, True) != KEY_PLAIN:
        return False
    return secret_value(t, at, manner, f)


cdef bint says_name(const Text* t, Py_ssize_t end) noexcept nogil:
    """Whether `'name':` or `'key':` ends here."""
    cdef Py_ssize_t start
    if end < t.low + 3 or t.s[end - 1] != c":" or not is_class(t.s[end - 2], C_QUOTE):
        return False
    end -= 2
    start = run_back(t, end, C_LETTER, LONGEST_KEY)
    if end - start == 4:
        return ends_in(t, start, end, b"name", 4)
    return end - start == 3 and ends_in(t, start, end, b"key", 3)


cdef bint entry_value(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """The value of a `'value':` that follows at once."""
    cdef Py_ssize_t start, end
    if stands(t, at, b"\\n", 2):
        at += 2                 # in a text that was quoted itself
    start = run_of(t, at, C_BLANK) + 1
    end = start + 5
    if end + 1 >= t.n or not is_class(t.s[start - 1], C_QUOTE) or t.s[end] != t.s[start - 1] or t.s[end + 1] != c":":
        return False
    return ends_in(t, start, end, b"value", 5) and secret_value(t, end + 2, ASSIGNED, f)
