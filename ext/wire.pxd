"""Inline protobuf writers over a growable scratch buffer.

Every writer asks for room before it copies, so that a value beyond the cap costs a comparison, whatever its size.
The `store_*` functions write at a pointer for which room was made and return the pointer behind what they wrote.
"""

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memmove


cdef struct Gap:
    PyObject* common    # the CommonText that stands there and need not be stored with each span; owned; NULL: none does
    uint32_t at         # bytes before it
    uint32_t size


cdef struct Writer:
    char* start
    size_t size         # bytes written
    size_t room         # bytes that may be written before it must grow; never above cap
    size_t cap          # hard limit of size
    bint overflow       # something did not fit: the bytes written are not a message
    Gap gap


cdef inline bint grow(Writer* w, size_t more) noexcept nogil:
    cdef size_t room = 2 * w.room
    cdef char* start
    if more <= w.cap - w.size:
        room = min(max(room, w.size + more), w.cap)
        start = <char*> realloc(w.start, room)
        if start is not NULL:
            w.start = start
            w.room = room
            return True
    w.overflow = True
    return False


cdef inline bint make_room(Writer* w, size_t more) noexcept nogil:
    """True if `more` bytes may be written now; otherwise the writer is marked as overflown."""
    return True if more <= w.room - w.size else grow(w, more)


cdef inline size_t varint_size(uint64_t value) noexcept nogil:
    cdef size_t size = 1
    while value >= 0x80:
        value >>= 7
        size += 1
    return size


cdef inline char* store_varint(char* p, uint64_t value) noexcept nogil:
    while value >= 0x80:
        p[0] = <char> (value & 0x7F | 0x80)
        value >>= 7
        p += 1
    p[0] = <char> value
    return p + 1


cdef inline char* store_head(char* p, uint8_t tag, uint64_t length) noexcept nogil:
    """Tag and length of a string, of bytes or of a message."""
    p[0] = <char> tag
    return store_varint(p + 1, length)


cdef inline char* store_fixed32(char* p, uint32_t value) noexcept nogil:
    # Byte by byte is right on any byte order; the compiler makes one store of it.
    p[0] = <char> (value & 0xFF)
    p[1] = <char> (value >> 8 & 0xFF)
    p[2] = <char> (value >> 16 & 0xFF)
    p[3] = <char> (value >> 24)
    return p + 4


cdef inline char* store_fixed64(char* p, uint64_t value) noexcept nogil:
    store_fixed32(p, <uint32_t> value)
    return store_fixed32(p + 4, <uint32_t> (value >> 32))


cdef inline char* store_big_endian64(char* p, uint64_t value) noexcept nogil:
    """An id's byte order on the wire."""
    cdef int shift = 56
    while shift >= 0:
        p[0] = <char> (value >> shift & 0xFF)
        p += 1
        shift -= 8
    return p


cdef inline void put_varint(Writer* w, uint8_t tag, uint64_t value) noexcept nogil:
    """A varint field; zero is the default and not written."""
    cdef char* p
    if value and make_room(w, 11):
        p = w.start + w.size
        p[0] = <char> tag
        w.size = store_varint(p + 1, value) - w.start


cdef inline void put_fixed64(Writer* w, uint8_t tag, uint64_t value) noexcept nogil:
    """A fixed64 field; zero is the default and not written."""
    cdef char* p
    if value and make_room(w, 9):
        p = w.start + w.size
        p[0] = <char> tag
        w.size = store_fixed64(p + 1, value) - w.start


cdef inline void put_fixed32(Writer* w, uint8_t tag, uint32_t value) noexcept nogil:
    """A fixed32 field, for flags that are never zero."""
    cdef char* p
    if make_room(w, 5):
        p = w.start + w.size
        p[0] = <char> tag
        w.size = store_fixed32(p + 1, value) - w.start


cdef inline size_t open_message(Writer* w, uint8_t tag, size_t width) noexcept nogil:
    """Begin a nested message whose length will probably take `width` bytes; returns where its content starts."""
    if make_room(w, 1 + width):
        w.start[w.size] = <char> tag
        w.size += 1 + width
    return w.size


cdef inline void close_message(Writer* w, size_t content, size_t width) noexcept nogil:
    """Write the length, and move the content where the guessed width was wrong."""
    cdef size_t length, needed
    if w.overflow:
        return
    length = w.size - content
    needed = varint_size(length)
    if needed != width:
        if needed > width and not make_room(w, needed - width):
            return
        memmove(w.start + content - width + needed, w.start + content, length)
        w.size = w.size - width + needed
        if w.gap.common != NULL and w.gap.at >= content:
            w.gap.at += <uint32_t> (needed - width)
    store_varint(w.start + content - width, length)
