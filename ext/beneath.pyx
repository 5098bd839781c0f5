"""The code beneath a client library's exception: the refused connection that a `requests.ConnectionError` is about.

Libraries put an exception of their own in the place of a system error, which stays the cause, the context, an
attribute or an argument of it. Looked for only where nothing nearer has a code; at most 16 exceptions, each once. A
context counts where the library itself was handling it: the application may have been busy with anything.
"""

from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_CheckExact

cdef enum:
    BENEATH = 16    # exceptions looked at
    HELD = 4        # arguments of an exception, or members of a group, that are looked at


cdef inline bint may_stand_for_another(ClassInfo info) noexcept:
    """Whether the exceptions of a class are a library's word for a failing system or peer, or a bad certificate."""
    return info.library and (
        info.kind < 0 or info.kind == KIND_UNKNOWN or info.kind == KIND_CONFIG or is_transient(info.kind)
    )


cdef Code code_beneath(ClassTable classes, Fingerprints prints, list links, Py_ssize_t at):
    """The nearest code below an exception of a chain, None where there is none."""
    cdef list chain = links[at:]
    cdef list looked = []
    cdef list held = []
    cdef set met = set()    # by address: exceptions may define ==
    cdef Py_ssize_t opened = 0
    cdef Link link, above
    cdef Code code
    while True:
        above = None
        for link in chain:
            if above is not None and link.relation != "cause" and not handled_by(prints, above.info.name, link):
                break
            if len(met) >= BENEATH:
                return None
            if looked:
                code = link_code(link)
                if code is not None and code.text is not None:
                    return code
            met.add(<size_t> <PyObject *> link.exception)
            looked.append(link)
            above = link
        while True:
            while not held:
                if opened == len(looked):
                    return None
                held = held_by(classes, prints, looked[opened])
                opened += 1
            exception = held.pop(0)
            if <size_t> <PyObject *> exception not in met:
                break
        chain = exception_chain(classes, exception)


cdef bint handled_by(Fingerprints prints, str raiser, Link link) except -1:
    """Whether the package of the class `raiser` caught the exception: a traceback begins with the frame that did."""
    cdef str package = raiser.partition(".")[0]
    cdef str frame = link.caught_in
    if link.exception is not None:
        traceback = owned(PyException_GetTraceback(link.exception))
        if traceback is None:
            return False
        code = owned(<PyObject *> PyFrame_GetCode((<PyTracebackObject *> traceback).tb_frame))
        frame = prints.places.note(code).name
    return frame is not None and frame.startswith(package) and frame[len(package):len(package) + 1] in (".", ":")


cdef Code link_code(Link link):
    """The code of one exception; where only its class is known, what the class stands for."""
    if link.exception is not None:
        return own_code(link.exception, link.info)
    number = errnos.OF_CLASSES.get(link.info.name)
    return None if number is None else errno_code(errnos.SYSTEM, number)


cdef list held_by(ClassTable classes, Fingerprints prints, Link link):
    """The exceptions that a wrapper or a group holds in its first four places, and a context that `from None` hides."""
    cdef list found = []
    cdef object parts = None
    if link.exception is None:
        return found
    if (<PyBaseExceptionObject *> link.exception).suppress_context:
        hidden = owned(PyException_GetContext(link.exception))
        if hidden is not None and handled_by(
            prints, link.info.name, make_link(classes.of(type(hidden)), hidden, "context")
        ):
            found.append(hidden)
    if link.info.group:
        parts = attribute_of(link.exception, "exceptions")
    elif link.info.library:
        inner = wrapped(link.exception)
        if inner is not None:
            found.append(inner)
        parts = attribute_of(link.exception, "args")
    if PyTuple_CheckExact(parts):
        found += [part for part in (<tuple> parts)[:HELD] if PyExceptionInstance_Check(part)]
    return found
