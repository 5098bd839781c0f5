"""A span that waited is completed and goes to the buffer.

What only the decision on its trace knows is appended to what was encoded when it ended: of a field that is written
twice the later one holds in protobuf (trace state), and attributes may follow anywhere in the message.
"""

from cpython.bytes cimport PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from wire cimport Writer, make_room, store_head, varint_size


cdef void send(Undecided owner, Held* held, Mark* ruling, object rule, bint partial) noexcept:
    cdef Decision decision
    cdef uint64_t generation = owner.generation
    cdef int ending = INTERNAL_ERROR
    cdef bint by_head = held.action == HEAD and held.flags & WANTED
    cdef bint pulled = False
    decision_of(held, &decision)
    if ruling != NULL:
        pulled = pull(&decision, ruling, by_head) and not by_head
        decision.lane = held.lane
        if decision.limiter:
            # It is exported after all: the next one that its limit lets through must not speak for it.
            owner.limits.give_back(decision.limiter, decision.slot, -1)
            decision.limiter = 0
    if owner.erases:
        decision.weight = TH_ERASED
    owner.pulled += pulled
    # It leaves what waits and enters what is being decided; `admit` takes it on from there.
    owner.count -= 1
    owner.buffer.used -= weight_of(held)
    owner.ledger.deciding += 1
    try:
        ending = export(owner, held, &decision, pulled, rule, partial)
    except BaseException as error:
        swallowed(owner.ledger, "scope", error)
    if ending != PENDING and generation == owner.generation:
        owner.ledger.settle(ending)
    owner.park(held)


cdef int export(Undecided owner, Held* held, Decision* decision, bint pulled, object rule, bint partial) except -2:
    """Complete a span and put it into the buffer."""
    cdef Writer writer
    cdef object behind = <object> held.behind if held.behind != NULL else None
    cdef uint64_t trace = trace_in(held.data)
    cdef object copy = None
    cdef object header
    cdef dict late
    if held.flags & IS_OBJECT:
        span, extra, bare = <tuple> behind
        header = reweigh(
            context_trace_state(span_context(span)), trace, decision.weight, decision.threshold, owner.floor
        )
        late = late_attributes(held, pulled, rule, partial)
        copy = owner.rebuild(span, header, {**(extra or {}), **late} or None, bare)
        return owner.buffer.admit(held.data, held.size, copy, decision.lane, <Group> held.group, decision)
    state = state_of(owner, behind, trace, decision)
    writer_open(&writer, 1 << 30)
    try:
        if not complete(&writer, held, state, late_fields_of(owner, held, pulled, rule, partial)):
            return BUFFER_FULL
        return owner.buffer.admit(writer.start, writer.size, None, decision.lane, <Group> held.group, decision)
    finally:
        writer_close(&writer)


cdef bytes state_of(Undecided owner, object behind, uint64_t trace, Decision* decision):
    """The trace state of a span, None to leave it as encoded; most of a trace have none of their own and get the same.
    """
    cdef bint usual = behind is None and owner.floor == 0
    cdef bytes state = owner.late_state
    cdef object header
    if (usual and state is not None and decision.weight == owner.late_weight
            and decision.threshold == owner.late_threshold):
        return state
    header = reweigh(behind, trace, decision.weight, decision.threshold, owner.floor)
    state = None if header is None else (<str> header).encode()
    if usual:
        owner.late_state = None
        owner.late_weight, owner.late_threshold = decision.weight, decision.threshold
        owner.late_state = state
    return state


cdef bytes late_fields_of(Undecided owner, Held* held, bint pulled, object rule, bint partial):
    """Spans of one trace get the same fields; those of the last one are remembered."""
    cdef object fields
    if not pulled and not held.left_out:
        return b""
    if pulled and not held.names and not held.left_out and rule is owner.late_rule and partial == owner.late_partial:
        fields = owner.late_fields
        if fields is not None:
            return fields
    fields = extra_fields(late_attributes(held, pulled, rule, partial))
    if pulled and not held.names and not held.left_out:
        owner.late_fields = None
        owner.late_rule, owner.late_partial = rule, partial
        owner.late_fields = fields
    return fields


cdef dict late_attributes(Held* held, bint pulled, object rule, bint partial):
    """What only the decision on the trace knows; `pulled` where the span is exported for no sake of its own."""
    cdef dict late = {}
    if pulled and rule is not None and not held.names & OWN_RULE:
        late[NAME_RULE] = (<str> rule)[:RULE_LENGTH]
    if pulled and not held.names & OWN_SCOPE:
        late[NAME_SCOPE] = SCOPES[SCOPE_TRACE]
    if pulled and partial and not held.names & OWN_PARTIAL:
        late[NAME_PARTIAL] = True
    if held.left_out and not held.names & OWN_LEFT_OUT:
        late[NAME_LEFT_OUT] = held.left_out
    return late


cdef bint complete(Writer* w, Held* held, bytes state, bytes late) noexcept:
    """The whole span: what was encoded when it ended, its trace state (None: as encoded), what came late."""
    cdef const uint8_t* content = <const uint8_t*> held.data + 1
    cdef size_t added = PyBytes_GET_SIZE(late)
    cdef size_t inner
    cdef char* at
    while content[0] & 0x80:
        content += 1
    content += 1
    inner = held.size - (content - <const uint8_t*> held.data)
    if state is not None:
        added += 1 + varint_size(PyBytes_GET_SIZE(state)) + PyBytes_GET_SIZE(state)
    if not make_room(w, 11 + inner + added):
        return False
    at = store_head(w.start, SCOPE_SPANS_SPANS, inner + added)
    memcpy(at, content, inner)
    at += inner
    if state is not None:
        at = put_bytes(store_head(at, SPAN_STATE, PyBytes_GET_SIZE(state)), state)
    w.size = put_bytes(at, late) - w.start
    return True
