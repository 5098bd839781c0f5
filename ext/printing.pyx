"""An exception as `traceback` prints it: its stack, class, message and notes, and the exceptions it is linked with.

The frames come from `frames.pyx`, all else is read from the exceptions anew, in the order in which
`traceback.TracebackException` reads it and through the same attributes. Where that class would do something that is
not plainly known (printers replaced by another package, odd objects), Unusual is raised before anything is printed.
"""

import sys

from cpython.object cimport PyObject_GetAttr
from cpython.type cimport PyType_IsSubtype
from cpython.unicode cimport PyUnicode_CheckExact

from otel_errsample import printing

cdef enum:
    GROUP_WIDTH = 15        # the defaults of traceback.TracebackException
    GROUP_DEPTH = 10

cdef tuple ASKED = printing.ASKED
cdef object BASE_GROUP = printing.BASE_GROUP
cdef dict SYS_NAMES = sys.__dict__


@cython.final
@cython.trashcan(True)      # a retry loop chains thousands
cdef class Told:
    """An exception as it is going to be printed."""
    cdef list stack         # texts of its frames
    cdef str said           # class, message and notes
    cdef Told cause, context
    cdef bint suppress
    cdef list members       # of a group, None for others


@cython.final
cdef class Margin:
    """Where the printing of groups stands."""
    cdef int depth
    cdef bint open          # the innermost group still needs its bottom line


@cython.final
cdef class Printer:
    """Prints exceptions, and notices when another package changes how that is done."""
    cdef readonly FrameTexts frames
    cdef tuple watched      # (owner, name, value)
    cdef bint known

    def __init__(self):
        self.frames = FrameTexts()
        self.watched, self.known = printing.printers()

    cpdef str text(self, object exception):
        """What traceback.format_exception makes, joined; raises Unusual, or what a hostile exception raises."""
        cdef list out = []
        for owner, name, value in self.watched:
            if PyObject_GetAttr(owner, name) is not value:
                self.watched, self.known = printing.printers()
                break
        if not self.known or "tracebacklimit" in SYS_NAMES:
            raise Unusual
        print_chain(self.tell(exception), Margin.__new__(Margin), out)
        return "".join(out)

    cdef Told tell(self, object exception):
        """Everything that is going to be printed of an exception and of those it is linked with."""
        cdef set seen = set()
        cdef Told top = self.read(exception, seen)
        cdef Told told
        cdef list waiting = [(top, exception)]
        cdef object cause, context, members
        while waiting:
            told, exception = waiting.pop()
            if not exception:
                continue    # an exception may be false, and then `traceback` follows none of its links
            cause = exception.__cause__
            if cause is not None and id(cause) not in seen:
                told.cause = self.read(cause, seen)
            elif not told.suppress:
                context = exception.__context__
                if context is not None and id(context) not in seen:
                    told.context = self.read(context, seen)
            if BASE_GROUP is not None and PyType_IsSubtype(type(exception), BASE_GROUP):
                members = exception.exceptions
                told.members = [self.read(member, seen) for member in members]
            if told.cause is not None:
                waiting.append((told.cause, cause))
            if told.context is not None:
                waiting.append((told.context, context))
            if told.members:
                waiting.extend(zip(told.members, members))
        return top

    cdef Told read(self, object exception, set seen):
        cdef Told told
        cdef bint asked = False
        cdef bint first = not seen
        if not PyExceptionInstance_Check(exception):
            raise Unusual
        for cls in ASKED:
            asked = asked or PyType_IsSubtype(type(exception), cls)
        if asked and not first:
            raise Unusual   # asking about each of a chain would read the rest of it again for each
        if BASE_GROUP is None and hasattr(type(exception), "exceptions"):
            raise Unusual   # a group of the backport to 3.10
        seen.add(id(exception))
        told = Told.__new__(Told)
        told.stack = self.frames.stack(exception.__traceback__)
        told.said = printing.last_lines(exception) if asked else last_lines(exception)
        told.suppress = exception.__suppress_context__
        return told


cdef str last_lines(object exception):
    """Class, message and notes."""
    cdef object cls = type(exception)
    cdef object text = str(exception)
    cdef object notes = getattr(exception, "__notes__", None)
    cdef object module = cls.__module__
    cdef object name = cls.__qualname__
    cdef str said
    if not PyUnicode_CheckExact(text) or not PyUnicode_CheckExact(module) or not PyUnicode_CheckExact(name):
        raise Unusual
    if module != "builtins" and module != "__main__":
        name = f"{module}.{name}"
    said = f"{name}: {text}\n" if text else f"{name}\n"
    if notes is not None:
        # 3.10 does not print them, the backport of groups does.
        if BASE_GROUP is None or type(notes) is not list:
            raise Unusual
        for note in notes:
            if not PyUnicode_CheckExact(note):
                raise Unusual
            said += note + "\n"
    return said


cdef int print_chain(Told told, Margin margin, list out) except -1:
    """An exception after those that led to it, the first one first."""
    cdef list chain = []
    while told is not None:
        chain.append(told)
        told = told.context if told.cause is None else told.cause
    while chain:
        told = chain.pop()
        if told.cause is not None:
            emit(out, margin, printing.CAUSED)
        elif told.context is not None:
            emit(out, margin, printing.MEANWHILE)
        if told.members is not None:
            print_group(told, margin, out)
            continue
        if told.stack:
            emit(out, margin, "Traceback (most recent call last):\n")
            emit_all(out, margin, told.stack)
        emit(out, margin, told.said)
    return 0


cdef int print_group(Told told, Margin margin, list out) except -1:
    cdef bint outermost = margin.depth == 0
    cdef Py_ssize_t count = len(told.members)
    cdef Py_ssize_t shown = min(count, GROUP_WIDTH + 1)
    cdef Py_ssize_t at
    cdef str title
    if margin.depth > GROUP_DEPTH:
        return emit(out, margin, f"... (max_group_depth is {GROUP_DEPTH})\n")
    margin.depth += outermost
    if told.stack:
        emit(out, margin, "Exception Group Traceback (most recent call last):\n", "+" if outermost else "|")
        emit_all(out, margin, told.stack)
    emit(out, margin, told.said)
    margin.open = False
    for at in range(shown):
        # A group inside the last member may draw the bottom line for this one too.
        margin.open = margin.open or at == shown - 1
        title = str(at + 1) if at < GROUP_WIDTH else "..."
        out.append("  " * margin.depth + ("+-" if at == 0 else "  "))
        out.append(f"+---------------- {title} ----------------\n")
        margin.depth += 1
        if at < GROUP_WIDTH:
            print_chain(told.members[at], margin, out)
        else:
            emit(out, margin, f"and {count - GROUP_WIDTH} more exception{'s' if count - GROUP_WIDTH > 1 else ''}\n")
        if at == shown - 1 and margin.open:
            out.append("  " * margin.depth + "+------------------------------------\n")
            margin.open = False
        margin.depth -= 1
    margin.depth -= outermost
    return 0


cdef int emit(list out, Margin margin, str text, str line = "|") except -1:
    """Append text, inside a group indented as textwrap.indent does it."""
    cdef str prefix
    if margin.depth == 0:
        out.append(text)
        return 0
    prefix = "  " * margin.depth + line + " "
    for part in text.splitlines(True):
        out.append(prefix)
        out.append(part)
    return 0


cdef int emit_all(list out, Margin margin, list texts) except -1:
    if margin.depth == 0:
        out.extend(texts)
        return 0
    for text in texts:
        emit(out, margin, text)
    return 0
