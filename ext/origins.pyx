"""Which span an exception passed first, so that the spans around it point there instead of repeating everything.

A span that an exception leaves notes the exception's address under the id of its parent, the span it comes to next. The
address alone would not do, since that of a dead exception is used again: class and raise point have to agree too. What
is left to be mistaken is a second exception from the very same instruction, in the span around the first one's. The
exception itself is neither changed nor kept, and in another trace nothing is found. 64 kB of plain memory, in which a
new note puts out an old one that it collides with; no note allocates or runs Python code.
"""

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef enum:
    NOTES = 1024        # a power of two; more exceptions than that are not on their way at once


cdef struct Passing:
    Raised error
    uint64_t next       # id of the span it comes to next
    uint64_t origin     # id of the kept span it passed first, 0 where none was kept
    int verdict         # KEEP, SUPPRESSED or SAMPLED_OUT once a limit or a rule said so, else HEAD
    int rule            # whose verdict that is


cdef size_t raise_point(object exception) noexcept:
    """The instruction that raised an exception: it stays the end of the traceback however far that grows."""
    cdef PyObject *traceback = PyException_GetTraceback(exception)
    cdef PyTracebackObject *entry = <PyTracebackObject *> traceback
    cdef PyCodeObject *code
    cdef size_t place
    if entry == NULL:
        return 0
    while entry.tb_next != NULL:
        entry = entry.tb_next
    code = PyFrame_GetCode(entry.tb_frame)
    # Without the U, Cython would make ints of all of it.
    place = <size_t> code + <size_t> entry.tb_lasti * 0x9E3779B1U
    Py_DECREF(<object> code)
    Py_DECREF(<object> traceback)
    return place


cdef inline uint64_t span_number(object context) noexcept:
    """The span id of a context as a number, 0 where it is none."""
    cdef uint64_t high, low
    cdef object number = None
    try:
        number = context_span_id(context)
    except BaseException:
        pass
    if not PyLong_Check(number):
        return 0
    # The bits that the wire gets, where the digits of an int are not known, as on Python 3.14.
    return low if errsample_unsigned(number, &high, &low) else PyLong_AsUnsignedLongLongMask(number)


@cython.final
cdef class Origins:
    """The exceptions on their way out of spans."""
    cdef Passing *notes

    def __cinit__(self):
        self.notes = <Passing *> calloc(NOTES, sizeof(Passing))
        if self.notes == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.notes)

    cdef void clear(self) noexcept:
        memset(self.notes, 0, NOTES * sizeof(Passing))

    cdef Passing *place_of(self, size_t address, uint64_t span) noexcept:
        return &self.notes[mixed(address ^ mixed(span)) & (NOTES - 1)]

    cdef Passing *find(self, object exception, uint64_t span) noexcept:
        """The note about an exception that comes to this span, NULL where there is none."""
        cdef size_t address = <size_t> <PyObject *> exception
        cdef Passing *note = self.place_of(address, span)
        if note.error.address != address or note.next != span or note.error.cls != <size_t> Py_TYPE(exception):
            return NULL
        return note if note.error.place == raise_point(exception) else NULL

    cdef void put(self, Raised *error, object parent, uint64_t origin, int verdict, int rule) noexcept:
        """Note that an exception leaves for the span of the context `parent`, unless that is none of this process."""
        cdef Passing *note
        cdef uint64_t span
        if parent is None or error.address == 0:
            return
        span = span_number(parent)
        if span == 0:
            return
        note = self.place_of(error.address, span)
        note.error = error[0]
        note.next, note.origin, note.verdict, note.rule = span, origin, verdict, rule

    cdef void pass_on(self, object exception, object context, object parent) noexcept:
        """Let an exception pass a span that it does not make an error."""
        cdef Passing *note = self.find(exception, span_number(context))
        cdef Passing copy
        if note != NULL:
            copy = note[0]
            self.put(&copy.error, parent, copy.origin, copy.verdict, copy.rule)
