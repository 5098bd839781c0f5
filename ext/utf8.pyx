"""Strings as UTF-8, written from the characters themselves.

`PyUnicode_AsUTF8` would leave a copy of the text on the user's string for as long as that lives. A string is
measured first, whole or up to a limit of bytes, and stored later, so that one that does not fit is never copied. Cuts
fall between characters; a lone surrogate becomes U+FFFD.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_GET_SIZE
from cpython.long cimport PyLong_Check
from cpython.unicode cimport PyUnicode_Check, PyUnicode_DATA, PyUnicode_DecodeUTF8
from cpython.unicode cimport PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_Substring
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from wire cimport Writer, make_room, store_head

cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030C0000
    /* Before 3.12 a string of the old wchar_t interface has no data until it is made ready. */
    #define errsample_ready(text) (PyUnicode_READY(text) == 0 || (PyErr_Clear(), 0))
    #else
    #define errsample_ready(text) 1
    #endif
    """
    bint errsample_ready(object text)
    bint PyUnicode_IS_ASCII(object text)
    Py_UCS4 PyUnicode_READ(int kind, const void* data, Py_ssize_t index) nogil

ctypedef fused CodeUnit:
    uint8_t
    uint16_t
    uint32_t

cdef enum:
    LONGEST_INT = 4096      # bits of the widest int written as text
    LONGEST_BYTES = 65536   # of bytes decoded where text belongs
    LONGEST_NAME = 128      # characters of a module's or class's name in a placeholder
    LONGEST_MARKER = 64     # bytes of the line that stands for the middle of a stack trace

cdef size_t NO_LIMIT = <size_t> -1

# The getters of `type` itself: a metaclass's own `__getattribute__` is not asked.
cdef object MODULE_OF = type.__dict__["__module__"].__get__
cdef object NAME_OF = type.__dict__["__name__"].__get__


cdef struct Utf8:
    const void* data
    Py_ssize_t units        # code units to write
    int kind                # 0: bytes as they are; else PyUnicode_KIND
    size_t size             # bytes on the wire


cdef inline size_t utf8_size(const CodeUnit* data, Py_ssize_t units) noexcept nogil:
    cdef size_t size = units
    cdef Py_ssize_t i
    cdef uint32_t c
    for i in range(units):
        c = data[i]
        size += (c >= 0x80) + (c >= 0x800) + (c >= 0x10000)
    return size


cdef inline char* store_utf8(char* p, const CodeUnit* data, Py_ssize_t units, bint* lone) noexcept nogil:
    cdef Py_ssize_t i
    cdef uint32_t c
    for i in range(units):
        c = data[i]
        if c < 0x80:
            p[0] = <char> c
            p += 1
            continue
        if c < 0x800:
            p[0] = <char> (0xC0 | c >> 6)
            p[1] = <char> (0x80 | c & 0x3F)
            p += 2
            continue
        if c < 0x10000:
            if 0xD800 <= c < 0xE000:
                lone[0] = True
                c = 0xFFFD      # three bytes as the surrogate would take, so sizes need not know
            p[0] = <char> (0xE0 | c >> 12)
            p += 1
        else:
            p[0] = <char> (0xF0 | c >> 18)
            p[1] = <char> (0x80 | c >> 12 & 0x3F)
            p += 2
        p[0] = <char> (0x80 | c >> 6 & 0x3F)
        p[1] = <char> (0x80 | c & 0x3F)
        p += 2
    return p


cdef inline Py_ssize_t text_length(object text) noexcept:
    """Of a str, by its base type; 0 where there is no memory to make it ready, and then nothing of it is written."""
    return PyUnicode_GET_LENGTH(text) if errsample_ready(text) else 0


cdef size_t sizeof_units(const Utf8* t) noexcept nogil:
    if t.kind == 1:
        return utf8_size(<const uint8_t*> t.data, t.units)
    if t.kind == 2:
        return utf8_size(<const uint16_t*> t.data, t.units)
    return utf8_size(<const uint32_t*> t.data, t.units)


cdef inline size_t one_size(Py_UCS4 c) noexcept nogil:
    return 1 + (c >= 0x80) + (c >= 0x800) + (c >= 0x10000)


cdef void measure_wide(Utf8* t, size_t limit, size_t left) noexcept nogil:
    """Size of a string beyond ASCII, or of as many of its characters as fit into `limit` bytes."""
    cdef Py_ssize_t fitting = 0
    cdef size_t size = 0
    if limit == NO_LIMIT:
        # A character takes a byte at least: what cannot fit is not even counted.
        t.size = t.units if <size_t> t.units > left else sizeof_units(t)
        return
    if <size_t> t.units <= limit:
        t.size = sizeof_units(t)
        if t.size <= limit:
            return
    while fitting < t.units:
        size += one_size(PyUnicode_READ(t.kind, t.data, fitting))
        if size > limit:
            size -= one_size(PyUnicode_READ(t.kind, t.data, fitting))
            break
        fitting += 1
    t.units = fitting
    t.size = size


cdef inline void measure(Writer* w, object text, size_t limit, Utf8* t) noexcept:
    """What of a str, by its base type, is to be written within `limit` bytes."""
    t.data = b""
    t.units = 0
    t.kind = 0
    t.size = 0
    if errsample_ready(text):
        t.data = PyUnicode_DATA(text)
        t.units = PyUnicode_GET_LENGTH(text)
        if PyUnicode_IS_ASCII(text):
            t.size = min(<size_t> t.units, limit)
            t.units = t.size
        else:
            t.kind = PyUnicode_KIND(text)
            measure_wide(t, limit, w.cap - w.size)


cdef inline char* store_text(char* p, const Utf8* t, uint32_t* repaired) noexcept nogil:
    cdef bint lone = False
    if t.kind == 0:
        memcpy(p, t.data, t.size)
        return p + t.size
    if t.kind == 1:
        return store_utf8(p, <const uint8_t*> t.data, t.units, &lone)
    if t.kind == 2:
        p = store_utf8(p, <const uint16_t*> t.data, t.units, &lone)
    else:
        p = store_utf8(p, <const uint32_t*> t.data, t.units, &lone)
    repaired[0] += lone
    return p


cdef void put_text(Writer* w, uint8_t tag, object text, size_t limit, uint32_t* repaired) noexcept:
    """A string field; None and the empty string are the default and not written."""
    cdef Utf8 t
    cdef char* p
    if text is None:
        return
    if not PyUnicode_Check(text):
        text = text_of(text, repaired)
    measure(w, text, limit, &t)
    if t.size and make_room(w, 11 + t.size):
        p = store_head(w.start + w.size, tag, t.size)
        w.size = store_text(p, &t, repaired) - w.start


cdef object decimal(object number):
    """The decimal text of an int by its base type; None where it is too long to be worth it."""
    if int.bit_length(number) > LONGEST_INT:
        return None
    return int.__repr__(number)


cdef object type_label(object value):
    """`<module.Class>`, the placeholder for what cannot be written, without calling code of that class."""
    try:
        cls = type(value)
        module, name = MODULE_OF(cls), NAME_OF(cls)
        if type(module) is not str:
            module = "?"
        return f"<{module[:LONGEST_NAME]}.{name[:LONGEST_NAME]}>"
    except BaseException:
        pass
    return "<?>"


cdef object text_of(object value, uint32_t* repaired):
    """A str for a key, name or description that is none."""
    repaired[0] += 1
    try:
        if PyBytes_Check(value):
            return PyUnicode_DecodeUTF8(
                PyBytes_AS_STRING(value), min(PyBytes_GET_SIZE(value), LONGEST_BYTES), "replace"
            )
        if PyLong_Check(value):
            return decimal(value) or type_label(value)
    except BaseException:
        pass
    return type_label(value)


cdef object without_middle(Writer* w, object text, size_t limit):
    """A stack trace within `limit` bytes: where it began, and above all where it ended."""
    cdef Utf8 t
    cdef size_t budget = limit - LONGEST_MARKER
    cdef size_t size = 0
    cdef Py_ssize_t head, tail
    tail = text_length(text)
    if <size_t> tail <= limit:      # no character takes less than a byte, so a longer text need not be measured
        measure(w, text, NO_LIMIT, &t)
        if t.size <= limit:
            return text
    measure(w, text, budget // 4, &t)
    head = t.units
    while True:
        size += one_size(PyUnicode_READ(PyUnicode_KIND(text), t.data, tail - 1))
        if size > budget - budget // 4:
            break
        tail -= 1
    try:
        return (
            f"{PyUnicode_Substring(text, 0, head)}\n... {tail - head} characters left out ...\n"
            f"{PyUnicode_Substring(text, tail, PyUnicode_GET_LENGTH(text))}"
        )
    except BaseException:
        pass
    return text
