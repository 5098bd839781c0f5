"""Which frame stands for a traceback: the innermost of the application, or the one a recursion begins with.

Costs a walk of the traceback and one look-up per frame up to the innermost one of the application. What a frame is
called and whose it is comes from otel_errsample.fingerprint, once per code object. Code objects are known by identity,
with a strong reference: equal code objects of different files compare equal.
"""

from cpython.dict cimport PyDict_Keys
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_XDECREF

from otel_errsample import fingerprint

cdef extern from "frameobject.h":
    PyFrameObject *PyFrame_GetBack(PyFrameObject *frame)

cdef extern from "Python.h":
    PyObject **PySequence_Fast_ITEMS(object sequence)

cdef enum:
    SHALLOW = 128       # frames looked at without a list for them
    DEEP = 4096         # frames looked at of a deeper traceback, and of the callers; few raise the limit of 1000
    PRINTS = 2048       # entries of a cache before its oldest go

cdef enum:              # flags of otel_errsample.fingerprint
    FRAME_IN_APP = 1
    FRAME_HIDDEN = 2
    FRAME_PLUMBING = 4


@cython.final
cdef class CodeNote:
    """A code object and the frame it makes."""
    cdef object code
    cdef str name
    cdef int flags
    cdef uint64_t serial    # never reused, so that hashes may be keyed by it


cdef remember(dict cache, object key, object value):
    if len(cache) >= PRINTS:
        # The oldest quarter: what a storm of new places adds must not cost all that is known its place.
        for old in PyDict_Keys(cache)[:PRINTS // 4]:
            cache.pop(old, None)
    cache[key] = value
    return value


cdef list codes_from(PyTracebackObject *entry):
    """The codes of a traceback from that entry on, at most 4096."""
    cdef list codes = []
    while entry != NULL and len(codes) < DEEP:
        codes.append(owned(<PyObject *> PyFrame_GetCode(entry.tb_frame)))
        entry = entry.tb_next
    return codes


cdef list innermost_codes(object traceback):
    """The codes of a traceback, of more than 4096 the last."""
    cdef PyTracebackObject *first = <PyTracebackObject *> traceback
    cdef PyTracebackObject *entry = first
    cdef Py_ssize_t count = 0
    while entry != NULL:
        count += 1
        entry = entry.tb_next
        if count > DEEP:
            first = first.tb_next
    return codes_from(first)


@cython.final
cdef class Places:
    """Names the frames of code objects and finds those that stand for tracebacks."""
    cdef object frames      # otel_errsample.fingerprint.Frames
    cdef dict notes         # address -> CodeNote
    cdef uint64_t serials

    def __init__(self, object frames):
        self.frames = frames
        self.notes = {}

    cdef CodeNote note(self, object code):
        cdef CodeNote made
        cdef object key = <size_t> <PyObject *> code
        cdef PyObject *found = find_quietly(self.notes, key)
        if found != NULL:
            return <CodeNote> found
        made = CodeNote.__new__(CodeNote)
        made.code = code
        made.name, made.flags = self.frames.frame(exact_text(code.co_filename), exact_text(code.co_name))
        if "__tracebackhide__" in code.co_varnames:
            made.flags |= FRAME_HIDDEN
        self.serials += 1
        made.serial = self.serials
        return remember(self.notes, key, made)

    cdef CodeNote choose(self, PyObject **codes, Py_ssize_t count, bint only_app):
        """The first code of the application in `codes` (innermost last), else the first of a library."""
        cdef CodeNote note
        cdef CodeNote library = None
        cdef Py_ssize_t at
        for at in range(count - 1, -1, -1):
            note = self.note(<object> codes[at])
            if note.flags & FRAME_HIDDEN:
                continue
            if note.flags & FRAME_IN_APP:
                return note
            if library is None and not note.flags & FRAME_PLUMBING:
                library = note
        return None if only_app else library

    cdef CodeNote innermost(self, object traceback, bint onwards):
        """The code that stands for a traceback; `onwards`: look beyond it, where it holds none of the application's.

        All codes are taken before the first is looked at: a new one runs Python code, which might change the
        traceback.
        """
        cdef PyObject *codes[SHALLOW]
        cdef Py_ssize_t count = 0
        cdef Py_ssize_t at
        cdef PyTracebackObject *entry = <PyTracebackObject *> traceback
        cdef list deep
        cdef CodeNote found
        if traceback is None:
            return None
        while entry != NULL and count < SHALLOW:
            codes[count] = <PyObject *> PyFrame_GetCode(entry.tb_frame)
            count += 1
            entry = entry.tb_next
        try:
            if entry == NULL:
                found = self.choose(codes, count, False)
            else:
                deep = innermost_codes(traceback)
                found = self.choose(PySequence_Fast_ITEMS(deep), len(deep), False)
        finally:
            for at in range(count):
                Py_XDECREF(codes[at])
        if onwards and (found is None or not found.flags & FRAME_IN_APP):
            outer = self.beyond((<PyTracebackObject *> traceback).tb_frame)
            return found if outer is None else outer
        return found

    cdef CodeNote beyond(self, PyFrameObject *frame):
        """The nearest code of the application among the callers of a frame."""
        cdef PyObject *codes[SHALLOW]
        cdef Py_ssize_t looked = 0
        cdef Py_ssize_t count
        cdef Py_ssize_t at
        cdef PyFrameObject *caller = PyFrame_GetBack(frame)
        cdef CodeNote found = None
        try:
            while caller != NULL and found is None and looked < DEEP:
                count = 0
                while caller != NULL and count < SHALLOW:
                    count += 1
                    codes[SHALLOW - count] = <PyObject *> PyFrame_GetCode(caller)
                    frame = caller
                    caller = PyFrame_GetBack(frame)
                    Py_DECREF(<object> frame)
                looked += count
                try:
                    found = self.choose(&codes[SHALLOW - count], count, True)
                finally:
                    for at in range(SHALLOW - count, SHALLOW):
                        Py_XDECREF(codes[at])
        finally:
            Py_XDECREF(<PyObject *> caller)
        return found

    cdef str cycle(self, object traceback):
        """The frame that stands for an endless recursion, None where nothing repeats often enough."""
        cdef list frames = []
        if traceback is None:
            return None
        for code in codes_from(<PyTracebackObject *> traceback):
            note = self.note(code)
            if note.flags & (FRAME_IN_APP | FRAME_HIDDEN) == FRAME_IN_APP:
                frames.append((note.name, 1))
        return fingerprint.cycle_start(frames)

    cdef list walked(self, object traceback):
        """The frames (name, flags) of a traceback, the innermost first."""
        cdef list frames = []
        cdef CodeNote note
        if traceback is None:
            return frames
        for code in reversed(innermost_codes(traceback)):
            note = self.note(code)
            frames.append((note.name, note.flags))
        return frames
