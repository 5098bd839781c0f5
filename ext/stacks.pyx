"""Stack texts: what one says is parsed once for all the messages that a place raises with.

A text is known by 128 bits over the part of it that stands above its message, and for a group over the whole of it,
since the members of a group are printed below.
"""

from cpython.unicode cimport PyUnicode_Tailmatch
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from secrets import randbits

cdef enum:
    HASH_LANES = 4          # hashed side by side: a multiplication waits for the one before it

cdef uint64_t HASH_SEED = randbits(64)
cdef uint64_t HASH_FACTOR = randbits(64) | 1


cdef struct Digest:
    uint64_t key
    uint64_t check


@cython.final
cdef class StackNote:
    """What a stack text says: relations and types, outermost first, and the frame of each."""
    cdef list blocks        # (relation, type)
    cdef list culprits      # of the first two and the last
    cdef list groups        # of these the leaves of groups as they stand in a fingerprint, None for others
    cdef bint partial
    cdef uint64_t check     # with key, length and type: the text it was parsed from
    cdef Py_ssize_t length
    cdef str type_name
    cdef Print uncoded      # its fingerprint where no code takes part, once made


cdef Py_ssize_t above_message(str text, str type_name, str message) except -2:
    """Where stacktext.above_message, which takes 1 us, would cut a text that ends as it usually does; else -1."""
    cdef Py_ssize_t end = len(text) - 1
    cdef Py_ssize_t colon = end - len(message) - 2
    cdef Py_ssize_t start = colon - len(type_name)
    if (
        message and start > 0 and text[end] == c"\n" and text[start - 1] == c"\n"
        and text[colon] == c":" and text[colon + 1] == c" "
        and PyUnicode_Tailmatch(text, message, colon + 2, end, 1)
        and PyUnicode_Tailmatch(text, type_name, start, colon, 1)
        and not type_name.startswith("__main__.")
    ):
        return start
    return -1


cdef inline uint64_t stirred(uint64_t lane, uint64_t word) noexcept nogil:
    lane ^= word
    return (lane << 29 | lane >> 35) * HASH_FACTOR


cdef Digest digest_of(const char* data, size_t size) noexcept nogil:
    """128 bits of a text, seeded per process; a stack of 2.2 kB takes `hash` 6,900 instructions, this 1,900."""
    cdef uint64_t[HASH_LANES] lanes
    cdef uint64_t[HASH_LANES] words
    cdef Digest made
    cdef int i
    for i in range(HASH_LANES):
        lanes[i] = HASH_SEED + i
    while size >= sizeof(words):
        memcpy(words, data, sizeof(words))
        for i in range(HASH_LANES):
            lanes[i] = stirred(lanes[i], words[i])
        data += sizeof(words)
        size -= sizeof(words)
    for i in range(HASH_LANES):
        words[i] = 0
    memcpy(words, data, size)
    made.key = made.check = size
    for i in range(HASH_LANES):
        lanes[i] = stirred(lanes[i], words[i])
        made.key = stirred(made.key, lanes[i])
        made.check = stirred(made.check, lanes[HASH_LANES - 1 - i])
    return made
