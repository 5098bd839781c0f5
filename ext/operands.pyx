"""What rules look at: the values of one span, fetched when the first test asks for them.

Borrowed references to the span and its attributes are good for one call of decide, which holds them.
"""

from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint64_t

from opentelemetry.trace import SpanKind

cdef enum:
    REMEMBERED_VALUES = 128     # the bits of Look.fetched; rules.check allows no more operands
    WORK_A_SPAN = 1 << 18       # steps of 2 ns for looking inside texts
    IN_NO_MASK = 31             # what no choice of a fact is

cdef enum:                      # positions in Look.choices
    CHOICE_KIND, CHOICE_FAULT, CHOICE_SEVERITY, CHOICE_RECOVERY, CHOICE_SPAN_KIND

cdef enum:                      # where an operand's value comes from
    FROM_ATTRIBUTE, FROM_RESOURCE, FROM_NAME, FROM_ENDPOINT, FROM_DURATION
    FROM_EXCEPTION, FROM_CAUSE, FROM_CODE, FROM_DOMAIN, FROM_MESSAGE, FROM_FINGERPRINT, FROM_KIND, FROM_PEER

cdef dict RULE_OPERANDS = {
    "attribute": FROM_ATTRIBUTE, "resource": FROM_RESOURCE, "name": FROM_NAME, "endpoint": FROM_ENDPOINT,
    "duration": FROM_DURATION, "exception": FROM_EXCEPTION, "cause": FROM_CAUSE, "code": FROM_CODE,
    "domain": FROM_DOMAIN, "message": FROM_MESSAGE, "fingerprint": FROM_FINGERPRINT, "kind": FROM_KIND,
    "peer": FROM_PEER,
}
# Compared by identity: reading an enum member's value costs a Python call.
cdef tuple SPAN_KIND_MEMBERS = tuple([SpanKind(value) for value in range(5)])


cdef struct Look:
    # One span under consideration; values and rows are owned, the rest is borrowed.
    PyObject* span
    PyObject* attributes
    PyObject* facts
    bint error
    bint sampled
    int choices[5]              # by CHOICE_*; -1: not read yet
    int work                    # steps that are left for looking inside texts; below 0: a test was cut short
    uint64_t[2] fetched         # which of values are there
    PyObject* values[128]       # REMEMBERED_VALUES
    PyObject* exception_row
    PyObject* cause_row


cdef inline void look_at(Look* look, object span, object attributes, ErrorFacts facts, bint sampled) noexcept:
    look.span = <PyObject*> span
    look.attributes = <PyObject*> attributes
    look.facts = <PyObject*> facts
    look.sampled = sampled
    look.work = WORK_A_SPAN
    look.fetched[0] = look.fetched[1] = 0
    look.exception_row = look.cause_row = NULL
    look.choices[CHOICE_SPAN_KIND] = -1
    look.error = False
    if facts is not None:
        look.error = facts.error
        look.choices[CHOICE_KIND] = facts.kind_code
        look.choices[CHOICE_FAULT] = facts.fault_code
        look.choices[CHOICE_SEVERITY] = facts.severity_code
        look.choices[CHOICE_RECOVERY] = facts.recovery_code


cdef inline void look_away(Look* look) noexcept:
    cdef int operand, word
    cdef uint64_t fetched
    Py_XDECREF(look.exception_row)
    Py_XDECREF(look.cause_row)
    for word in range(2):
        operand = 64 * word
        fetched = look.fetched[word]
        while fetched:
            if fetched & 1:
                Py_XDECREF(look.values[operand])
            fetched >>= 1
            operand += 1


cdef inline int span_kind_code(object span) except -1:
    cdef object member = span_kind(span)
    cdef int code
    for code in range(5):
        if PyTuple_GET_ITEM(SPAN_KIND_MEMBERS, code) == <PyObject*> member:
            return code
    return IN_NO_MASK


cdef object duration_of(object span):
    """Seconds, None where a time is missing."""
    cdef object start = span_start(span)
    cdef object end = span_end(span)
    cdef int over_start = 0, over_end = 0
    cdef long long started, ended
    if not PyLong_CheckExact(start) or not PyLong_CheckExact(end):
        return None
    started = PyLong_AsLongLongAndOverflow(start, &over_start)
    ended = PyLong_AsLongLongAndOverflow(end, &over_end)
    if over_start or over_end or started < 0 or ended < 0:
        return None
    return <double> (ended - started) / 1e9


cdef object read_operand(Look* look, tuple operand):
    """The value of an operand (source, names), None where it is missing."""
    cdef int source = operand[0]
    cdef object items
    if source == FROM_ATTRIBUTE or source == FROM_RESOURCE:
        if source == FROM_ATTRIBUTE:
            items = <object> look.attributes
        else:
            items = getattr(span_resource(<object> look.span), "attributes", None)
            items = plain_dict(items) if items is not None else None
        if items is not None:
            for name in <tuple> operand[1]:
                value = attribute_value(items, <str> name)
                if value is not None:
                    return value
        return None
    if source == FROM_NAME:
        return span_name(<object> look.span)
    if source == FROM_ENDPOINT:
        return endpoint_of(<object> look.attributes, span_name(<object> look.span))
    if source == FROM_DURATION:
        return duration_of(<object> look.span)
    if source == FROM_PEER:
        return peer_of(<object> look.attributes)
    if look.facts == <PyObject*> None:
        return None
    if source == FROM_EXCEPTION:
        return (<ErrorFacts> look.facts).exception
    if source == FROM_CAUSE:
        return (<ErrorFacts> look.facts).cause
    if source == FROM_CODE:
        return (<ErrorFacts> look.facts).code
    if source == FROM_DOMAIN:
        return (<ErrorFacts> look.facts).domain
    if source == FROM_MESSAGE:
        return (<ErrorFacts> look.facts).message
    if source == FROM_FINGERPRINT:
        return (<ErrorFacts> look.facts).fingerprint
    return (<ErrorFacts> look.facts).kind
