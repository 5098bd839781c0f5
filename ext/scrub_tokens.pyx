"""Secrets that are known by their shape: tokens of providers, JWTs, private keys, options of commands."""

from libc.stdint cimport uint8_t
from libc.string cimport memcpy

cdef enum:
    MOST_PREFIXES = 64

cdef struct TokenPrefix:
    char[16] text
    uint8_t size
    uint8_t least
    bint sure

cdef TokenPrefix[MOST_PREFIXES] PREFIXES
cdef int prefix_count = 0
cdef bint[1024] PREFIX_ENDS     # by the hash of their last three characters


cdef load_prefixes():
    global prefix_count
    for row in scrub.PREFIXES:
        data = row.text.encode("ascii")
        prefix = &PREFIXES[prefix_count]
        memcpy(prefix.text, <const char*> data, len(data))
        prefix.size, prefix.least, prefix.sure = len(data), row.least, row.sure
        PREFIX_ENDS[ends_hash(<const uint8_t*> prefix.text + prefix.size - 3)] = True
        prefix_count += 1


cdef inline int ends_hash(const uint8_t* last) noexcept nogil:
    return (last[0] * 29 + last[1] * 5 + last[2]) & 1023


load_prefixes()


cdef bint prefixed(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """A provider's token, by its beginning, which ends at `at`."""
    cdef Py_ssize_t after = at + 1
    cdef Py_ssize_t start, end
    cdef TokenPrefix* prefix
    cdef int i, bits
    if at < t.low + 2 or not PREFIX_ENDS[ends_hash(t.s + at - 2)]:
        return False
    for i in range(prefix_count):
        prefix = &PREFIXES[i]
        start = after - prefix.size
        if t.s[at] != <uint8_t> prefix.text[prefix.size - 1] or t.s[at - 1] != <uint8_t> prefix.text[prefix.size - 2]:
            continue
        if not stands(t, start, prefix.text, prefix.size) or not at_word(t, start):
            continue
        bits = C_CREDENTIAL if t.s[at] == c"." else C_TOKEN if prefix.sure else C_LETTER | C_DIGIT
        # No more than is judged: a text of nothing but prefixes would be read to its end at each of them.
        end = run_within(t, after, min(t.n, after + JUDGED), bits)
        if end - after < prefix.least and not (prefix.sure and end == t.n and end > after):
            continue
        if prefix.sure or made_up(t, after, end, C_CREDENTIAL):
            return find_from(t, start, run_of(t, run_of(t, end, bits), C_TOKEN), f)
    return False


cdef bint dashed(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """A private key in PEM, and options of a command: `--password x`, `'-u', 'user:x'`."""
    cdef Py_ssize_t start = at + 1
    cdef Py_ssize_t end
    if at > t.low and t.s[at - 1] == c"-":
        return False
    if stands(t, at, b"-----BEGIN ", 11):
        end = label_mark(t, at + 11, b"PRIVATE KEY", 11)
        if end < 0:
            return False
        start = end + 11
        return find_from(t, start, pem_end(t, start), f)
    if stands(t, at, b"-----END ", 9) and label_mark(t, at + 9, b"PRIVATE KEY", 11) >= 0:
        return not stands_before(t, at, b"[redacted]", 10) and find_from(t, t.low, at, f)   # its beginning was cut off
    if at > t.low and not is_class(t.s[at - 1], C_BLANK | C_QUOTE):
        return False
    start += stands(t, start, b"-", 1)
    end = run_of(t, start, C_TOKEN)
    if end >= t.n or t.s[end] == c"=":
        return False
    if key_says(t.s, start, end, True) != KEY_PLAIN:
        if is_class(t.s[end], C_QUOTE):
            end += 1
            end += end < t.n and t.s[end] == c","
        start = end + 1
        return (
            end < t.n and t.s[end] == c" " and not is_one_of(t.s, start, run_of(t, start, C_KEY), &REMARKS)
            and secret_value(t, start, ASSIGNED, f)
        )
    if stands(t, at, b"-u", 2) or stands(t, at, b"--user", 6):
        while end < t.n and (is_class(t.s[end], C_QUOTE) or t.s[end] == c"," or t.s[end] == c" "):
            end += 1
        start = end
        while end < t.n and end - start < JUDGED and not is_class(t.s[end], C_BLANK | C_QUOTE):
            if t.s[end] == c":":
                return secret_value(t, end + 1, ASSIGNED, f)
            end += 1
    return False


cdef Py_ssize_t label_mark(const Text* t, Py_ssize_t at, const char* word, Py_ssize_t size) noexcept nogil:
    """Where a word stands in the label of a PEM block, which is capitals and blanks; -1 where it does not."""
    cdef Py_ssize_t i
    for i in range(at, min(at + 32, t.n)):
        if stands(t, i, word, size):
            return i
        if not (c"A" <= t.s[i] <= c"Z" or t.s[i] == c" "):
            break       # what stands between is not passed over
    return -1


cdef Py_ssize_t pem_end(const Text* t, Py_ssize_t at) noexcept nogil:
    while at < t.n:
        if t.s[at] == c"-" and stands(t, at, b"-----END", 8):
            return at
        at += 1
    return t.n


cdef bint lettered(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """What is known by letters: AWS and Google keys, JWTs, Bearer and Basic, SQL's accounts, messages of databases."""
    cdef uint8_t c = t.s[at]
    cdef Py_ssize_t end
    if c == c"J":
        if not stands_before(t, at, b"ey", 2) or not at_word(t, at - 2):
            return False
        end = run_of(t, at, C_TOKEN)
        if end - at < 18 and end < t.n and t.s[end] != c".":
            return False
        while end + 1 < t.n and t.s[end] == c"." and is_class(t.s[end + 1], C_TOKEN):
            end = run_of(t, end + 1, C_TOKEN)
        return end - at >= 6 and find_from(t, at - 2, end, f)
    if c == c"D" and stands_before(t, at, b" PASSWOR", 8):
        return account_value(t, at + 1, f)
    if at + 1 >= t.n or not at_word(t, at):
        return False
    if c == c"b" and t.s[at + 1] != c"e" and t.s[at + 1] != c"a":
        return False
    if c == c"A":
        if stands(t, at, b"AKIA", 4) or stands(t, at, b"ASIA", 4):
            end = at + 4
            while end < t.n and is_class(t.s[end], C_UPPER | C_DIGIT):
                end += 1
            return (end - at >= 16 or end == t.n and end > at + 4) and find_from(t, at, end, f)
        if stands(t, at, b"AIza", 4):
            end = run_of(t, at, C_TOKEN)
            return (end - at >= 24 or end == t.n and end > at + 4) and find_from(t, at, end, f)
    elif c == c"B" or c == c"b":
        if stands(t, at + 1, b"earer ", 6):
            end = at + 7
        elif stands(t, at + 1, b"asic ", 5):
            end = at + 6
        else:       # in capitals, since prose has the words too
            return stands_before(t, at, b"IDENTIFIED ", 11) and stands(t, at, b"BY", 2) and account_value(t, at + 2, f)
        at = end
        end = run_of(t, at, C_CREDENTIAL)
        if end - at < 6:
            return False
        if not made_up(t, at, end, C_CREDENTIAL) and (t.s[end - 1] != c"=" or stands(t, end, b"[redacted]", 10)):
            return False        # nor is `Basic password=[redacted]` a padded one
        return find_from(t, at, end, f)
    elif c == c"D":
        if stands(t, at, b"Duplicate entry ", 16):
            at += 17 + backslashes(t, at + 16)
            return at < t.n and find_from(t, at, duplicate_end(t, at), f)
    elif stands(t, at, b"Failing row contains (", 22):
        return find_from(t, at + 22, row_end(t, at + 22), f)
    return False


cdef bint account_value(const Text* t, Py_ssize_t at, Find* f) noexcept nogil:
    """What SQL gives to an account behind `WITH PASSWORD` or `IDENTIFIED BY`, in quotes."""
    return (
        at + 1 < t.n and t.s[at] == c" " and (is_class(t.s[at + 1], C_QUOTE) or t.s[at + 1] == c"\\")
        and secret_value(t, at, ASSIGNED, f)
    )


cdef Py_ssize_t duplicate_end(const Text* t, Py_ssize_t at) noexcept nogil:
    while at < t.n:
        if t.s[at] == c"'" and stands(t, at, b"' for key", 9):
            break
        at += 1
    while at > t.low and t.s[at - 1] == c"\\":
        at -= 1
    return at


cdef Py_ssize_t row_end(const Text* t, Py_ssize_t at) noexcept nogil:
    """The `)` that closes a row, whose values may hold line breaks: followed by a full stop and the line's end."""
    while at < t.n:
        if t.s[at] == c")" and stands(t, at, b").", 2) and (at + 2 == t.n or t.s[at + 2] == c"\n"):
            return at
        at += 1
    return t.n
