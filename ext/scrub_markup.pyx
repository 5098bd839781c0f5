"""Secrets that are the text of an element of XML: `<password>x</password>`, `<wsse:Password Type="...">x<...`."""


cdef bint enclosed(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """The text behind the tag that the `>` at `at` ends, up to the next one, if the element has a secret name."""
    cdef Text inner = t[0]
    cdef const uint8_t* next_tag
    cdef int says = element_says(t, at)
    if says == KEY_PLAIN:
        return False
    at += 1
    if stands(t, at, b"<![CDATA[", 9):
        at += 9
    next_tag = <const uint8_t*> memchr(t.s + at, c"<", t.n - at) if at < t.n else NULL
    if next_tag is not NULL:
        inner.n = next_tag - t.s
        if stands_before(t, inner.n, b"]]>", 3):
            inner.n -= 3
        elif not stands(t, inner.n, b"</", 2):
            return False        # another element, or `login <user> <password> <host>`
    elif not cut_within(t, at):
        return False
    elif stands(t, at, b"\n", 1):
        says = KEY_WEAK
    while inner.n > at and is_class(t.s[inner.n - 1], C_BLANK):
        inner.n -= 1
    at = run_of(&inner, at, C_BLANK)
    if not secret_value(&inner, at, SAID_WEAK if says == KEY_WEAK else SAID_SECRET, f):
        return False
    return find_from(t, f.start, inner.n if next_tag is not NULL else f.end, f)


cdef bint cut_within(const Text* t, Py_ssize_t at) noexcept nogil:
    """Whether the text ends in a value that begins at `at`; not "<password> is missing", `<user>:<password>@host`."""
    cdef Py_ssize_t start = run_of(t, at, C_BLANK) if stands(t, at, b"\n", 1) else at
    cdef Py_ssize_t end = start
    while end < t.n and not is_class(t.s[end], C_BLANK | C_QUOTE):
        end += 1
    return end > start and t.s[start] != c"@" and run_of(t, end, C_BLANK) == t.n


cdef int element_says(const Text* t, Py_ssize_t at) noexcept nogil:
    """What the name of the element says whose tag ends at `at`; of attributes the last has to be in quotes."""
    cdef Py_ssize_t end = at
    cdef Py_ssize_t start = at
    if at < t.low + 3:
        return KEY_PLAIN
    if is_class(t.s[at - 1], C_QUOTE):
        while start > t.low and t.s[start - 1] != c"<" and t.s[start - 1] != c">":
            start -= 1          # to the last tag at most, so that many of them are not looked at over and over
        end = run_of(t, start, C_KEY)
        if end < at and t.s[end] == c":":
            start = end + 1
            end = run_of(t, start, C_KEY)
    elif KEY_ENDS[last_two(t.s, at)]:
        start = run_back(t, at, C_KEY, LONGEST_KEY)
    else:
        return KEY_PLAIN
    at = start
    if at > t.low and t.s[at - 1] == c":":
        at = run_back(t, at - 1, C_KEY, LONGEST_KEY)
    if at <= t.low or t.s[at - 1] != c"<" or not at_word(t, at - 1):
        return KEY_PLAIN        # List<Token>, (?P<token>
    return key_says(t.s, start, end, False)
