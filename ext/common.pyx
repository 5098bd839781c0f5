"""A stack text that errors in the buffer have in common: it is kept once, however many of them wait.

The stack above the message is two thirds of an error, and a storm repeats a few of them. From the second error of a
place on a record leaves it out, and the request has it again: 3.7 kB of the budget become 1.3, and the text is neither
written to memory that is cold nor read from there, 0.3 of the 5.4 us that an error takes over gRPC.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint32_t, uint64_t

from wire cimport Gap

cdef enum:
    LEAST_COMMON = 256      # bytes that are worth a gap, which takes 16
    COMMON_OVERHEAD = 96    # of a CommonText and its bytes, about
    UNPLACED = 0xFFFFFFFF   # Gap.at before the text is written


@cython.final
cdef class CommonText:
    """UTF-8, and how many records leave it out. Dropping it runs no code."""
    cdef bytes text
    cdef uint64_t records
    cdef uint64_t generation    # of the buffer that counts them: what a forked child inherits is not its own


cdef inline void open_gap(Gap* gap, CommonText common) noexcept:
    """For a text that is about to be written, instead of the gap that was there."""
    close_gap(gap)
    Py_INCREF(common)
    gap.common = <PyObject*> common
    gap.at = UNPLACED
    gap.size = <uint32_t> PyBytes_GET_SIZE(common.text)


cdef inline bint is_unplaced(const Gap* gap) noexcept:
    return gap.common != NULL and gap.at == UNPLACED


cdef inline void place_gap(Gap* gap, size_t end, size_t size) noexcept:
    """The text is written, up to `end`; cut where there was no memory to shorten it otherwise."""
    gap.at = <uint32_t> (end - size)
    if size < gap.size:
        close_gap(gap)


cdef inline void close_gap(Gap* gap) noexcept:
    Py_XDECREF(gap.common)
    gap.common = NULL


cdef inline size_t claim(Gap* gap, uint64_t generation) noexcept:
    """One record more leaves the text out; the bytes that the budget is charged for the text itself."""
    cdef CommonText common = <CommonText> gap.common
    if common.generation != generation:
        common.generation = generation
        common.records = 0
    common.records += 1
    return gap.size + COMMON_OVERHEAD if common.records == 1 else 0


cdef inline size_t give_up_claim(Gap* gap) noexcept:
    """One record less; the bytes that the budget has again."""
    cdef CommonText common = <CommonText> gap.common
    common.records -= 1
    return gap.size + COMMON_OVERHEAD if common.records == 0 else 0


cdef inline const char* text_of_gap(const Gap* gap) noexcept:
    return PyBytes_AS_STRING((<CommonText> gap.common).text)
