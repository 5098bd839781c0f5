"""What stands behind a secret name and is no secret by its shape: code, a list, a remark in brackets, the next name.

A password may hold any mark, so a bracket or a separator alone tells nothing: what it makes of the value has to be
whole, and names have to look as people write them. Nothing here allocates or raises, and each looks a bounded way.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memchr, strchr


cdef bint like_a_name(const Text* t, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Whether this is a name or a word as people write them, `TrustServerCertificate` or `b64decode`, not `hK9s82`.

    In what people write a new part, by its capital or behind a digit, begins at every fourth character at most.
    """
    cdef Py_ssize_t i
    cdef int parts = 0
    cdef uint8_t c, last
    if end <= start or end - start > JUDGED or not (is_class(t.s[start], C_LETTER) or t.s[start] == c"_"):
        return False
    for i in range(start + 1, end):
        c, last = t.s[i], t.s[i - 1]
        if is_class(c, C_UPPER):
            parts += is_class(last, C_LETTER | C_DIGIT) and not is_class(last, C_UPPER)
        elif is_class(c, C_LETTER):
            parts += is_class(last, C_DIGIT) or (
                i > start + 1 and is_class(last, C_UPPER) and is_class(t.s[i - 2], C_UPPER)     # `URLPath`
            )
        elif c in b"-./":
            if not is_class(last, C_LETTER | C_DIGIT | C_WIDE) and last != c"_":
                return False
        elif not is_class(c, C_DIGIT | C_WIDE) and c != c"_":
            return False
    return parts * 4 <= end - start and t.s[end - 1] not in b"-./"


cdef bint separates(const Text* t, Py_ssize_t start, Py_ssize_t at) noexcept nogil:
    """Whether the `&`, `,` or `;` at `at` stands between the value that begins at `start` and another.

    That one is announced as this is: `a=1&b=2`, `a:1,b:2`. In a random password `,SE7:` is its own.
    """
    cdef Py_ssize_t before = run_back(t, start, C_BLANK, 2)
    cdef Py_ssize_t end = at + 1
    cdef uint8_t mark = c":" if before > t.low and t.s[before - 1] == c":" else c"="
    if mark == c":" and t.s[at] == c"&":
        return False
    while end < t.n and end - at < LONGEST_KEY and is_class(t.s[end], C_KEY):
        end += 1
    if end >= t.n or t.s[end] != mark or not like_a_name(t, at + 1, end):
        return False
    if end - at < 5 and is_class(t.s[end - 1], C_DIGIT):
        return False            # nearly any three characters look like a name
    return t.s[at] == c"&" if in_query(t, before) else end - at > 3


cdef bint in_query(const Text* t, Py_ssize_t at) noexcept nogil:
    """Whether the name whose `=` stands before `at` is one of a URL's: `?a=1&b=2`."""
    cdef Py_ssize_t start = run_back(t, at - 1, C_KEY, LONGEST_KEY) if at > t.low else at
    return start > t.low and (t.s[start - 1] == c"?" or t.s[start - 1] == c"&")


cdef bint value_ends(const Text* t, Py_ssize_t start, Py_ssize_t at) noexcept nogil:
    """Whether nothing of a value that begins at `start` stands from `at` on, but for what closes or ends a sentence."""
    cdef Py_ssize_t stop = min(t.n, at + JUDGED)
    while at < stop and t.s[at] in b")]}>,.;:!?\\&":
        if t.s[at] in b"&,;" and separates(t, start, at):
            return True
        if t.s[at] == c"\\" and at + 1 < t.n and t.s[at + 1] in b"nrt":
            return True         # a blank in a text that was quoted itself
        at += 1
    return at >= stop or is_class(t.s[at], C_BLANK | C_QUOTE)


cdef bint called(const Text* t, Py_ssize_t start, Py_ssize_t at) noexcept nogil:
    """Whether the bracket at `at` makes a call of the name before it: `getpass()`, `SecretStr('...`."""
    cdef Text near = t[0]
    cdef Py_ssize_t close = at + 1
    if not like_a_name(t, start, at) or memchr(t.s + start, c"-", at - start) is not NULL:
        return False
    if close >= t.n or t.s[close] == c"\n":
        while at > start and not is_class(t.s[at - 1], C_DIGIT):
            at -= 1
        return at == start or memchr(t.s + start, c".", at - start) is not NULL     # the rest was cut off
    if is_class(t.s[close], C_QUOTE) or t.s[close] == c"\\":
        return True             # its value ends with the quote
    if close + 1 < t.n and is_class(t.s[close], C_LETTER) and is_class(t.s[close + 1], C_QUOTE):
        return True
    near.n = min(t.n, at + LONGEST_SENTENCE)
    close = bracket_end(&near, at)
    if close >= near.n or t.s[close] != c")":
        close = run_of(t, at + 1, C_KEY)        # f(a, and the rest on another line
        return stands(t, close, b",", 1) and like_a_name(t, at + 1, close) and (
            close + 1 == t.n or is_class(t.s[close + 1], C_BLANK)
        )
    if close > at + 1 and t.s[at + 1] not in b"*-([{" and not begins_part(t, at + 1, close + 1, b"),=([.+ "):
        return False
    if value_ends(t, start, close + 1):
        return True
    start = close + 2           # f(x)[0], f(x).y
    return start < t.n and (
        t.s[start - 1] == c"[" and is_class(t.s[start], C_DIGIT | C_QUOTE)
        or t.s[start - 1] == c"." and is_class(t.s[start], C_LETTER)
    )


cdef bint begins_part(const Text* t, Py_ssize_t at, Py_ssize_t end, const char* marks) noexcept nogil:
    """Whether a name or a number and then one of `marks` stand at the beginning of an argument or item."""
    cdef Py_ssize_t name = run_of(t, at, C_KEY)
    if name == at or name >= end or strchr(marks, t.s[name]) is NULL:
        return False
    return like_a_name(t, at, name) or run_of(t, at, C_DIGIT) == name


cdef bint bracketed(const Text* t, Py_ssize_t at, int manner) noexcept nogil:
    """Whether a list, a mapping, a mask or a remark begins with the bracket at `at`, and not a password."""
    cdef Text word = t[0]
    cdef Py_ssize_t close = at
    word.n = min(t.n, at + LONGEST_SENTENCE)
    while close < word.n and not is_class(t.s[close], C_BLANK | C_QUOTE):
        close += 1
    word.n = close
    close = bracket_end(&word, at)
    if close == word.n:
        return manner == ASSIGNED or remark(t, at, close)
    if stands(t, at, b"[redacted]", 10):
        return True
    if t.s[close] != t.s[at] + 1 + (t.s[at] != c"(") or not value_ends(t, at, close + 1):
        return False
    return manner == ASSIGNED or begins_part(t, at + 1, close + 1, b")]},!:=([") or remark(t, at, close)


cdef bint remark(const Text* t, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Whether the word from the bracket at `at` to `end` is of a repr or a sentence."""
    cdef Py_ssize_t i
    while at < end and t.s[at] in b"([{":
        at += 1
    if at == end:
        return True
    if end < t.n and is_class(t.s[end], C_QUOTE) and (end == at + 1 or t.s[end - 1] in b"([{=:,"):
        return True             # [b'...', [ErrorDetail(string='...
    if begins_part(t, at, end, b"=:") and is_class(t.s[at + 1], C_KEY):
        return True             # {min:8, max:20}
    while end > at and t.s[end - 1] in b",.;:!?)]}":
        end -= 1
    if like_a_name(t, at, end):
        return True
    at = min(run_of(t, at, C_DIGIT), end)       # (12-character
    if at < end and not is_class(t.s[at], C_UPPER) and like_a_name(t, at + (t.s[at] == c"-"), end):
        return True
    for i in range(at, end):
        if is_class(t.s[i], C_LETTER | C_WIDE):
            return False
    return True


cdef bint is_path(const Text* t, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t end = at
    cdef Py_ssize_t stop = min(t.n, at + JUDGED)
    while end < stop and is_class(t.s[end], C_CREDENTIAL):
        end += 1
    return end == at + JUDGED or value_ends(t, at, end)


cdef bint described(const Text* t, Py_ssize_t at) noexcept nogil:
    """`<object at 0x7f>`, `<SecretStr>`: what stands for a value instead of it."""
    cdef Py_ssize_t end = at + 1
    cdef Py_ssize_t name = run_of(t, end, C_KEY)
    cdef bint blank = False
    while end < min(t.n, at + LONGEST_SENTENCE) and t.s[end] != c">":
        blank |= t.s[end] == c" "
        end += 1
    if end >= t.n or t.s[end] != c">":
        return False
    if blank:
        return t.s[name] in b" :[<" and (like_a_name(t, at + 1, name) or run_of(t, at + 1, C_DIGIT) == name)
    return run_plain(t, at + 1) == end and (
        value_ends(t, at, end + 1) or end > at + 1 and not is_class(t.s[at + 1], C_UPPER)
    )
