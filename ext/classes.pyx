"""What is known about an exception class, worked out once per class and kept by its identity.

Nothing here calls into the class: names, order of resolution and module dictionaries are read through `type` and the
C API, whatever metaclass or module stands behind them. Entered under the GIL; both caches are bounded and hold the
class, so that its address cannot be reused while it is a key.
"""

import builtins
import sys

from cpython.object cimport PyObject
from cpython.type cimport PyType_Check, PyType_IsSubtype
from cpython.unicode cimport PyUnicode_Check, PyUnicode_CheckExact, PyUnicode_FromObject

from otel_errsample import stacktext, taxonomy
from otel_errsample.errors import ConfigError
from otel_errsample.rules.classes import offered_names

cdef extern from "Python.h":
    bint PyModule_Check(object value)
    PyObject *PyModule_GetDict(object module)

cdef object TYPE_MODULE = type.__dict__["__module__"].__get__
cdef object TYPE_QUALNAME = type.__dict__["__qualname__"].__get__
cdef object TYPE_MRO = type.__dict__["__mro__"].__get__
cdef object TYPE_DICT = type.__dict__["__dict__"].__get__

cdef enum:
    CLASSES = 2048      # classes and names remembered; the caches are emptied when they are full
    LOOK_AT_CODE = -1   # instead of a kind, a recovery or a severity
    LOOK_AT_CAUSE = -2
    NOT_SAID = -3

cdef int KIND_CLIENT = KINDS.index("client")
cdef int KIND_CANCELLED = KINDS.index("cancelled")
cdef int KIND_DATA = KINDS.index("data")
cdef int KIND_BUG = KINDS.index("bug")
cdef int KIND_UNKNOWN = KINDS.index("unknown")

# Names that differ between Python 3.10 and later, between a backport and the builtin, or that are private.
ALIASES = {
    "asyncio.exceptions.TimeoutError": "TimeoutError",
    "concurrent.futures._base.TimeoutError": "TimeoutError",
    "re.PatternError": "re.error",
    "exceptiongroup.ExceptionGroup": "ExceptionGroup",
    "exceptiongroup.BaseExceptionGroup": "BaseExceptionGroup",
    "grpc._channel._InactiveRpcError": "grpc.RpcError",
    "grpc._channel._MultiThreadedRendezvous": "grpc.RpcError",
    "grpc._channel._SingleThreadedRendezvous": "grpc.RpcError",
    "grpc.aio._call.AioRpcError": "grpc.RpcError",
}
GROUPS = frozenset(("BaseExceptionGroup", "exceptiongroup.BaseExceptionGroup"))
# Schemes of which a message tells the code.
WRITTEN = frozenset(("errno", "resolver", "ssl", "aws", "sqlite", "mysql"))
# botocore makes the classes of a service's errors at run time, so that their names resolve to nothing.
DYNAMIC = (("botocore.errorfactory.", "botocore.exceptions.ClientError"),)


@cython.final
cdef class ClassInfo:
    """An exception class and its row; `cls` is None where only a name is known."""
    cdef object cls
    cdef str name               # as the SDK writes exception.type
    cdef str alias              # as it stands in fingerprints
    cdef uint64_t serial        # never reused, so that caches may be keyed by it
    cdef str row                # name of the row, None where no row fits
    cdef int kind, recovery, severity
    cdef int refined            # LOOK_AT_CODE or LOOK_AT_CAUSE where the row is but the fallback, else 0
    cdef bint library           # raised by a client library
    cdef bint peer              # what ran out is the peer's
    cdef bint coded             # its code tells different errors apart
    cdef bint ordinary          # a subclass of Exception
    cdef bint group, recursion, leave, not_found, answer
    cdef bint uncaused          # whatever was handled when it was raised did not lead to it
    cdef bint late              # a time-out, which asyncio makes of the cancellation that it stops a task by
    cdef bint quote             # no exception, but what another process printed of one
    cdef tuple carriers         # (scheme, path as a tuple, whether its class has the first) in the order to ask
    cdef bint carrying          # its class has the first of one of them
    cdef str written            # the scheme of which a message may tell the code, or None
    cdef Stated declared        # by the class or a base of it, None where nothing is
    cdef list rows              # the user's rows that concern it, None where none does
    cdef Py_ssize_t modules     # how many modules were imported when a name was not resolved


cdef str exact_text(object value):
    """The same text as an exact str, ready; None for anything else; a str subclass runs none of its methods."""
    if PyUnicode_CheckExact(value):
        return value if errsample_ready(value) else None
    return PyUnicode_FromObject(value) if PyUnicode_Check(value) else None


cdef str full_name(object cls):
    cdef str module = None
    cdef str qualname = exact_text(TYPE_QUALNAME(cls))
    try:
        module = exact_text(TYPE_MODULE(cls))
    except AttributeError:
        pass    # a class whose __module__ was deleted
    if module and module != "builtins":
        return f"{module}.{qualname}"
    return qualname


cdef str alias_of(str name):
    """A class's name as it stands in fingerprints."""
    name = ALIASES.get(name, name)
    return name.removeprefix("__main__.").removeprefix("__mp_main__.").removeprefix("builtins.")


cdef list with_twin(str name):
    """A class's name, and that of the class of another driver that it is made after."""
    return [name] + [
        twin + name[len(own):] for own, twin in taxonomy.SAME_CLASSES.items() if name.startswith(own)
    ]


cdef object resolve_class(str name):
    """The exception class of that full name if it is loaded, else None. Imports nothing, runs no module's code."""
    cdef list parts = name.split(".") if len(name) <= 300 else []
    cdef Py_ssize_t at
    cdef object module, found
    if not parts or len(parts) > 16:
        return None
    found = builtins.__dict__.get(name) if len(parts) == 1 else None
    for at in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:at]))
        if module is None:
            continue
        if not PyModule_Check(module):
            return None
        found = (<dict> PyModule_GetDict(module)).get(parts[at])
        for part in parts[at + 1:]:
            found = TYPE_DICT(found).get(part) if PyType_Check(found) else None
        break
    if PyType_Check(found) and PyType_IsSubtype(<type> found, <type> BaseException):
        return found
    return None


cdef int place_of(tuple names, object value, str what, str owner) except -4:
    if value == taxonomy.FROM_CODE:
        return LOOK_AT_CODE
    if value == taxonomy.FROM_CAUSE:
        return LOOK_AT_CAUSE
    if value not in names:
        raise ConfigError(f"{what} of {owner} is expected to be one of {', '.join(names)}, got {value!r}")
    return names.index(value)


@cython.final
cdef class ClassTable:
    """Rows by class name, and what they come to for each class met.

    `table` maps full class names to `taxonomy.Row`; a row with an unknown kind, recovery or severity raises
    ConfigError. `user_rows` are `taxonomy.UserRow`s, which go before the table.
    """
    cdef dict rows              # name -> (kind, recovery, severity, library, peer)
    cdef dict short             # last part of a name -> the only row that ends so, None where several differ
    cdef dict by_class          # address -> ClassInfo, which holds the class
    cdef dict by_name
    cdef uint64_t serials
    cdef list stated            # the user's rows
    cdef list by_code           # those of them that name no class, None where there are none

    def __init__(self, table, user_rows=()):
        self.stated = compile_rows(user_rows)
        self.by_code = [row for row in self.stated if (<Stated> row).exception is None] or None
        self.rows = {}
        self.short = {}
        self.by_class = {}
        self.by_name = {}
        for name, row in table.items():
            entry = (
                place_of(KINDS, row.kind, "kind", name),
                place_of(RECOVERIES, row.recovery, "recovery", name),
                place_of(SEVERITIES, row.severity, "severity", name),
                row.library,
                row.peer,
            )
            self.rows[name] = entry
            last = name.rpartition(".")[2]
            other = self.short.get(last, name)
            self.short[last] = name if other is not None and self.rows[other][:3] == entry[:3] else None

    cdef ClassInfo of(self, object cls):
        """What is known of this class; `cls` must be a subclass of BaseException."""
        cdef ClassInfo info
        cdef object key = <size_t> <PyObject *> cls
        cdef PyObject *found = find_quietly(self.by_class, key)
        if found != NULL:
            return <ClassInfo> found
        info = self.describe(cls, full_name(cls))
        if len(self.by_class) >= CLASSES:
            self.by_class.clear()
        self.by_class[key] = info
        return info

    cdef ClassInfo named(self, str name):
        """What is known of the class of that name: of the loaded class, or what a row of that very name says."""
        cdef ClassInfo info = self.by_name.get(name)
        cdef object cls
        if info is not None and (info.cls is not None or info.modules == len(sys.modules)):
            return info
        cls = resolve_class(name)
        info = self.describe(None, name) if cls is None else self.of(cls)
        if len(self.by_name) >= CLASSES:
            self.by_name.clear()
        self.by_name[name] = info
        return info

    cdef ClassInfo hinted(self, str name):
        """The same for a name that may lack its module, as in error.type or a status description; None if unknown."""
        cdef str known = name if name in self.rows else self.short.get(name)
        cdef ClassInfo info
        if known is not None:
            return self.named(known)
        info = self.named(name)
        return info if info.cls is not None or info.rows is not None else None

    cdef ClassInfo describe(self, object cls, str name):
        cdef ClassInfo info = ClassInfo.__new__(ClassInfo)
        cdef list names = [name] if cls is None else [full_name(base) for base in TYPE_MRO(cls)]
        self.serials += 1
        info.serial = self.serials
        info.cls = cls
        info.name = name
        info.alias = alias_of(name)
        info.modules = len(sys.modules)
        names = [name for own in names for name in with_twin(own)]
        if cls is None:
            names += [base for prefix, base in DYNAMIC if name.startswith(prefix)]
            info.ordinary = True
        else:
            info.ordinary = PyType_IsSubtype(<type> cls, <type> Exception)
            info.recursion = PyType_IsSubtype(<type> cls, <type> RecursionError)
        info.group = not GROUPS.isdisjoint(names)
        info.leave = "SystemExit" in names
        info.uncaused = name in stacktext.UNCAUSED
        info.late = name in stacktext.LATE
        info.quote = name.endswith((".RemoteTraceback", "._RemoteTraceback"))
        info.not_found = taxonomy.NOT_FOUND in names
        info.answer = not taxonomy.ANSWERS.isdisjoint(names)
        info.declared = None if cls is None else declared_by(cls)
        if self.stated:
            known = names + list(offered_names(names))
            info.rows = [row for row in self.stated if concerns(row, cls, known)] or None
        self.apply_row(info, names)
        self.find_carriers(info, names, TYPE_MRO(cls) if cls is not None else ())
        return info

    cdef apply_row(self, ClassInfo info, list names):
        """Cancellation and exit first, then the nearest class in the order of resolution that has a row."""
        for candidate in [name for name in names if name in taxonomy.EXITS] + names:
            if candidate in self.rows:
                info.row = candidate
                break
        info.kind, info.recovery, info.severity, info.library, info.peer = self.rows.get(
            info.row, (LOOK_AT_CODE, NOT_SAID, NOT_SAID, False, False)
        )
        if info.row in taxonomy.REFINED:
            info.refined = LOOK_AT_CODE if taxonomy.REFINED[info.row] == taxonomy.FROM_CODE else LOOK_AT_CAUSE

    cdef find_carriers(self, ClassInfo info, list names, tuple bases):
        cdef list found = []
        cdef list split
        cdef bint described = info.row is not None and (info.row != "Exception" or info.name == "Exception")
        for name in names:
            found += taxonomy.CARRIERS.get(name, ())
            if name in taxonomy.NUMBERED_OTHERWISE:
                break
        if not described:
            found += taxonomy.USUAL_CARRIERS
        if info.name.startswith("grpc."):
            found = [carrier for carrier in found if carrier[0] != "grpc_call"]
        info.coded = described and info.kind == LOOK_AT_CODE
        split = [(scheme, tuple(path.split("."))) for scheme, path in found]
        info.carriers = tuple([(scheme, path, has_attribute(bases, path[0])) for scheme, path in split])
        info.carrying = any([by_class for _scheme, _path, by_class in info.carriers])
        info.written = next((scheme for scheme, _path in found if scheme in WRITTEN), None)


cdef bint has_attribute(tuple bases, str name) except -1:
    """Whether a class of that order of resolution has an attribute; else only an exception's own dictionary may."""
    for base in bases:
        if name in TYPE_DICT(base):
            return True
    return False
