"""An exception and what led to it, as `traceback` prints them: causes, contexts, leaves of groups.

Read through the C API, so that no class of the application is asked; bounded in length, width and depth, and safe
against cycles. Entered under the GIL.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

cdef extern from "Python.h":
    PyObject *PyException_GetTraceback(object exception)
    PyObject *PyException_GetCause(object exception)
    PyObject *PyException_GetContext(object exception)

cdef enum:
    CHAINED = 8             # exceptions of a chain looked at
    PRINTED_WIDTH = 15      # members of a group that `traceback` prints,
    PRINTED_DEPTH = 10      # and groups inside each other
    PRINTED_LEAVES = 64     # of a group with all groups in it
    COUNTED_MEMBERS = 1024


@cython.final
@cython.freelist(8)
cdef class Link:
    """One exception of a chain, the outermost first; `exception` is None where only the name is known."""
    cdef ClassInfo info
    cdef object exception
    cdef str relation       # to the one before: "cause", "context", "" for the outermost
    cdef str caught_in      # "module:function" of the frame that handled it, where that is told by a text
    cdef object told        # the stacktext.Block of what another process printed of it, or None


cdef object owned(PyObject *found):
    """A new reference that may be NULL, as an object."""
    if found == NULL:
        return None
    value = <object> found
    Py_DECREF(value)
    return value


cdef Link make_link(ClassInfo info, object exception, str relation):
    cdef Link link = Link.__new__(Link)
    link.info = info
    link.exception = exception
    link.relation = relation
    return link


cdef list exception_chain(ClassTable classes, object exception):
    """The exception and what led to it as `traceback` prints them: cause, else context unless suppressed."""
    cdef ClassInfo info = classes.of(type(exception))
    cdef ClassInfo above
    cdef list links = [make_link(info, exception, "")]
    cdef str relation
    while len(links) < CHAINED:
        relation = "cause"
        following = owned(PyException_GetCause(exception))
        if (
            following is None and not (<PyBaseExceptionObject *> exception).suppress_context
            and not info.uncaused
        ):
            relation = "context"
            following = owned(PyException_GetContext(exception))
        if following is None:
            break
        for link in links:
            if (<Link> link).exception is following:
                return links
        above, info = info, classes.of(type(following))
        if above.late and info.name == stacktext.STOPPED:
            break
        links.append(make_link(info, following, relation))
        exception = following
    return links


cdef list printed_leaves(object group):
    """The exceptions of a group that are no groups themselves, of those that `traceback` prints, in its order."""
    cdef list found = []
    cdef list waiting = [(group, 0)]
    cdef int depth
    cdef Py_ssize_t seen = 0
    while waiting and len(found) < PRINTED_LEAVES and seen < COUNTED_MEMBERS:
        exception, depth = waiting.pop(0)
        seen += 1
        parts = attribute_of(exception, "exceptions")
        if type(parts) is not tuple:
            found.append(exception)
        elif depth < PRINTED_DEPTH:
            parts = (<tuple> parts)[:PRINTED_WIDTH]
            waiting[:0] = [(part, depth + 1) for part in parts if PyExceptionInstance_Check(part)]
    return found


cdef Py_ssize_t group_size(ClassTable classes, object group):
    """How many exceptions a group holds, itself or in groups inside it, of the first 1,024 members."""
    cdef list waiting = [group]
    cdef Py_ssize_t seen = 0
    cdef Py_ssize_t count = 0
    while waiting:
        parts = attribute_of(waiting.pop(), "exceptions")
        for part in <tuple> parts if type(parts) is tuple else ():
            seen += 1
            if seen > COUNTED_MEMBERS:
                return count
            if not PyExceptionInstance_Check(part):
                continue
            if classes.of(type(part)).group:
                waiting.append(part)
            else:
                count += 1
    return count
