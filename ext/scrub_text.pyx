"""Where the secrets of a text are.

One pass over its bytes: at a character that a secret must have (`=`, `:`, `@`, the `_` of `ghp_`) a matcher looks
back at the name and forward over the value.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memchr, memcmp

cdef extern from *:
    """
    #ifdef __SSE2__
    #include <emmintrin.h>
    #endif
    /* Skips characters that are no trigger, 16 at a time: those of `, - .`, `:` to `J`, `_` and `b` end it, which is
       every trigger and a few more. */
    static inline Py_ssize_t errsample_skip(const unsigned char* s, Py_ssize_t at, Py_ssize_t stop) {
    #ifdef __SSE2__
        const __m128i comma = _mm_set1_epi8(','), colon = _mm_set1_epi8(':');
        while (stop - at >= 16) {
            __m128i v = _mm_loadu_si128((const __m128i*) (s + at));
            __m128i low = _mm_sub_epi8(v, comma), high = _mm_sub_epi8(v, colon);
            __m128i found = _mm_or_si128(
                _mm_or_si128(
                    _mm_cmpeq_epi8(_mm_min_epu8(low, _mm_set1_epi8('.' - ',')), low),
                    _mm_cmpeq_epi8(_mm_min_epu8(high, _mm_set1_epi8('J' - ':')), high)),
                _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('_')), _mm_cmpeq_epi8(v, _mm_set1_epi8('b'))));
            int bits = _mm_movemask_epi8(found);
            if (bits) return at + __builtin_ctz(bits);
            at += 16;
        }
    #endif
        return at;
    }
    /* Which of up to 64 characters are `I`, `i` or the end of a line: the first in the lowest bit. */
    static inline uint64_t errsample_marks(const unsigned char* s, Py_ssize_t count) {
        uint64_t bits = 0;
        Py_ssize_t at = 0;
    #ifdef __SSE2__
        for (; count - at >= 16; at += 16) {
            __m128i v = _mm_loadu_si128((const __m128i*) (s + at));
            __m128i found = _mm_or_si128(
                _mm_cmpeq_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('i')),
                _mm_cmpeq_epi8(v, _mm_set1_epi8('\\n')));
            bits |= (uint64_t) (unsigned int) _mm_movemask_epi8(found) << at;
        }
    #endif
        for (; at < count; at++) bits |= (uint64_t) ((s[at] | 0x20) == 'i' || s[at] == '\\n') << at;
        return bits;
    }
    static inline int errsample_highest(uint64_t bits) {
    #if defined(__GNUC__)
        return 63 - __builtin_clzll(bits);
    #else
        int place = 63;
        while (!(bits >> place)) place--;
        return place;
    #endif
    }
    """
    Py_ssize_t errsample_skip(const uint8_t* s, Py_ssize_t at, Py_ssize_t stop) noexcept nogil
    uint64_t errsample_marks(const uint8_t* s, Py_ssize_t count) noexcept nogil
    int errsample_highest(uint64_t bits) noexcept nogil

cdef enum:
    FAR_BACK = 512          # characters before an `@` that may belong to it
    MOST_BLANKS = 32        # between a name and its `=` or `:`, which dumps of settings align


cdef inline Py_ssize_t before_blanks(const Text* t, Py_ssize_t at) noexcept nogil:
    cdef Py_ssize_t least = max(t.low, at - MOST_BLANKS)
    while at > least and (t.s[at - 1] == c" " or t.s[at - 1] == c"\t"):
        at -= 1
    return at


cdef bint assigned(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """`key=value`: query strings, keyword arguments, DSNs; PostgreSQL's `Key (email)=(...)`; pydantic's input."""
    cdef Py_ssize_t close, end, least, start
    if at > t.low and t.s[at - 1] in b"=!<>":
        return False
    if stands(t, at, b"=(", 2) and stands_before(t, at, b")", 1) and before_within(t, at, b"Key (", 5):
        close = last_bracket(t, at + 2)
        return find_from(t, at + 2, close, f)
    end = before_blanks(t, at)
    least = max(t.low, end - 16)
    while end > least and (is_class(t.s[end - 1], C_QUOTE) or t.s[end - 1] in b"]\\"):
        end -= 1
    start = run_back(t, end, C_KEY, LONGEST_KEY)
    if end - start == 11 and stands(t, start, b"input_value", 11):
        close = input_end(t, at + 1)
        return not harmless(t, at + 1, close) and find_from(t, at + 1, close, f)
    if end - start == 3 and stands(t, start, b"sig", 3):
        return secret_value(t, at + 1, SAID_WEAK, f)    # of Azure's URLs; else the number or name of a signal
    if key_says(t.s, start, end, True) == KEY_PLAIN:
        return False
    at += 1 + (at + 1 < t.n and t.s[at + 1] == c"=")
    if end - start == 3 and stands(t, at, b"/", 1) and is_path(t, at):
        return False        # PWD=/srv
    if ends_in(t, start, end, b"cookie", 6):
        return find_from(t, at, line_end(t, at), f)
    return secret_value(t, at, ASSIGNED, f)


cdef Py_ssize_t input_end(const Text* t, Py_ssize_t at) noexcept nogil:
    """Where pydantic's input ends: before `, input_type=`."""
    cdef Py_ssize_t end = line_end(t, at)
    while at < end:
        if t.s[at] == c"," and stands(t, at, b", input_type=", 13):
            return at
        at += 1
    return end


cdef Py_ssize_t last_bracket(const Text* t, Py_ssize_t at) noexcept nogil:
    """The last `)` of the line, else its end."""
    cdef Py_ssize_t end = line_end(t, at)
    cdef Py_ssize_t i = end
    while i > at and t.s[i - 1] != c")":
        i -= 1
    return i - 1 if i > at else end


cdef bint named(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """`'key': value`, headers, `password: value`; what databases quote after a colon."""
    cdef Py_ssize_t end = before_blanks(t, at)
    cdef Py_ssize_t start
    cdef Py_ssize_t following = at + 1
    cdef uint8_t before = t.s[end - 1] if end > t.low else c" "
    cdef const uint8_t* equals
    cdef int says
    if stands(t, following, b"//", 2):
        return in_authority(t, following + 2, f)
    if quotes_input(t, at, f):
        return True
    if is_class(before, C_QUOTE):
        return quoted_name(t, end, at, f)
    if before == c"]" and end == at:
        return validated(t, at, f)
    if is_class(before, C_LETTER) and end > t.low + 1 and not KEY_ENDS[last_two(t.s, end)]:
        return False        # nearly every other word
    if is_class(before, C_DIGIT) and end == at and numbered(t, at, f):
        return True
    start = run_back(t, end, C_KEY, LONGEST_KEY)
    says = key_says(t.s, start, end, False)
    if says == KEY_PLAIN and not api_key(t, start, end):
        return False
    if ends_in(t, start, end, b"cookie", 6):
        equals = <const uint8_t*> memchr(t.s + at, c"=", min(t.n - at, <Py_ssize_t> LONGEST_SENTENCE))
        return (
            equals is not NULL and memchr(t.s + at, c"\n", equals - t.s - at) is NULL
            and find_from(t, following + (following < t.n and t.s[following] == c" "), line_end(t, at), f)
        )
    if says == KEY_WEAK and lower(t.s[start]) == c"x" and t.s[start + 1] == c"-":
        says = KEY_SECRET   # X-Auth-Token: a header's name is no word of a sentence
    if says == KEY_WEAK and stands_before(t, start, b"xpected ", 8):
        return False        # a parser's: "unexpected token: 'x1'"
    if stands_before(t, start, b":", 1) and before_within(t, start, b":secretsmanager:", 16):
        return False        # a resource of AWS: the name of a secret
    if end < at:
        if is_choice(t, start):
            return False
        if following < t.n and is_class(t.s[following], C_KEY):
            says = KEY_WEAK     # the password :param, the secret :lock:
    return secret_value(t, following, SAID_WEAK if says == KEY_WEAK else SAID_SECRET, f)


cdef inline bint quoted_name(const Text* t, Py_ssize_t end, Py_ssize_t at, Find* f) noexcept nogil:
    """`'key': value`, whose colon is at `at`; the name ends before a quote at `end`."""
    cdef Py_ssize_t least = max(t.low, end - 16)
    cdef Py_ssize_t value = at + 1
    cdef Py_ssize_t start
    cdef bint spaced = end < at
    end -= 1
    while end > least and t.s[end - 1] == c"\\":
        end -= 1
    start = run_back(t, end, C_KEY, LONGEST_KEY)
    if key_says(t.s, start, end, True) == KEY_PLAIN:
        return False
    if spaced:
        value = run_of(t, value, C_BLANK)
        if is_choice(t, start - 1) or value >= t.n or not (is_class(t.s[value], C_QUOTE) or t.s[value] in b"\\[{"):
            return False        # volume "secret-volume" : secret "db" not found
    return secret_value(t, value, ASSIGNED, f)


cdef inline bint is_choice(const Text* t, Py_ssize_t at) noexcept nogil:
    """Whether what begins at `at`, before ` : `, is the one side of a choice: `shown ? "password" : "text"`."""
    return stands_before(t, at, b"? ", 2)


cdef inline bint quotes_input(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """`invalid input syntax for type integer: "x"`, `Incorrect integer value: 'x'`, SQLAlchemy's parameters."""
    cdef Py_ssize_t end
    cdef Py_ssize_t following = at + 1
    cdef Py_ssize_t quote = at + 2
    if quote < t.n and t.s[following] == c" " and (is_class(t.s[quote], C_QUOTE) or t.s[quote] == c"\\"):
        if announces_input(t, at):
            quote += backslashes(t, quote)
            return quote < t.n and find_from(t, quote + 1, quoted_end(t, quote, quote - at - 2), f)
    if stands_before(t, at, b"[parameters", 11):
        end = line_end(t, at)
        if t.s[end - 1] == c"]" and not stands_before(t, end, b"[redacted]", 10):
            end -= 1
        return find_from(t, following + (following < end and t.s[following] == c" "), end, f)
    return False


cdef bint announces_input(const Text* t, Py_ssize_t at) noexcept nogil:
    """Whether `invalid input ` or `Incorrect ` stands in the nearest part of the line.

    A text of nothing but `: '` asks for it at every third character: 64 KiB of it took 1.8 ms, a character at a time.
    """
    cdef Py_ssize_t least = max(t.low, at - NEAR_BACK)
    cdef uint64_t marks = errsample_marks(t.s + least, at - least)
    cdef bint broken = False    # an end of the line so near that only the longer of the two might stand before it
    cdef Py_ssize_t place
    cdef int bit
    while marks:
        bit = errsample_highest(marks)
        marks ^= <uint64_t> 1 << bit
        place = least + bit
        if place > at - 10:
            continue
        if t.s[place] == c"\n":
            if place <= at - 14:
                return False
            broken = True
        elif t.s[place + 1] == c"n" and (
            not broken and memcmp(t.s + place, b"Incorrect ", 10) == 0
            or place <= at - 14 and memcmp(t.s + place, b"invalid input ", 14) == 0
        ):
            return True
    return False


cdef bint numbered(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """PostgreSQL's `LINE 1: ` with the text of a statement, and the token of a Telegram bot."""
    cdef Py_ssize_t start = run_back(t, at, C_DIGIT, 10)
    cdef Py_ssize_t end
    if stands_before(t, start, b"LINE ", 5):
        return find_from(t, at + 1 + stands(t, at + 1, b" ", 1), line_end(t, at), f)
    if start <= at - 8 and stands(t, at + 1, b"AA", 2) and at_word(t, start):
        end = run_of(t, at + 1, C_TOKEN)
        return end - at > 30 and find_from(t, start, end, f)
    return False


cdef inline bint api_key(const Text* t, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """`API key:`, `access key:`."""
    return (
        end - start == 3 and stands(t, start, b"key", 3)
        and (stands_before(t, start, b"API ", 4) or stands_before(t, start, b"api ", 4)
             or stands_before(t, start, b"ccess ", 6) or stands_before(t, start, b"ecret ", 6))
    )


cdef bint addressed(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """`user:password@host`, in a URL and out of one, and e-mail addresses."""
    cdef Py_ssize_t least = max(t.low, at - FAR_BACK)
    cdef Py_ssize_t start = at
    cdef Py_ssize_t soft = -1       # behind the last character that may, but need not, separate
    cdef Py_ssize_t colon = -1
    while start > least and not is_class(t.s[start - 1], C_BLANK | C_QUOTE) and t.s[start - 1] not in b"<>@":
        start -= 1
        if t.s[start] == c":":
            if stands(t, start, b"://", 3):
                return in_url(t, start + 3, at, f) or mailed(t, at, f)
            colon = start if soft < 0 else colon
        elif soft < 0 and t.s[start] in b"=(,;/?&[{|":
            soft = start + 1
    start = max(start, soft)
    if colon > start and colon + 1 < at and at + 1 < t.n and is_class(t.s[at + 1], C_LETTER | C_DIGIT):
        return find_from(t, start, at, f)
    return mailed(t, at, f)


cdef bint in_authority(const Text* t, Py_ssize_t start, Find* f) noexcept nogil:
    """`://user:pass:word@host`, before the `:` in the password makes a name of what stands before it."""
    cdef Py_ssize_t at
    for at in range(start, min(start + FAR_BACK, t.n)):
        if t.s[at] == c"@":
            return in_url(t, start, at, f)
        if is_class(t.s[at], C_BLANK | C_QUOTE) or t.s[at] in b"/?#<>":
            break
    return False


cdef bint in_url(const Text* t, Py_ssize_t start, Py_ssize_t at, Find* f) noexcept nogil:
    """What stands between `://` and the last `@` before the host, unless the host came before."""
    cdef Py_ssize_t host = start
    cdef Py_ssize_t end = at + 1
    cdef Py_ssize_t colon = -1
    while host < at and t.s[host] not in b"/?#":
        if t.s[host] == c":":
            colon = host
        host += 1
    if host < at and (colon < 0 or run_of(t, colon + 1, C_DIGIT) == host):
        return False
    while end < t.n and not is_class(t.s[end], C_BLANK | C_QUOTE) and t.s[end] not in b"/?#<>":
        if t.s[end] == c"@":
            at = end
        end += 1
    if t.s[start] == c":":
        # No user, and no placeholder of SQL: redis://:word@cache. What begins like a word is a password.
        return (is_class(t.s[start + 1], C_KEY) or not harmless(t, start + 1, at)) and find_from(t, start, at, f)
    return not harmless(t, start, at) and not is_git(t, start, at) and find_from(t, start, at, f)


cdef bint mailed(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    cdef Py_ssize_t start = at
    cdef Py_ssize_t end = at + 1
    cdef Py_ssize_t label = -1
    cdef Py_ssize_t least = max(t.low, at - LONGEST_KEY)
    while start > least and (is_class(t.s[start - 1], C_LETTER | C_DIGIT | C_WIDE) or t.s[start - 1] in b"._%+-"):
        start -= 1
    while end < t.n and (is_class(t.s[end], C_LETTER | C_DIGIT) or t.s[end] == c"-" or t.s[end] == c"."):
        if t.s[end] == c".":
            if end + 2 >= t.n or not is_class(t.s[end + 1], C_LETTER | C_DIGIT):
                break
            label = end + 1
        end += 1
    if start == at or label < 0 or end - label < 2 or run_of(t, label, C_LETTER) < end:
        return False
    if is_git(t, start, at) and end < t.n and t.s[end] in b":/":
        return False
    return find_from(t, start, login_end(t, end), f)


cdef Py_ssize_t login_end(const Text* t, Py_ssize_t end) noexcept nogil:
    """Where the password of `user@mail.example:password@host` ends, else `end`, where the address does."""
    cdef Py_ssize_t at
    if end < t.n and t.s[end] == c":":
        for at in range(end + 1, min(end + FAR_BACK, t.n - 1)):
            if t.s[at] == c"@":
                return at if is_class(t.s[at + 1], C_LETTER | C_DIGIT) and at > end + 1 else end
            if is_class(t.s[at], C_BLANK | C_QUOTE) or t.s[at] in b"<>,;/":
                break
    return end


cdef inline bint is_git(const Text* t, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    return end - start == 3 and stands(t, start, b"git", 3)


cdef bint next_secret(Text* t, Py_ssize_t at, Py_ssize_t stop, Find* f) noexcept nogil:
    """The first secret that shows itself from `at` on and before `stop`; it may reach further."""
    cdef uint8_t c
    cdef bint found
    while True:
        at = errsample_skip(t.s, at, stop)
        while at < stop and not TRIGGERS[t.s[at]]:
            at += 1
        if at >= stop:
            break
        c = t.s[at]
        f.start = 0
        if c == c"_" or c == c".":
            found = prefixed(t, at, f)
        elif c == c":":
            found = named(t, at, f)
        elif c == c"-":
            found = dashed(t, at, f) or prefixed(t, at, f)
        elif c == c"=":
            found = assigned(t, at, f)
        elif c == c"@":
            found = addressed(t, at, f)
        elif c == c",":
            found = paired(t, at, f)
        elif c == c">":
            found = enclosed(t, at, f)
        else:
            found = lettered(t, at, f)
        if found and not (f.end - f.start == 10 and stands(t, f.start, b"[redacted]", 10)):
            return True
        at += 1
    return stop == t.n and cut_off(t, f)


cdef bint cut_off(const Text* t, Find* f) noexcept nogil:
    """`scheme://user:passw`, where the text ends before the `@`: what follows the colon is no port."""
    cdef Py_ssize_t least = max(t.low, t.n - FAR_BACK)
    cdef Py_ssize_t at = t.n
    cdef Py_ssize_t colon = -1
    while at > least and not is_class(t.s[at - 1], C_BLANK | C_QUOTE) and t.s[at - 1] != c"@":
        at -= 1
        if t.s[at] == c":":
            if stands(t, at, b"://", 3):
                at += 3
                if colon < at or t.s[at] == c"[" or run_of(t, colon + 1, C_DIGIT) == t.n:
                    return False
                # A path or another mark after the port: host:8080/path, host:port.
                if is_class(t.s[run_of(t, colon + 1, C_DIGIT)], C_LETTER | C_DIGIT):
                    return find_from(t, at, t.n, f)
                return False
            colon = at
    return False
