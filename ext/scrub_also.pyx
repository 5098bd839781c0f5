"""What is taken out besides secrets where it is asked for: IP addresses, phone and card numbers, quoted literals.

They are looked for in the text as it was, apart from the secrets: neither hides the other, and where the two overlap
both go.
"""

from libc.stdint cimport uint8_t

cdef enum:                  # in the order of scrub.ALSO
    ALSO_IP_ADDRESSES = 1
    ALSO_PHONE_NUMBERS = 2
    ALSO_CARD_NUMBERS = 4
    ALSO_QUOTED = 8

cdef uint8_t[16][256] ALSO_TRIGGERS


cdef uint8_t triggers_also(int also, str letter):
    return (
        also & (ALSO_IP_ADDRESSES | ALSO_PHONE_NUMBERS | ALSO_CARD_NUMBERS) and letter in "0123456789"
        or also & ALSO_IP_ADDRESSES and letter == ":"
        or also & ALSO_PHONE_NUMBERS and letter in "+("
        or also & ALSO_QUOTED and letter in "'\""
    ) != 0


cdef int also_kinds, also_code
for also_kinds in range(16):
    for also_code in range(256):
        ALSO_TRIGGERS[also_kinds][also_code] = triggers_also(also_kinds, chr(also_code))


cdef int also_bits(names) except -1:
    """The kinds by their names."""
    cdef int bits = 0
    for name in names:
        bits |= 1 << scrub.ALSO.index(name)
    return bits


cdef bint next_also(const Text* t, Py_ssize_t at, Py_ssize_t stop, int also, Find* f) noexcept nogil:
    """The first of these kinds from `at` on that begins before `stop`."""
    cdef const uint8_t* triggers = &ALSO_TRIGGERS[also][0]
    cdef uint8_t c
    cdef bint found
    while True:
        while at < stop and not triggers[t.s[at]]:
            at += 1
        if at >= stop:
            return False
        c = t.s[at]
        f.start = f.end = at
        if is_class(c, C_QUOTE):
            found = literal(t, at, f)
        elif c == c":":
            found = address_six(t, at, f)
        elif is_class(c, C_DIGIT):
            found = (
                also & ALSO_IP_ADDRESSES and address_four(t, at, f)
                or also & ALSO_CARD_NUMBERS and card(t, at, f)
                or also & ALSO_PHONE_NUMBERS and phone(t, at, f)
            )
            if not found:
                f.end = run_of(t, at, C_DIGIT)
        else:
            found = phone(t, at, f)
        if found and not (f.end - f.start == 10 and stands(t, f.start, b"[redacted]", 10)):
            return True
        at = max(at + 1, behind_quote(t, f.end))


cdef inline Py_ssize_t behind_quote(const Text* t, Py_ssize_t at) noexcept nogil:
    """Behind what closes a literal that ends at `at`; nothing else that is found has a quote there that opens one."""
    at += backslashes(t, at)
    return at + (at < t.n and is_class(t.s[at], C_QUOTE))


cdef bint literal(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """What stands between the quote at `at` and the one that closes it; to the end of the line where none does.

    A quote behind a letter or a digit is an apostrophe, or means inches, and one before them closes nothing.
    """
    cdef Py_ssize_t before = at
    cdef Py_ssize_t end
    while before > t.low and t.s[before - 1] == c"\\":
        before -= 1
    end = quoted_end(t, at, at - before) if opens(t, before, t.s[at]) else at
    while end > at + 1 and t.s[end - 1] != c"\n" and end + 1 < t.n and t.s[end] == t.s[at] and is_class(
        t.s[end + 1], C_LETTER | C_DIGIT
    ):
        end = quoted_end(t, end, 0)
    f.end = end
    return not stands_before(t, at, b"  File ", 7) and find_from(t, at + 1, end, f)


cdef inline bint opens(const Text* t, Py_ssize_t at, uint8_t quote) noexcept nogil:
    """Whether a quote at `at`, or behind backslashes there, opens a literal: `'x'`, `b'x'`, `key="x"`."""
    if at > t.low and t.s[at - 1] in b"bBrRuUfF":
        at -= 1
    return at <= t.low or not (
        is_class(t.s[at - 1], C_LETTER | C_DIGIT) or quote == c"'" and is_class(t.s[at - 1], C_WIDE)
    )
