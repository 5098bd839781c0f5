"""The lines of a stack text that are messages: exception lines, what follows them, notes, of every block of a chain.

Frames and source lines are left alone, because they are code. A line is a source line only below a frame that names
its function and before the exception line: what a message quotes, another traceback included, is message.
"""

from libc.string cimport memcmp

cdef enum:
    LINE_OTHER          # of a message, or no line of a traceback at all
    LINE_BLANK
    LINE_HEADER         # Traceback (most recent call last):
    LINE_FRAME          # a frame with its function
    LINE_CODE           # indented further than a frame
    LINE_BETWEEN        # the sentence between two blocks of a chain, a separator of a group

cdef enum:              # where in a stack a line stands
    BEFORE_BLOCK
    IN_FRAMES
    IN_MESSAGE

cdef struct Lines:
    Text t
    Py_ssize_t at       # the next line
    int state


cdef inline bint is_line(
    const Text* t, Py_ssize_t at, Py_ssize_t end, const char* line, Py_ssize_t size
) noexcept nogil:
    return end - at == size and memcmp(t.s + at, line, size) == 0


cdef inline Py_ssize_t body_of(const Text* t, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Behind the `  | ` or `  + ` of a group, else `at`."""
    cdef Py_ssize_t i = at
    while i < end and t.s[i] == c" ":
        i += 1
    if i + 1 < end and t.s[i + 1] == c" " and (t.s[i] == c"|" or t.s[i] == c"+"):
        return i + 2
    return at


cdef inline bint names_function(const Text* t, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """`", line 7, in f`: the frame of a SyntaxError names none, and the line below it is the user's text."""
    while end > at and t.s[end - 1] != c" ":
        end -= 1
    return end > at + 8 and memcmp(t.s + end - 5, b", in ", 5) == 0


cdef bint separates_group(const Text* t, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """`+-+---------------- 1 ----------------`, and the line that closes a group."""
    cdef Py_ssize_t i = at
    while i < end and (t.s[i] == c" " or t.s[i] == c"+" or t.s[i] == c"-"):
        i += 1
    if i < end and i - at >= 8:
        while i < end and (is_class(t.s[i], C_DIGIT) or t.s[i] == c"."):
            i += 1
        while i < end and (t.s[i] == c" " or t.s[i] == c"-"):
            i += 1
    return i == end


cdef int kind_of_line(const Text* t, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    cdef Py_ssize_t body
    if run_within(t, at, end, C_BLANK) == end:
        return LINE_BLANK
    body = body_of(t, at, end)
    if stands(t, body, b"  File \"", 8):
        return LINE_FRAME if names_function(t, body + 8, end) else LINE_OTHER
    if stands(t, body, b"    ", 4):
        return LINE_CODE
    if stands(t, body, b"  [Previous line repeated ", 26) and end - body < 64:
        return LINE_CODE
    if (
        is_line(t, body, end, b"Traceback (most recent call last):", 34)
        or is_line(t, body, end, b"Exception Group Traceback (most recent call last):", 50)
    ):
        return LINE_HEADER
    if (
        is_line(t, body, end, b"The above exception was the direct cause of the following exception:", 68)
        or is_line(t, body, end, b"During handling of the above exception, another exception occurred:", 67)
        or separates_group(t, at, end)
    ):
        return LINE_BETWEEN
    return LINE_OTHER


cdef inline bint is_usual(const Text* t, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Most lines of a stack: a frame with its function, or its source."""
    if end - at < 9 or t.s[at] != c" " or t.s[at + 1] != c" ":
        return False
    if t.s[at + 2] == c" ":
        return t.s[at + 3] == c" " and is_class(t.s[at + 4], C_LETTER)
    return memcmp(t.s + at, b"  File \"", 8) == 0 and names_function(t, at + 8, end)


cdef bint next_message(Lines* lines, Find* f) noexcept nogil:
    """The next lines that are a message, from the beginning of the first to behind the last; False at the end."""
    cdef const Text* t = &lines.t
    cdef Py_ssize_t end
    cdef int kind
    f.start = -1
    while lines.at < t.n:
        end = line_end(t, lines.at)
        if lines.state == IN_FRAMES and is_usual(t, lines.at, end):
            lines.at = end + 1
            continue
        kind = kind_of_line(t, lines.at, end)
        if kind == LINE_HEADER and lines.state == BEFORE_BLOCK:
            if f.start >= 0:
                return True
            lines.state = IN_FRAMES
        elif kind == LINE_BETWEEN:
            lines.state = BEFORE_BLOCK
        elif kind != LINE_BLANK and not (lines.state == IN_FRAMES and (kind == LINE_FRAME or kind == LINE_CODE)):
            lines.state = IN_MESSAGE
            if f.start < 0:
                f.start = lines.at
            f.end = min(end + 1, t.n)
        lines.at = end + 1
    return f.start >= 0
