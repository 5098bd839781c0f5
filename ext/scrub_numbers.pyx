"""Numbers that name someone: of payment cards, and of phones.

Nothing here, in scrub_addresses and in scrub_also allocates, raises or needs the GIL. Each looks a bounded way back and
forward, or forward to the end of what it finds, so that any text takes linear time.
"""

from libc.stdint cimport uint8_t

cdef enum:
    PHONE_GROUPS = 8        # of digits in a phone number: +33 (0) 6 12 34 56 78
    PHONE_DIGITS = 15       # of an international number (E.164)

cdef struct DigitGroups:    # of a number
    Py_ssize_t end          # behind the last
    int total
    int count
    int[PHONE_GROUPS] sizes

cdef Words PHONES
cdef Words NUMBER_WORDS


load_words(&PHONES, scrub.PHONES)
load_words(&NUMBER_WORDS, scrub.NUMBER_WORDS)


cdef inline bint digit_at(const Text* t, Py_ssize_t at) noexcept nogil:
    return at < t.n and is_class(t.s[at], C_DIGIT)


cdef inline bint in_number(const Text* t, Py_ssize_t at) noexcept nogil:
    """Whether what ends before `at` goes on there: as a word, or by a mark and another digit."""
    return at < t.n and (
        is_class(t.s[at], C_LETTER | C_DIGIT) or t.s[at] == c"_" or t.s[at] in b"-./:" and digit_at(t, at + 1)
    )


cdef bint card(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """The number of a payment card: 13 to 19 digits in groups, an issuer's beginning, Luhn's check digit.

    Of several groups as many as are one: its date or its security code may follow.
    """
    cdef uint8_t[19] digits
    cdef int count = 0
    cdef Py_ssize_t end = at
    cdef Py_ssize_t found = at
    if t.s[at] < c"2" or t.s[at] > c"6" or not at_word(t, at) or at > t.low and t.s[at - 1] in b".-":
        return False
    while end < t.n and count < 19:
        if is_class(t.s[end], C_DIGIT):
            digits[count] = t.s[end] - c"0"
            count += 1
            if (
                count >= 13 and not (end + 1 < t.n and is_class(t.s[end + 1], C_DIGIT | C_LETTER))
                and is_checked(digits, count)
            ):
                found = end + 1
        elif not ((t.s[end] == c" " or t.s[end] == c"-") and digit_at(t, end + 1)):
            break
        end += 1
    return find_from(t, at, found, f)


cdef bint is_checked(const uint8_t* digits, int count) noexcept nogil:
    cdef int total = 0
    cdef int i
    for i in range(count):
        total += digits[count - 1 - i] if i % 2 == 0 else 2 * digits[count - 1 - i] % 10 + digits[count - 1 - i] // 5
    return total % 10 == 0


cdef bint phone(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """A phone number that begins with `+`, or `(`, or a digit: one that its form or the word before it tells."""
    cdef DigitGroups groups
    cdef Py_ssize_t end
    cdef uint8_t before = t.s[at - 1] if at > t.low else c" "
    if is_class(before, C_LETTER | C_DIGIT) or before in b"_+":
        return False
    if t.s[at] == c"+":
        read_groups(t, at + 1, PHONE_DIGITS, &groups)
        return (
            digit_at(t, at + 1) and t.s[at + 1] != c"0" and groups.total >= 8
            and not in_number(t, groups.end) and find_from(t, at, groups.end, f)
        )
    if announces_phone(t, at):
        read_groups(t, at + (t.s[at] == c"("), PHONE_DIGITS, &groups)
        return groups.total >= 6 and not in_number(t, groups.end) and find_from(t, at, groups.end, f)
    if before in b".-/,$#&":
        return False
    end = american_end(t, at)
    if end > at:
        return find_from(t, at, end, f)
    if t.s[at] != c"0":
        return False
    read_groups(t, at, 12 if digit_at(t, at + 2) else 10, &groups)     # five groups of two: another number may follow
    return is_national(t, at, &groups) and not in_number(t, groups.end) and find_from(t, at, groups.end, f)


cdef void read_groups(const Text* t, Py_ssize_t at, int most, DigitGroups* groups) noexcept nogil:
    """Groups of digits with one mark between them, or two around a bracket or a stroke, as far as they have `most`."""
    cdef Py_ssize_t end
    groups.total = groups.count = 0
    groups.end = at
    while groups.count < PHONE_GROUPS:
        end = at
        while end - at <= most and digit_at(t, end):
            end += 1
        if end == at or groups.total + end - at > most:
            return
        groups.sizes[groups.count] = <int> (end - at)
        groups.count += 1
        groups.total += <int> (end - at)
        groups.end = at = end
        while at - end < 3 and at < t.n and t.s[at] in b" -./()":
            at += 1


cdef bint is_national(const Text* t, Py_ssize_t at, const DigitGroups* groups) noexcept nogil:
    """`030 1234567`, `0171/1234567`, `010-1234-5678`, `06 12 34 56 78`: behind a zero the code of the place."""
    cdef int i
    if groups.total < 9 or groups.count < 2 or t.s[at + 1] == c"0":
        return False
    if groups.sizes[0] == 2:
        for i in range(groups.count):
            if groups.sizes[i] != 2:
                return False
        return groups.count == 5
    return 3 <= groups.sizes[0] <= 5 and t.s[at + groups.sizes[0]] != c"."


cdef Py_ssize_t american_end(const Text* t, Py_ssize_t at) noexcept nogil:
    """Behind `555-123-4567`, `555.123.4567`, `(555) 123-4567`, each also after `1-`; -1 where it is none of them."""
    cdef uint8_t mark
    if t.s[at] == c"1" and at + 2 < t.n and t.s[at + 1] in b"- .":
        at += 2
    if stands(t, at, b"(", 1):
        at += 1
        if not three_digits(t, at) or not stands(t, at + 3, b")", 1):
            return -1
        at += 4
        at += at < t.n and (t.s[at] == c" " or t.s[at] == c"-")
        mark = c"-" if stands(t, at + 3, b"-", 1) else c" "
    else:
        mark = t.s[at + 3] if at + 3 < t.n else c" "
        if mark not in b"-." or not three_digits(t, at) or t.s[at] < c"2":
            return -1
        at += 4
    if not three_digits(t, at) or at + 8 > t.n or t.s[at + 3] != mark:
        return -1
    at += 4
    return at + 4 if three_digits(t, at) and digit_at(t, at + 3) and not in_number(t, at + 4) else -1


cdef inline bint three_digits(const Text* t, Py_ssize_t at) noexcept nogil:
    return digit_at(t, at) and digit_at(t, at + 1) and digit_at(t, at + 2)


cdef bint announces_phone(const Text* t, Py_ssize_t at) noexcept nogil:
    """Whether `phone=`, `"phone_number": "`, `Tel. ` stands before."""
    cdef Py_ssize_t end = back_over_marks(t, at)
    cdef Py_ssize_t start = run_back(t, end, C_LETTER, LONGEST_WORD)
    if is_one_of(t.s, start, end, &NUMBER_WORDS):
        end = start
        while end > t.low and start - end < 2 and t.s[end - 1] in b" _-.":
            end -= 1
        start = run_back(t, end, C_LETTER, LONGEST_WORD)
    return ends_in_one_of(t, start, end, &PHONES)


cdef bint ends_in_one_of(const Text* t, Py_ssize_t start, Py_ssize_t end, const Words* words) noexcept nogil:
    cdef int i
    for i in range(words.count):
        if (
            ends_in(t, start, end, words.items[i].text, words.items[i].size)
            and (not words.items[i].whole or end - start == words.items[i].size)
        ):
            return True
    return False


cdef Py_ssize_t back_over_marks(const Text* t, Py_ssize_t at) noexcept nogil:
    """Before the marks between a name and its value."""
    cdef Py_ssize_t least = max(t.low, at - 6)
    while at > least and t.s[at - 1] in b" :=.('\"\\":
        at -= 1
    return at
