"""What jsonschema quotes of a value: before it says in which schema it failed, and below where it stands.

    'x' is too short

    Failed validating 'minLength' in schema['properties']['password']:
        {'minLength': 50}

    On instance['password']:
        'x'
"""


cdef bint validated(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """The value of which a line with a path speaks that ends in the `]:` before and at `at`."""
    cdef Py_ssize_t start = at
    # To the last colon at most: a path has none, and a line of nothing but `]:` is not looked at over and over.
    while start > t.low and t.s[start - 1] != c"\n" and t.s[start - 1] != c":":
        start -= 1
    start = body_of(t, start, at)
    if stands(t, start, b"On instance[", 12):
        return path_shows(t, start, at) and secret_value(t, behind_margin(t, at + 1), ASSIGNED, f)
    if stands(t, start, b"Failed validating ", 18):
        return path_shows(t, start, at) and quoted_above(t, start, f)
    return False


cdef bint path_shows(const Text* t, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Whether one of the names in `['properties']['password']` is a secret's."""
    cdef Py_ssize_t name
    while at < end:
        if t.s[at] == c"[" and is_class(t.s[at + 1], C_QUOTE):
            name = at + 2
            at = run_of(t, name, C_KEY)
            if t.s[at] == t.s[name - 1] and key_says(t.s, name, at, True) != KEY_PLAIN:
                return True
        else:
            at += 1
    return False


cdef inline Py_ssize_t behind_margin(const Text* t, Py_ssize_t at) noexcept nogil:
    """Where the line begins that follows the one that ends at `at`, behind its blanks and the bar of a group."""
    at += stands(t, at, b"\n", 1)
    while at < t.n and (t.s[at] == c" " or t.s[at] == c"|"):
        at += 1
    return at


cdef bint quoted_above(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """The value in the last line before `at`, unless a find has taken it: the first that is quoted, or a number.

    That line may begin before what is looked at again: a stack's type was looked at with another message.
    """
    cdef Text line = t[0]
    line.n = at
    while line.n > 0 and (is_class(t.s[line.n - 1], C_BLANK) or t.s[line.n - 1] == c"|"):
        line.n -= 1
    line.low = line.n
    while line.low > 0 and t.s[line.low - 1] != c"\n":
        line.low -= 1
    at = line.low
    while at < line.n and not begins_value(&line, at):
        at += 1
    if at == line.n or t.s[at] == c"(":
        return False            # Additional properties are not allowed ('x' was unexpected)
    if not secret_value(&line, at, ASSIGNED, f) or stands(&line, f.end, b"' is a required property", 24):
        return False
    return find_from(t, max(f.start, t.low), f.end, f)


cdef inline bint begins_value(const Text* line, Py_ssize_t at) noexcept nogil:
    if at > line.low and line.s[at - 1] != c" ":
        return False
    if is_class(line.s[at], C_DIGIT):
        return stands(line, run_of(line, at, C_DIGIT), b" is ", 4)
    return is_class(line.s[at], C_QUOTE) or line.s[at] in b"([{"
