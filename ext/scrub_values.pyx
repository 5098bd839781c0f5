"""How far the value of a secret name reaches, and whether it is one: `None`, a mask or the rest of a sentence are none.

Texts may have been cut by someone else: a value whose end is missing reaches to the end of the line or text. Nothing
in scrub_values, scrub_tokens and scrub_text allocates, raises or needs the GIL, and each looks a bounded way back, and
forward either to the end of what it finds or a bounded way, so that any text takes linear time.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memchr, memcmp

cdef enum:
    JUDGED = 64             # characters of a value that are looked at to tell it from a word
    LONGEST_SENTENCE = 256  # characters of one in quotes, or of what stands for a value
    NEAR_BACK = 64          # characters of a sentence before its colon

cdef enum:                  # how a value was announced
    ASSIGNED                # key=value, 'key': value
    SAID_SECRET             # password: value
    SAID_WEAK               # token: value

cdef struct Find:
    Py_ssize_t start
    Py_ssize_t end

cdef struct Text:
    const uint8_t* s        # bytes, ASCII as it is and anything else as a byte from 0x80 on
    Py_ssize_t low          # nothing before it is looked at again
    Py_ssize_t n            # nothing from here on belongs to the text


cdef inline bint stands(const Text* t, Py_ssize_t at, const char* word, Py_ssize_t size) noexcept nogil:
    return at >= t.low and size <= t.n - at and memcmp(t.s + at, word, size) == 0


cdef inline bint stands_before(const Text* t, Py_ssize_t at, const char* word, Py_ssize_t size) noexcept nogil:
    return at - size >= t.low and memcmp(t.s + at - size, word, size) == 0


cdef inline bint find_from(const Text* t, Py_ssize_t start, Py_ssize_t end, Find* f) noexcept nogil:
    f.start = start
    f.end = end
    return end > start


cdef inline bint at_word(const Text* t, Py_ssize_t at) noexcept nogil:
    """Whether a word may begin here."""
    return at <= t.low or not is_class(t.s[at - 1], C_LETTER | C_DIGIT | C_WIDE)


cdef inline Py_ssize_t run_within(const Text* t, Py_ssize_t at, Py_ssize_t stop, int bits) noexcept nogil:
    while at < stop and is_class(t.s[at], bits):
        at += 1
    return at


cdef inline Py_ssize_t run_of(const Text* t, Py_ssize_t at, int bits) noexcept nogil:
    return run_within(t, at, t.n, bits)


cdef inline Py_ssize_t run_back(const Text* t, Py_ssize_t at, int bits, Py_ssize_t most) noexcept nogil:
    cdef Py_ssize_t least = max(t.low, at - most)
    while at > least and is_class(t.s[at - 1], bits):
        at -= 1
    return at


cdef inline Py_ssize_t line_end(const Text* t, Py_ssize_t at) noexcept nogil:
    cdef const void* found = memchr(t.s + at, c"\n", t.n - at) if at < t.n else NULL
    return t.n if found is NULL else <const uint8_t*> found - t.s


cdef bint before_within(const Text* t, Py_ssize_t at, const char* word, Py_ssize_t size) noexcept nogil:
    """Whether a word stands in the nearest part of the line before `at`."""
    cdef Py_ssize_t least = max(t.low, at - NEAR_BACK)
    cdef Py_ssize_t k = at - size
    while k >= least and t.s[k] != c"\n":
        if t.s[k] == <uint8_t> word[0] and memcmp(t.s + k, word, size) == 0:
            return True
        k -= 1
    return False


cdef inline bint ends_in(
    const Text* t, Py_ssize_t start, Py_ssize_t end, const char* word, Py_ssize_t size
) noexcept nogil:
    """Whether a name ends in a word of small letters, whatever its own case."""
    cdef Py_ssize_t i
    if end - start < size:
        return False
    for i in range(size):
        if lower(t.s[end - size + i]) != <uint8_t> word[i]:
            return False
    return True


cdef bint made_up(const Text* t, Py_ssize_t start, Py_ssize_t end, int bits) noexcept nogil:
    """Whether a value of these characters looks made by a machine: letters and digits, or many in both cases."""
    cdef bint digit = False
    cdef bint letter = False
    cdef bint upper = False
    cdef bint small = False
    cdef Py_ssize_t i
    for i in range(start, min(end, start + JUDGED)):
        if not is_class(t.s[i], bits):
            return False
        digit |= is_class(t.s[i], C_DIGIT)
        upper |= is_class(t.s[i], C_UPPER)
        small |= is_class(t.s[i], C_LETTER) and not is_class(t.s[i], C_UPPER)
    letter = upper or small
    return letter and digit or end - start >= 20 and upper and small


cdef bint harmless(const Text* t, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Whether a value is none: a word such as `None`, a mask, a placeholder, the name of a constant or a column."""
    cdef uint8_t first
    cdef Py_ssize_t i
    cdef bint constant, dotted
    if end <= start:
        return True
    if end - start > JUDGED:
        return False
    if is_one_of(t.s, start, end, &HARMLESS_VALUES):
        return True
    first = t.s[start]
    if first in b"*.?x#-" and run_same(t, start) >= end:
        return True
    if first == c"%":
        return end - start == 2 or t.s[start + 1] == c"(" and memchr(t.s + start, c")", end - start) is not NULL
    if first == c"$":
        return run_of(t, start + 1, C_DIGIT) >= end > start + 1 or (
            t.s[start + 1] == c"{" and (end - start == 3 or like_a_name(t, start + 2, run_of(t, start + 2, C_KEY)))
        )
    if first == c"{" or first == c"<" or first == c"[":
        return t.s[end - 1] == first + 2 and run_plain(t, start + 1) >= end - 1
    if first == c":" and like_a_name(t, start + 1, end):
        return run_plain(t, start + 1) >= end
    if names_failure(t, start, end):
        return True
    constant = dotted = False
    for i in range(start, end):
        if t.s[i] == c".":
            dotted = True
        elif t.s[i] == c"_":
            constant = True
        elif not is_class(t.s[i], C_LETTER):
            return False
    if constant and not dotted:
        for i in range(start, end):
            if t.s[i] != c"_" and not is_class(t.s[i], C_UPPER):
                return False
        return True
    return dotted and key_says(t.s, start, end, False) != KEY_PLAIN    # u.password, self.token


cdef bint names_failure(const Text* t, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Whether this is the class of an error: `failed to refresh token: ServiceUnavailableException`."""
    return (
        stands_before(t, end, b"Error", 5) or stands_before(t, end, b"Exception", 9)
        or stands_before(t, end, b"Warning", 7) or stands_before(t, end, b"Timeout", 7)
    ) and like_a_name(t, start, end)


cdef inline Py_ssize_t run_same(const Text* t, Py_ssize_t at) noexcept nogil:
    cdef uint8_t first = t.s[at]
    while at < t.n and t.s[at] == first:
        at += 1
    return at


cdef inline Py_ssize_t backslashes(const Text* t, Py_ssize_t at) noexcept nogil:
    """How many stand here; each repr() of a text doubles them."""
    return run_same(t, at) - at if at < t.n and t.s[at] == c"\\" else 0


cdef inline Py_ssize_t run_plain(const Text* t, Py_ssize_t at) noexcept nogil:
    while at < t.n and (is_class(t.s[at], C_LETTER) or t.s[at] == c"_" or t.s[at] == c" " or t.s[at] == c"."):
        at += 1
    return at


cdef Py_ssize_t bare_end(const Text* t, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    """Where a value without quotes ends: at a blank, a quote, or a separator that another `key=` follows."""
    cdef Py_ssize_t start = at
    while at < stop and not is_class(t.s[at], C_BLANK):
        if is_class(t.s[at], C_QUOTE) and not within_word(t, start, at):
            break
        if (t.s[at] == c"&" or t.s[at] == c"," or t.s[at] == c";") and separates(t, start, at):
            break
        at += 1
    while at > start and t.s[at - 1] in b")]}>,.;:!?\\&":
        at -= 1
    return at


cdef inline bint within_word(const Text* t, Py_ssize_t start, Py_ssize_t at) noexcept nogil:
    """Whether the quote at `at` is a mark of the value itself, as in O'Hara, and neither begins nor ends a string."""
    if at == start or at + 1 >= t.n or t.s[at - 1] in b"\\([{=,:":
        return False
    if not is_class(t.s[at + 1], C_LETTER | C_DIGIT | C_WIDE) and t.s[at + 1] not in b"!#$*@^_~":
        return False
    return at + 2 >= t.n or not is_class(t.s[at + 2], C_QUOTE)


cdef Py_ssize_t quoted_end(const Text* t, Py_ssize_t at, Py_ssize_t depth) noexcept nogil:
    """Where a quoted value ends that begins behind the quote at `at`; without a closing quote at the line's end.

    `depth`: the number of backslashes before the quote, in a text that was quoted itself.
    """
    cdef uint8_t quote = t.s[at]
    cdef Py_ssize_t start
    at += 1
    while at < t.n and t.s[at] != c"\n":
        if t.s[at] == quote:
            return at
        if t.s[at] == c"\\":
            start = at
            at = run_same(t, at)
            if at < t.n and t.s[at] == quote:
                if at - start <= depth if depth else (at - start) % 2 == 0:
                    return start if depth else at
                at += 1
        else:
            at += 1
    return min(at, t.n)


cdef bint sentence(const Text* t, Py_ssize_t at) noexcept nogil:
    """Whether the first quoted text after a bracket is a sentence: `['This field is required.']`, `['Unknown key']`."""
    cdef Text near = t[0]
    cdef Py_ssize_t end = min(t.n, at + LONGEST_SENTENCE)
    cdef Py_ssize_t word
    cdef int blanks = 0
    near.n = end
    while at < end and not is_class(t.s[at], C_QUOTE):
        at += 1
    if at + 1 >= end or not is_class(t.s[at + 1], C_UPPER):
        return False
    end = quoted_end(&near, at, 0)
    at += 1
    word = run_of(&near, at, C_LETTER)
    if word - at >= 5 and stands(&near, word, b" ", 1) and is_one_of(t.s, at, word, &STATES):
        return True
    while at < end:
        blanks += t.s[at] == c" "
        at += 1
    return blanks >= 2 and t.s[end - 1] == c"."


cdef Py_ssize_t bracket_end(const Text* t, Py_ssize_t at) noexcept nogil:
    """Where the bracket that opens at `at` closes, quoted texts apart; without a closing one the end of the text."""
    cdef int depth = 0
    while at < t.n:
        if t.s[at] == c"'" or t.s[at] == c'"':
            at = quoted_end(t, at, 0)
        elif t.s[at] in b"([{":
            depth += 1
        elif t.s[at] in b")]}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return t.n


cdef bint goes_on(const Text* t, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Whether what follows `password: ` goes on as a sentence."""
    cdef Py_ssize_t i = start
    if is_one_of(t.s, start, end, &STATES) or stands(t, start, b"http", 4):
        return True
    if is_class(t.s[start], C_DIGIT):
        i = run_of(t, start, C_DIGIT)       # password: 8 characters at least
        return i >= end and end - start < 4 and end + 1 < t.n and is_class(t.s[end + 1], C_LETTER)
    while i < end and (is_class(t.s[i], C_LETTER) or t.s[i] == c"'" or t.s[i] == c"-"):
        i += 1
    return i >= end and end + 1 < t.n and t.s[end] == c" " and is_class(t.s[end + 1], C_LETTER)


cdef bint credentials(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """What follows the scheme in the value of an Authorization header; nothing may."""
    cdef Py_ssize_t scheme = run_of(t, at, C_TOKEN)
    cdef Py_ssize_t start
    if scheme == at or scheme + 1 >= t.n or t.s[scheme] != c" " or is_class(t.s[scheme + 1], C_BLANK):
        return False
    start = scheme + 1
    if is_one_of(t.s, at, scheme, &SCHEMES):
        f.start = start
        f.end = run_of(t, start, C_CREDENTIAL)
        return True
    if is_one_of(t.s, at, scheme, &LONG_SCHEMES):
        return find_from(t, start, line_end(t, start), f)
    return False


cdef bint secret_value(const Text* t, Py_ssize_t at, int manner, Find* f) noexcept nogil:
    """The value of a secret name that begins at `at`, if it is one."""
    cdef Py_ssize_t end
    cdef Py_ssize_t depth
    cdef bint inside = False    # a call, whose end was looked for
    while True:
        while at < t.n and (t.s[at] == c" " or t.s[at] == c"\t"):
            at += 1
        if at + 1 < t.n and lower(t.s[at]) in b"bfrunex" and (t.s[at + 1] == c"'" or t.s[at + 1] == c'"'):
            at += 1             # b'...', and N'...' or E'...' of SQL
        depth = backslashes(t, at)
        at += depth
        if at >= t.n or is_class(t.s[at], C_BLANK):
            return False
        if is_class(t.s[at], C_QUOTE):
            end = quoted_end(t, at, depth)
            at += 1
            if harmless(t, at, end):
                return False
            if manner == SAID_WEAK and not (end - at >= 8 and made_up(t, at, end, C_ENCODED)):
                return False
            return find_from(t, f.start if credentials(t, at, f) and f.start < end else at, end, f)
        if credentials(t, at, f):
            return f.end > f.start
        if t.s[at] == c"<" and described(t, at):
            return False
        if t.s[at] in b"([{" and bracketed(t, at, manner):
            if manner != ASSIGNED or sentence(t, at):
                return False
            end = bracket_end(t, at)
            return not harmless(t, at, min(end + 1, t.n)) and find_from(t, at + 1, end, f)
        end = run_of(t, at, C_KEY)
        if end == at or not stands(t, end, b"(", 1) or not (inside or called(t, at, end)):
            break
        if stands(t, end, b"()", 2) and inside and not value_ends(t, at, end + 2):
            break
        if manner != ASSIGNED or stands(t, end, b"()", 2):
            return False
        inside = True
        at = end + 1        # SecretStr('...'); no call of its own, since stacks of threads may be small
    end = bare_end(t, at, min(t.n, at + JUDGED + 1))
    if harmless(t, at, end) or manner == SAID_SECRET and goes_on(t, at, end):
        return False
    if manner == SAID_WEAK and not (end - at >= 8 and made_up(t, at, end, C_ENCODED)):
        return False
    return find_from(t, at, bare_end(t, at, t.n), f)
