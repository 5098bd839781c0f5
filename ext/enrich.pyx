"""Extra attributes for kept spans: what failed, which rule kept it, how many like it were suppressed.

The span is frozen by now, so they ride along in a dict of their own. Most important first; what does not fit 16
attributes or 1 KiB is left out from the end. Entered under the GIL; user values pass only `merge_user`.
"""

from cpython.dict cimport PyDict_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.unicode cimport PyUnicode_Check, PyUnicode_Substring

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)

cdef enum:
    MOST_ATTRIBUTES = 16
    MOST_BYTES = 1024       # of keys and values together
    TYPE_LENGTH = 200       # characters, as the other lengths
    CODE_LENGTH = 64
    RULE_LENGTH = 64
    CULPRIT_LENGTH = 160
    CHAIN_LENGTH = 512
    CHAIN_NAMES = 4
    USER_ATTRIBUTES = 16
    USER_KEY = 128
    USER_TEXT = 1024


cdef inline Py_ssize_t text_bytes(str text) noexcept:
    """An upper bound of the UTF-8 size: 1 byte for a character of ASCII, else 4."""
    return len(text) if PyUnicode_IS_ASCII(text) else 4 * len(text)


cdef inline Py_ssize_t put(dict extra, object attributes, str key, str value, Py_ssize_t longest, Py_ssize_t room):
    """Add one text if the span has none of that name and it fits; answers the room that is left."""
    cdef Py_ssize_t size
    if value is None or len(extra) >= MOST_ATTRIBUTES or (attributes is not None and key in attributes):
        return room
    if len(value) > longest:
        value = value[:longest]
    size = len(key) + text_bytes(value)
    if size > room:
        return room
    extra[key] = value
    return room - size


cdef str error_type(ErrorFacts facts):
    """What the semantic conventions want in error.type: the class, else the code without its scheme."""
    if facts.exception is not None:
        return facts.exception
    return None if facts.code is None else (<str> facts.code).partition(":")[2]


cdef tuple chain_names(tuple chain):
    """The first four names, outermost first, as many as fit 512 characters."""
    cdef list names = []
    cdef Py_ssize_t room = CHAIN_LENGTH
    for name in chain[:CHAIN_NAMES]:
        room -= len(name)
        if room < 0:
            break
        names.append(name)
    return tuple(names)


cpdef dict enrich(
    ErrorFacts facts, object attributes, object rule_name, object scope_name, uint64_t carried, bint kept_by_processor
):
    """The attributes to add to a kept span, or None.

    An error gets its facts; a span without one gets rule and scope, and only if the processor kept it rather than the
    head sampler. `carried`, the number suppressed since the last kept span of the same rule and key, is
    always written, since estimates rest on it. `attributes` are the span's own (a dict or None), which win.
    """
    cdef dict extra
    cdef Py_ssize_t room = MOST_BYTES
    cdef bint failed = facts is not None and facts.error
    if facts is None and not carried and not kept_by_processor:
        return None     # a healthy span of the head sample
    extra = {}
    if carried:
        extra["errsample.suppressed"] = min(carried, <uint64_t> 0x7FFFFFFFFFFFFFFF)     # int64 on the wire
        room -= len("errsample.suppressed") + 8
    if failed:
        room = put(extra, attributes, "error.type", error_type(facts), TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.fingerprint", facts.fingerprint, TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.kind", <str> KINDS[facts.kind_code], TYPE_LENGTH, room)
    if failed or kept_by_processor:
        room = put(extra, attributes, "errsample.rule", rule_name, RULE_LENGTH, room)
        room = put(extra, attributes, "errsample.scope", scope_name, RULE_LENGTH, room)
    if failed:
        room = put(extra, attributes, "errsample.severity", <str> SEVERITIES[facts.severity_code], TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.fault", <str> FAULTS[facts.fault_code], TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.code", facts.code, CODE_LENGTH, room)
        room = put(extra, attributes, "errsample.recovery", <str> RECOVERIES[facts.recovery_code], TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.source", <str> SOURCES[facts.source_code], TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.culprit", facts.culprit, CULPRIT_LENGTH, room)
        room = put(extra, attributes, "errsample.root.type", facts.cause, TYPE_LENGTH, room)
        put_chain(extra, attributes, facts, room)
    return extra or None


cdef put_chain(dict extra, object attributes, ErrorFacts facts, Py_ssize_t room):
    cdef tuple names
    if facts.chain is None or len(extra) >= MOST_ATTRIBUTES:
        return
    if attributes is not None and "errsample.chain" in attributes:
        return
    names = chain_names(facts.chain)
    room -= len("errsample.chain")
    for name in names:
        room -= text_bytes(name)
    if names and room >= 0:
        extra["errsample.chain"] = names


cdef object plain_value(object value):
    """A str, bool, int or float of exactly those types, bounded; None for anything else."""
    cdef int overflow = 0
    if value is True or value is False or type(value) is float:
        return value
    if PyLong_CheckExact(value):
        PyLong_AsLongLongAndOverflow(value, &overflow)
        return None if overflow else value
    if PyUnicode_Check(value):
        return PyUnicode_Substring(value, 0, USER_TEXT)
    return None


cpdef int merge_user(dict extra, object result, object attributes=None) except -1:
    """Add what a user's callback answered, a dict, to `extra`; answers how many entries were refused.

    Refused are keys that are no str, longer than 128 characters or taken, values that are no str, bool, int of 64
    bits or float, and what exceeds 16 entries. Texts are cut at 1024 characters. Anything but a dict counts as one.
    """
    cdef int taken = 0
    cdef int refused = 0
    if result is None:
        return 0
    if not PyDict_CheckExact(result):
        return 1
    for key, value in list((<dict> result).items()):
        key = exact_text(key)
        value = plain_value(value)
        if (
            not key or value is None or taken == USER_ATTRIBUTES or len(key) > USER_KEY
            or key in extra or (attributes is not None and key in attributes)
        ):
            refused += 1
            continue
        extra[key] = value
        taken += 1
    return refused
