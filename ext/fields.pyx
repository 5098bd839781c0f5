"""The fixed fields of spans, events and links: ids, times, counts, enums, flags.

Each is read under a guard and repaired where its type or range is not the wire's: ids become zero or are masked, times
and counts are clamped. Nothing here raises.
"""

from cpython.exc cimport PyErr_Clear, PyErr_ExceptionMatches, PyErr_Occurred
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.long cimport PyLong_Check
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.stdint cimport UINT32_MAX, UINT64_MAX, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from opentelemetry.trace import SpanKind, StatusCode

from wire cimport make_room, store_big_endian64, store_head

cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030B0000
    #include "longintrepr.h"
    #endif
    /* Reads 128 bits of an int from its digits: 40 instructions, _PyLong_AsByteArray takes 240. False where it is
       negative or wider, or its digits are not known to be of 30 bits. */
    static inline int errsample_unsigned(PyObject* number, uint64_t* high, uint64_t* low) {
    #if PYLONG_BITS_IN_DIGIT == 30 && PY_VERSION_HEX < 0x030E0000
    #if PY_VERSION_HEX >= 0x030C0000
        const digit* digits = ((PyLongObject*) number)->long_value.ob_digit;
        uintptr_t tag = ((PyLongObject*) number)->long_value.lv_tag;
        Py_ssize_t count = (Py_ssize_t) (tag >> 3);
        if ((tag & 3) == 2) return 0;
    #else
        const digit* digits = ((PyLongObject*) number)->ob_digit;
        Py_ssize_t count = Py_SIZE(number);
    #endif
        uint64_t above = 0, below = 0;
        if (count < 0 || count > 5 || (count == 5 && digits[4] > 0xFF)) return 0;
        switch (count) {
            case 5: above |= (uint64_t) digits[4] << 56; /* fall through */
            case 4: above |= (uint64_t) digits[3] << 26; /* fall through */
            case 3: above |= (uint64_t) digits[2] >> 4; below |= (uint64_t) digits[2] << 60; /* fall through */
            case 2: below |= (uint64_t) digits[1] << 30; /* fall through */
            case 1: below |= digits[0];
        }
        *high = above;
        *low = below;
        return 1;
    #else
        return 0;
    #endif
    }
    /* The 16 bytes of a trace id, most significant first; 0 where it is negative or wider. */
    static int errsample_trace_id(PyObject* number, char* out) {
        int fits;
    #if PY_VERSION_HEX >= 0x030D0000
        Py_ssize_t needed = PyLong_AsNativeBytes(
            number, out, 16, Py_ASNATIVEBYTES_BIG_ENDIAN | Py_ASNATIVEBYTES_UNSIGNED_BUFFER
            | Py_ASNATIVEBYTES_REJECT_NEGATIVE);
        fits = needed >= 0 && needed <= 16;
    #else
        fits = _PyLong_AsByteArray((PyLongObject*) number, (unsigned char*) out, 16, 0, 0) == 0;
    #endif
        if (!fits) PyErr_Clear();
        return fits;
    }
    """
    bint errsample_trace_id(object number, char* out) noexcept
    bint errsample_unsigned(object number, uint64_t* high, uint64_t* low) noexcept
    uint64_t PyLong_AsUnsignedLongLong(object number) noexcept
    uint64_t PyLong_AsUnsignedLongLongMask(object number) noexcept

cdef enum:
    TRACE_ID = 0x0A         # trace.proto Span and Link field 1
    SPAN_ID = 0x12          # Span and Link field 2
    HAS_IS_REMOTE = 0x100   # SpanFlags
    IS_REMOTE = 0x200

# By the wire's numbers: 1 to 5, and 0 to 2.
cdef tuple KIND_MEMBERS = (
    None, SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER
)
cdef tuple STATUS_MEMBERS = (StatusCode.UNSET, StatusCode.OK, StatusCode.ERROR)

cdef object INT_AND = int.__and__
cdef object TRACE_ID_MASK = (1 << 128) - 1

# An accessor of layout.pyx, called so that a failure is seen as NULL: a `try` per field would cost more than the field.
ctypedef PyObject* (*Accessor)(object) noexcept


cdef inline object peek(Encoder* e, Accessor accessor, object owner):
    """A field; None, and a repair, where reading it raises."""
    global interrupted
    cdef PyObject* owned = accessor(owner)
    if owned is NULL:
        if PyErr_ExceptionMatches(KeyboardInterrupt):
            interrupted = True
        PyErr_Clear()
        e.unread = True
        e.repaired += 1
        return None
    value = <object> owned
    Py_DECREF(value)
    return value


cdef void put_trace_id(Encoder* e, object number) noexcept:
    cdef char* p
    cdef uint64_t high, low
    if make_room(e.w, 18):
        p = store_head(e.w.start + e.w.size, TRACE_ID, 16)
        e.w.size += 18
        if not PyLong_Check(number):
            memset(p, 0, 16)
            e.repaired += 1
        elif errsample_unsigned(number, &high, &low):
            store_big_endian64(p, high)
            store_big_endian64(p + 8, low)
        elif not errsample_trace_id(number, p):
            memset(p, 0, 16)
            e.repaired += 1
            put_masked(p, number)


cdef void put_masked(char* p, object number) noexcept:
    try:
        errsample_trace_id(INT_AND(number, TRACE_ID_MASK), p)
    except BaseException:
        pass


cdef void put_span_id(Encoder* e, uint8_t tag, object number) noexcept:
    cdef uint64_t bits = 0
    cdef uint64_t high = 0
    cdef char* p
    if not PyLong_Check(number):
        e.repaired += 1
    elif not errsample_unsigned(number, &high, &bits) or high:
        bits = PyLong_AsUnsignedLongLong(number)
        if bits == UINT64_MAX and PyErr_Occurred():
            PyErr_Clear()
            e.repaired += 1
            bits = PyLong_AsUnsignedLongLongMask(number)
    if make_room(e.w, 10):
        p = store_head(e.w.start + e.w.size, tag, 8)
        store_big_endian64(p, bits)
        e.w.size += 10


cdef uint64_t clamped(Encoder* e, object number, uint64_t most) noexcept:
    """A time or count as an unsigned integer; None is 0."""
    cdef int beyond = 0
    cdef long long value
    cdef uint64_t large
    cdef uint64_t high = 0
    cdef double real
    if number is None:
        return 0
    if PyLong_Check(number):
        if errsample_unsigned(number, &high, &large) and high == 0 and large <= most:
            return large
        value = PyLong_AsLongLongAndOverflow(number, &beyond)
        if beyond == 0 and 0 <= value and <uint64_t> value <= most:
            return value
        if beyond > 0:
            large = PyLong_AsUnsignedLongLong(number)
            if large == UINT64_MAX and PyErr_Occurred():
                PyErr_Clear()
            elif large <= most:
                return large
        e.repaired += 1
        return most if beyond > 0 or value > 0 else 0
    e.repaired += 1
    if PyFloat_Check(number):
        real = PyFloat_AS_DOUBLE(number)
        if real >= <double> most:
            return most
        return <uint64_t> real if real > 0 else 0
    return 0


cdef inline uint64_t nanoseconds(Encoder* e, object time) noexcept:
    return clamped(e, time, UINT64_MAX)


cdef inline uint64_t dropped_count(Encoder* e, object number, Py_ssize_t left_out) noexcept:
    """A dropped_*_count: what the SDK dropped and what was cut here."""
    return min(clamped(e, number, UINT32_MAX) + <uint64_t> left_out, <uint64_t> UINT32_MAX)


cdef inline int member_position(Encoder* e, tuple members, object wanted) noexcept:
    """The position of an enum's member; 0 for None, and with a repair for anything else."""
    cdef int i
    for i in range(len(members)):
        if wanted is members[i]:
            return i
    if wanted is None:
        return 0
    e.repaired += 1
    return 0


cdef uint32_t flags_of(Encoder* e, object context) noexcept:
    if context is None:
        return HAS_IS_REMOTE
    answer = peek(e, <Accessor> context_is_remote, context)
    if answer is True:
        return HAS_IS_REMOTE | IS_REMOTE
    if answer is False or answer is None:
        return HAS_IS_REMOTE
    try:
        return HAS_IS_REMOTE | (IS_REMOTE if answer else 0)
    except BaseException as error:
        swallowed(None, "", error)
        e.repaired += 1
    return HAS_IS_REMOTE
