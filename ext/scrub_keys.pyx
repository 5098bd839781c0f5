"""Which names have secret values: `db_password`, `apiKey`, `X-Auth-Token`, and not `max_tokens` or `compass`.

A name is compared in small letters without `_` and `-`, from its last dot on. Nothing here allocates or raises.
"""

from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcmp

from otel_errsample import scrub

cdef enum:
    LONGEST_KEY = 64        # characters of a name that are looked at, from its end
    LONGEST_WORD = 24
    MOST_WORDS = 64

cdef enum:                  # what a name says of its value
    KEY_PLAIN
    KEY_WEAK
    KEY_SECRET

cdef enum:                  # classes of characters
    C_DIGIT = 2
    C_LETTER = 4
    C_KEY = 8               # of a name: letters, digits, `_`, `-`, `.`
    C_TOKEN = 16            # of base64url: letters, digits, `_`, `-`
    C_BLANK = 32            # space and control characters
    C_QUOTE = 64
    C_UPPER = 128
    C_CREDENTIAL = 256      # of the credentials of a header: token68
    C_WIDE = 512            # beyond ASCII, or a part of it
    C_ENCODED = 1024        # of credentials in a URL

cdef struct Word:
    char[LONGEST_WORD] text
    uint8_t size
    bint whole
    uint8_t says

cdef struct Words:
    Word[MOST_WORDS] items
    int count

cdef struct Name:           # as it is compared
    char[LONGEST_KEY] text
    bint[LONGEST_KEY] begins    # a word
    int size

cdef uint16_t[256] CHARACTERS
cdef uint8_t[256] TRIGGERS      # 1 where the search for secrets stops and looks closer
cdef Words KEYS
cdef Words INNER
cdef Words HARMLESS_ENDINGS
cdef Words HARMLESS_VALUES
cdef Words STATES
cdef Words REMARKS
cdef Words SCHEMES
cdef Words LONG_SCHEMES
cdef bint[1024] KEY_ENDS        # by their last two letters: nearly every other name is told by them


cdef uint16_t class_of(int c):
    cdef str letter = chr(c)
    cdef int bits = 0
    if c >= 0x80:
        return C_WIDE
    bits |= C_DIGIT * letter.isdigit()
    bits |= C_LETTER * letter.isalpha()
    bits |= C_UPPER * letter.isupper()
    bits |= C_KEY * (letter.isalnum() or letter in "_-.")
    bits |= C_TOKEN * (letter.isalnum() or letter in "_-")
    bits |= C_CREDENTIAL * (letter.isalnum() or letter in "_-.~+/=")
    bits |= C_ENCODED * (letter.isalnum() or letter in "_-.~+/=%")
    bits |= C_BLANK * (c <= 0x20 or c == 0x7F)
    bits |= C_QUOTE * (letter in "'\"`")
    return bits


cdef load_words(Words* words, rows):
    for row in rows:
        text = row.encode("ascii") if isinstance(row, str) else row.ending.encode("ascii")
        word = &words.items[words.count]
        memcpy(word.text, <const char*> text, len(text))
        word.size = len(text)
        word.whole = isinstance(row, scrub.Key) and row.whole
        word.says = KEY_WEAK if isinstance(row, scrub.Key) and row.weak else KEY_SECRET
        words.count += 1


cdef int c_code
for c_code in range(256):
    CHARACTERS[c_code] = class_of(c_code)
    TRIGGERS[c_code] = chr(c_code) in "=:@_-.,>ABDFJb"
load_words(&KEYS, scrub.KEYS)
load_words(&INNER, scrub.INNER)
load_words(&HARMLESS_ENDINGS, scrub.HARMLESS_ENDINGS)
load_words(&HARMLESS_VALUES, scrub.HARMLESS_VALUES)
load_words(&STATES, scrub.STATES)
load_words(&REMARKS, scrub.REMARKS)
load_words(&SCHEMES, scrub.SCHEMES)
load_words(&LONG_SCHEMES, scrub.LONG_SCHEMES)
for c_code in range(KEYS.count):
    KEY_ENDS[last_two(<const uint8_t*> KEYS.items[c_code].text, KEYS.items[c_code].size)] = True


cdef inline bint is_class(uint8_t c, int bits) noexcept nogil:
    return CHARACTERS[c] & bits != 0


cdef inline uint8_t lower(uint8_t c) noexcept nogil:
    return c | 0x20 if CHARACTERS[c] & C_UPPER else c


cdef inline int last_two(const uint8_t* s, Py_ssize_t end) noexcept nogil:
    return (s[end - 2] & 31) << 5 | s[end - 1] & 31


cdef void read_name(const uint8_t* s, Py_ssize_t start, Py_ssize_t end, Name* name) noexcept nogil:
    """The last part of a dotted name, as it is compared: `X-Api-Key2` is `apikey` with a word at `k`."""
    cdef Py_ssize_t i
    cdef bint begins = True
    cdef uint8_t c
    name.size = 0
    i = end
    while i > start and end - i < LONGEST_KEY and s[i - 1] != c".":
        i -= 1
    while i < end:
        c = s[i]
        if c == c"_" or c == c"-":
            begins = True
        else:
            begins |= is_class(c, C_UPPER) and i > start and not is_class(s[i - 1], C_UPPER)
            name.text[name.size] = <char> lower(c)
            name.begins[name.size] = begins
            name.size += 1
            begins = False
        i += 1


cdef Word* ending_in(const Name* name, Words* words) noexcept nogil:
    cdef int i
    cdef int at
    for i in range(words.count):
        at = name.size - words.items[i].size
        if (
            at >= 0 and words.items[i].text[0] == name.text[at]
            and memcmp(words.items[i].text, name.text + at, words.items[i].size) == 0
            and (name.begins[at] or not words.items[i].whole)
        ):
            return &words.items[i]
    return NULL


cdef bint holding(const Name* name, Words* words) noexcept nogil:
    cdef int i, at
    for i in range(words.count):
        for at in range(name.size - words.items[i].size + 1):
            if (
                words.items[i].text[0] == name.text[at]
                and memcmp(words.items[i].text, name.text + at, words.items[i].size) == 0
            ):
                return True
    return False


cdef int key_says(const uint8_t* s, Py_ssize_t start, Py_ssize_t end, bint anywhere) noexcept nogil:
    """What the name s[start:end] says of its value; `anywhere`: a part of it counts, as in `password_confirmation`."""
    cdef Name name
    cdef Word* word
    cdef bint ending
    while end > start and is_class(s[end - 1], C_DIGIT):
        end -= 1            # password2
    if end - start < 2:
        return KEY_PLAIN
    ending = KEY_ENDS[last_two(s, end)]
    if not ending and not anywhere:
        return KEY_PLAIN
    read_name(s, start, end, &name)
    word = ending_in(&name, &KEYS) if ending else NULL
    if word is not NULL:
        return word.says
    if anywhere and holding(&name, &INNER) and ending_in(&name, &HARMLESS_ENDINGS) is NULL:
        return KEY_SECRET
    return KEY_PLAIN


cdef bint is_one_of(const uint8_t* s, Py_ssize_t start, Py_ssize_t end, const Words* words) noexcept nogil:
    """Whether s[start:end] is one of the words, in letters of any case."""
    cdef int i
    cdef Py_ssize_t k
    for i in range(words.count):
        if words.items[i].size == end - start:
            k = 0
            while k < end - start and lower(s[start + k]) == <uint8_t> words.items[i].text[k]:
                k += 1
            if k == end - start:
                return True
    return False


def secret_name(str name):
    """What a name says of its value: "plain", "weak" (secret unless it is a word of a sentence) or "secret"."""
    cdef bytes data = name.encode("utf-8", "replace")
    return ("plain", "weak", "secret")[key_says(<const uint8_t*> <const char*> data, 0, len(data), True)]
