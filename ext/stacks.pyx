"""Stack texts: what one says is parsed once for all the messages that a place raises with.

A text is known by 128 bits over the part of it that stands above its message, and for a group over the whole of it,
since the members of a group are printed below. The last few are known by that part itself, and by its secrets too.
"""

cimport cython
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND, PyUnicode_Tailmatch
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy, memset

from secrets import randbits

cdef extern from *:
    """
    /* Both halves of a product of 128 bits, one upon the other. */
    static inline uint64_t errsample_folded(uint64_t a, uint64_t b) {
    #if defined(__SIZEOF_INT128__)
        unsigned __int128 product = (unsigned __int128) a * b;
        return (uint64_t) product ^ (uint64_t) (product >> 64);
    #else
        uint64_t low = (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF);
        uint64_t first = (a >> 32) * (b & 0xFFFFFFFF) + (low >> 32);
        uint64_t second = (a & 0xFFFFFFFF) * (b >> 32) + (first & 0xFFFFFFFF);
        uint64_t high = (a >> 32) * (b >> 32) + (first >> 32) + (second >> 32);
        return high ^ (second << 32 | (low & 0xFFFFFFFF));
    #endif
    }
    """
    uint64_t errsample_folded(uint64_t a, uint64_t b) noexcept nogil

cdef enum:
    COMPARED = 4096         # characters at either end of a message, which may have 50 million of them
    LONGEST_SEARCHED = 1 << 20  # characters of a text in which the message is looked for
    HASH_LANES = 4          # hashed side by side: a multiplication waits for the one before it
    HASH_BLOCK = 64         # bytes that all lanes take together
    STACKS_KNOWN = 64
    STACK_WAYS = 4          # places that one may take: with two of them 2 of 16 stacks kept putting out each other
    LONGEST_KNOWN = 8192        # characters of a stack that is known by its text

cdef uint64_t[HASH_LANES] HASH_SECRETS
HASH_SECRETS[:] = [randbits(64) for _ in range(HASH_LANES)]


cdef struct Digest:
    uint64_t key
    uint64_t check


@cython.final
cdef class StackNote:
    """What a stack text says: relations and types, outermost first, and the frame of each."""
    cdef list blocks        # (relation, type, "module:function" of the frame that handled it)
    cdef list culprits      # of the first two and the last
    cdef list groups        # of these the leaves of groups as they stand in a fingerprint, None for others
    cdef Py_ssize_t group_size      # of the outermost exception
    cdef tuple group_types
    cdef tuple members      # their types, in the order of the text
    cdef str stack_hash
    cdef bint partial
    cdef uint64_t check     # with key, length and type: the text it was parsed from
    cdef Py_ssize_t length
    cdef str type_name
    cdef ClassInfo info     # of the outermost exception, where its class was found
    cdef Print uncoded      # its fingerprint where no code takes part, once made


@cython.final
cdef class KnownStack:
    """A stack text up to its last message, which is the same for every error of a place."""
    cdef uint64_t slot
    cdef str text               # with what else stands there, up to a bound
    cdef Py_ssize_t above       # characters above the message
    cdef StackNote note         # what it says; None where nobody has asked
    cdef Py_ssize_t clean       # characters without secrets, up to and with the `Type: ` of the message; 0: not known
    cdef CommonText common      # that many, once a second error came from there


cdef uint64_t SPREAD = 2654435761       # as a literal Cython would make a Python object of it


cdef inline uint64_t word_at(const char* data) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, data, sizeof(word))
    return word


cdef inline uint64_t sampled(object text, Py_ssize_t length) noexcept:
    """A text by samples of it, and its end, where the places of one function differ.

    One place is reached on several ways, too, whose stacks should not share a slot.
    """
    cdef const char* data = <const char*> PyUnicode_DATA(text)
    cdef Py_ssize_t size = length * PyUnicode_KIND(text)
    cdef uint64_t total = size
    cdef Py_ssize_t step = max(size // 16, 8)
    cdef Py_ssize_t at = 0
    while at + 8 <= size:
        total = total * SPREAD + word_at(data + at)
        at += step
    at = max(size - 128, 0)
    while at + 8 <= size:
        total = total * SPREAD + word_at(data + at)
        at += 8
    return errsample_folded(total, HASH_SECRETS[0] | 1)


cdef inline object beginning_of(object text, Py_ssize_t above):
    """What is kept of a text that is known: its message may have 50 million characters."""
    return PyUnicode_Substring(text, 0, above + COMPARED)


cdef inline bint begins_alike(object text, object other, Py_ssize_t length) noexcept:
    """Whether two texts have the same beginning; False for texts of different widths."""
    cdef int kind = PyUnicode_KIND(text)
    return (
        PyUnicode_KIND(other) == kind and PyUnicode_GET_LENGTH(text) >= length <= PyUnicode_GET_LENGTH(other)
        and memcmp(PyUnicode_DATA(text), PyUnicode_DATA(other), length * kind) == 0
    )


cdef KnownStack known_as(list known, uint64_t slot, object text):
    """The stack that a text begins as; None where it is not among the known."""
    cdef KnownStack stack
    cdef int way
    for way in range(STACK_WAYS):
        stack = known[(slot >> 16 * way) % STACKS_KNOWN]
        if stack is not None and stack.slot == slot and begins_alike(text, stack.text, max(stack.above, stack.clean)):
            return stack
    return None


cdef inline void keep_known(list known, KnownStack stack, uint64_t slot) noexcept:
    """Put it where no other one is, or else in the last of its places."""
    cdef int way = 0
    while way < STACK_WAYS - 1 and known[(slot >> 16 * way) % STACKS_KNOWN] is not None:
        way += 1
    stack.slot = slot
    known[(slot >> 16 * way) % STACKS_KNOWN] = stack


cdef CommonText common_of(KnownStack stack):
    """What a text that begins as this stack may leave out in the buffer; None where that is short, or no UTF-8."""
    cdef CommonText made
    if stack.common is None and stack.clean >= LEAST_COMMON:
        try:
            made = CommonText.__new__(CommonText)
            made.text = PyUnicode_Substring(stack.text, 0, stack.clean).encode()
            stack.common = made
        except BaseException:
            pass        # a lone surrogate, or no memory: the text is stored whole
    return stack.common


cdef bint ends_as(str text, str message, Py_ssize_t start, Py_ssize_t end) except -1:
    """Whether a message stands there; of a long one its beginning and its end are compared."""
    if len(message) <= 2 * COMPARED:
        return PyUnicode_Tailmatch(text, message, start, end, 1)
    return (
        PyUnicode_Tailmatch(text, message[:COMPARED], start, start + COMPARED, 1)
        and PyUnicode_Tailmatch(text, message[len(message) - COMPARED:], start, end, 1)
    )


cdef Py_ssize_t above_message(str text, str type_name, str message) except -2:
    """Where stacktext.above_message, which takes 1 us, would cut a text that ends as it usually does; else -1."""
    cdef Py_ssize_t end = len(text) - 1
    cdef Py_ssize_t colon = end - len(message) - 2
    cdef Py_ssize_t start = colon - len(type_name)
    if (
        message and start > 0 and text[end] == c"\n" and text[start - 1] == c"\n"
        and text[colon] == c":" and text[colon + 1] == c" "
        and ends_as(text, message, colon + 2, end)
        and PyUnicode_Tailmatch(text, type_name, start, colon, 1)
        and not (type_name[0] == c"_" and type_name.startswith("__main__."))
    ):
        return start
    return -1


cdef inline void absorb(uint64_t* lanes, const char* data) noexcept nogil:
    """Stir 64 bytes into the lanes."""
    cdef int i
    for i in range(HASH_LANES):
        lanes[i] = errsample_folded(word_at(data + 16 * i) ^ HASH_SECRETS[i], word_at(data + 16 * i + 8) ^ lanes[i])


cdef Digest digest_of(const char* data, size_t size) noexcept nogil:
    """128 bits of a text, seeded per process; a stack of 2.2 kB takes `hash` 6,900 instructions, this 1,000."""
    cdef uint64_t[HASH_LANES] lanes
    cdef char[HASH_BLOCK] last
    cdef Digest made
    cdef int i
    made.key = made.check = size
    for i in range(HASH_LANES):
        lanes[i] = HASH_SECRETS[i]
    while size >= HASH_BLOCK:
        absorb(lanes, data)
        data += HASH_BLOCK
        size -= HASH_BLOCK
    memset(last, 0, HASH_BLOCK)
    memcpy(last, data, size)
    absorb(lanes, last)
    for i in range(HASH_LANES):
        made.key = errsample_folded(made.key ^ HASH_SECRETS[i], lanes[i])
        made.check = errsample_folded(made.check ^ lanes[HASH_LANES - 1 - i], HASH_SECRETS[i])
    return made
