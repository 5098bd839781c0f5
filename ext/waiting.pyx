"""Spans that wait until it is known whether their trace is kept: scope "trace".

A waiting span is one malloc'd block, 48 bytes and the encoded span, charged to the buffer's budget; it is encoded
once, without what only the decision knows.

Two kinds wait. What nobody wants yet is exported if its trace is kept, and else gets the ending it would have had. What
is to be exported for a share of all traces waits for its weight: that is 1 where an error keeps the trace, and exported
at once it would be counted for the traces too in which it comes with the error.

A list is taken from its trace before anything is done to it, since what exports a span may run Python code, and that
may end spans of the same trace.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef enum:
    LONGEST_CHAIN = 64      # ended ancestors of an error that are known for it
    WANTED = 1              # the span is exported anyway
    IS_OBJECT = 2           # it is for a user's exporter, and `data` ends a byte behind its ids
    OWN_RULE = 1            # names of ours that a span has itself
    OWN_SCOPE = 2
    OWN_PARTIAL = 4
    OWN_LEFT_OUT = 8

cdef str NAME_RULE = "errsample.rule"
cdef str NAME_SCOPE = "errsample.scope"
cdef str NAME_PARTIAL = "errsample.partial"
cdef str NAME_LEFT_OUT = "errsample.dropped_children"


cdef struct Held:
    Held* next
    PyObject* group         # owned
    PyObject* behind        # owned: the TraceState, or (span, extra, bare) for a user's exporter; NULL: none
    uint64_t own            # of a span that is exported anyway: its threshold; of a suppressed one: limiter and slot
    uint32_t size           # of the encoded span
    uint32_t left_out       # spans below it that gave up their room
    uint8_t action
    uint8_t lane
    uint8_t names           # OWN_*
    uint8_t flags           # WANTED, IS_OBJECT
    char[1] data


cdef inline size_t weight_of(Held* held) noexcept:
    """What a waiting span is charged."""
    if held.flags & IS_OBJECT:
        return OBJECT_FACTOR * <size_t> held.size
    return sizeof(Held) + RECORD_OVERHEAD + held.size


cdef inline bint is_spare(Held* held) noexcept:
    """Whether a waiting span may be thinned, once nothing is below it."""
    return not held.flags & WANTED and held.lane == LANE_OFF_PATH


cdef inline uint8_t worth_of(Held* held) noexcept:
    """A waiting span gives way to those whose lane is at least this much."""
    return held.lane + 1 if held.flags & WANTED else 0


cdef size_t ids_in(const char* data, uint64_t* span, uint64_t* parent) noexcept:
    """Read span and parent id of an encoded span; answers how many bytes that took."""
    cdef const uint8_t* start = <const uint8_t*> data
    cdef const uint8_t* at = start + 1
    cdef size_t length = 0
    cdef int shift = 0
    while at[0] & 0x80:                     # the span's length
        at += 1
    at += 1 + 18                            # trace id
    span[0] = big_endian(at + 2)
    parent[0] = 0
    at += 10
    if at[0] == SPAN_STATE:
        at += 1
        while at[0] & 0x80:
            length |= <size_t> (at[0] & 0x7F) << shift
            shift += 7
            at += 1
        length |= <size_t> at[0] << shift
        at += 1 + length
    if at[0] == SPAN_PARENT_ID:
        parent[0] = big_endian(at + 2)
        at += 10
    return at - start


cdef uint64_t trace_in(const char* data) noexcept:
    """The low half of the trace id of an encoded span."""
    cdef const uint8_t* at = <const uint8_t*> data + 1
    while at[0] & 0x80:
        at += 1
    return big_endian(at + 1 + 2 + 8)


cdef inline uint64_t big_endian(const uint8_t* at) noexcept:
    cdef uint64_t value = 0
    cdef int place
    for place in range(8):
        value = value << 8 | at[place]
    return value


cdef int own_names_of_ours(object attributes) noexcept:
    if attributes is None:
        return 0
    return (
        OWN_RULE * (find_quietly(attributes, NAME_RULE) != NULL)
        | OWN_SCOPE * (find_quietly(attributes, NAME_SCOPE) != NULL)
        | OWN_PARTIAL * (find_quietly(attributes, NAME_PARTIAL) != NULL)
        | OWN_LEFT_OUT * (find_quietly(attributes, NAME_LEFT_OUT) != NULL)
    )


cdef Held* new_held(const char* data, size_t size, object behind, bint is_object, Group group) noexcept:
    """NULL where there is no memory."""
    cdef uint64_t span, parent
    cdef size_t stored = ids_in(data, &span, &parent) + 1 if is_object else size
    cdef Held* held = <Held*> malloc(sizeof(Held) + stored)
    if held == NULL:
        return NULL
    memset(held, 0, sizeof(Held))
    memcpy(held.data, data, stored)
    held.size = <uint32_t> size
    held.flags = IS_OBJECT if is_object else 0
    Py_INCREF(group)
    held.group = <PyObject*> group
    if behind is not None:
        Py_INCREF(behind)
        held.behind = <PyObject*> behind
    return held


cdef inline void free_held(Held* held) noexcept:
    """May run finalisers: what is behind a span may be anything."""
    cdef PyObject* behind = held.behind
    Py_DECREF(<object> held.group)
    free(held)
    Py_XDECREF(behind)


cdef void decision_of(Held* held, Decision* out) noexcept:
    """The span's own decision again."""
    no_decision(out)
    out.action = held.action
    out.rule = 0            # one of them; what the application itself forbids never waits
    out.lane = held.lane
    out.left_out = held.left_out
    if held.action == KEEP:
        out.weight = TH_SET
        out.threshold = held.own
    elif held.action == SUPPRESSED:
        out.limiter = <uint32_t> (held.own >> 32)
        out.slot = <uint32_t> held.own


cdef inline bint lets_go(Held* held) noexcept:
    """Whether spans of a list are not exported for their own sake."""
    while held != NULL:
        if not held.flags & WANTED:
            return True
        held = held.next
    return False


cdef uint64_t mark_chain(Trace* trace, uint64_t wanted, uint8_t lane) noexcept:
    """What explains an error is worth as much: its ancestors that ended before it did.

    Answers the first one above these that is still open, to be marked; 0 where the parent itself is.
    """
    cdef Held* held
    cdef uint64_t span, parent
    cdef int steps = 0
    while wanted and steps < LONGEST_CHAIN and open_span(trace, wanted) == NULL:
        steps += 1
        held = trace.first
        while held != NULL:
            ids_in(held.data, &span, &parent)
            if span == wanted:
                break
            held = held.next
        if held == NULL:
            return 0
        held.lane = max(held.lane, lane)
        wanted = parent if parent != wanted else 0
    return wanted if 0 < steps < LONGEST_CHAIN else 0


cdef object behind_of(bint is_object, object span, object context, object extra, PyObject* bare):
    """What a waiting span needs beside its bytes to be completed; None where it has no trace state."""
    cdef object state
    if is_object:
        return span, extra, None if bare == NULL else <object> bare
    state = context_trace_state(context)
    return None if state is DEFAULT_TRACE_STATE else state


cdef tuple note_missing(object extra, object encoded, Decision* decision, object attributes):
    """Say on a span that is exported at its end what is missing around it; answers extra and encoded attributes."""
    cdef dict more = {}
    cdef bytes fields
    if decision.partial and (attributes is None or NAME_PARTIAL not in attributes):
        more[NAME_PARTIAL] = True
    if decision.left_out and (attributes is None or NAME_LEFT_OUT not in attributes):
        more[NAME_LEFT_OUT] = decision.left_out
    if encoded is not None:
        fields = extra_fields(more)
        encoded = <bytes> encoded + fields
    return {**(extra or {}), **more}, encoded
