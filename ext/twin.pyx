"""A record of the buffer that lies in a file too: in our own spool, or in that of a process that died.

The twin stands behind the record's data, so that what is in memory alone pays nothing for it. It is made when the
record comes and settled when that one ends; what is left open is for the next process to send.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from libc.stdint cimport uint64_t


cdef struct Twin:
    PyObject* keeper        # owned; NULL where the record is in memory alone. A Keeper is C: dropping it runs no code
    uint64_t place          # as the keeper counts


cdef inline Twin* twin_of(Record* record) noexcept:
    return <Twin*> (<size_t> (bytes_of(record) + stored_of(record) + 7) & ~<size_t> 7)


cdef void make_twin(Record* record, const char* span, Keeper keeper, uint64_t place) noexcept:
    """Note where the record also lies: a Ring is written to, another keeper has it at `place`, None keeps nothing.

    `span`: what was encoded.
    """
    cdef Twin* twin = twin_of(record)
    cdef Piece[PIECES] pieces
    cdef Group group
    twin.keeper = NULL
    if keeper is None:
        return
    if type(keeper) is Ring:
        group = <Group> record.group
        set_piece(&pieces[0], group.resource_head)
        set_piece(&pieces[1], group.resource_tail)
        set_piece(&pieces[2], group.scope_head)
        set_piece(&pieces[3], group.scope_tail)
        pieces[SPAN_PIECE].start = span
        pieces[SPAN_PIECE].size = record.size
        place = (<Ring> keeper).append(record.lane - LANE_REPEATED, pieces)
        if place == NOWHERE:
            return
    Py_INCREF(keeper)
    twin.keeper = <PyObject*> keeper
    twin.place = place


cdef inline void set_piece(Piece* piece, bytes data) noexcept:
    piece.start = PyBytes_AS_STRING(data)
    piece.size = PyBytes_GET_SIZE(data)


cdef inline bint has_twin(Record* record) noexcept:
    """Whether the next process would find the record."""
    cdef Twin* twin = twin_of(record)
    return twin.keeper != NULL and (<Keeper> twin.keeper).holds(twin.place)


cdef inline void settle_twin(Record* record) noexcept:
    """The record has met its ending: nobody else is to send it."""
    cdef Twin* twin = twin_of(record)
    if twin.keeper != NULL:
        (<Keeper> twin.keeper).acknowledge(twin.place)


cdef void leave_twin(Record* record) noexcept:
    """The record is evicted, on the thread of some span, where no system call may be made."""
    cdef Twin* twin = twin_of(record)
    cdef Keeper keeper
    if twin.keeper != NULL:
        keeper = <Keeper> twin.keeper
        twin.keeper = NULL
        keeper.leave(twin.place)
        Py_DECREF(keeper)


cdef inline void release_twin(Record* record) noexcept:
    Py_XDECREF(twin_of(record).keeper)


def write_to(Buffer buffer not None, Ring spool):
    """Write errors to `spool` too from now on, those that wait first; None: to memory alone until there is one."""
    cdef int lane
    cdef Record* record
    cdef char* span
    buffer.twofold = True
    buffer.spool = spool
    for lane in range(LANE_REPEATED, LANES):
        record = buffer.first[lane]
        while record != NULL:
            if record.twofold and twin_of(record).keeper == NULL:
                span = <char*> malloc(record.size)
                if span == NULL:
                    return      # no memory: the rest stays in memory alone
                copy_span(span, record)
                make_twin(record, span, spool, 0)
                free(span)
            record = record.next


def adopt(Buffer buffer not None, bytes data not None, int lane, Group group not None, Orphan orphan not None,
          uint64_t place):
    """Store a span that another process encoded and `orphan` has at `place`; False while half the room is taken.

    It is counted as recovered, not as ended, and then meets one of the endings as any other.
    """
    cdef Decision decision
    cdef int ending
    if not LANE_REPEATED <= lane < LANES:
        raise ValueError(f"lane is expected to be {LANE_REPEATED} or {LANES - 1}, got {lane}")
    if buffer.closed or buffer.used - buffer.copied > buffer.limit // 2:
        return False
    decision.limiter = decision.slot = 0
    decision.carried = 0
    orphan.waiting += 1
    buffer.ledger.recovered += 1
    buffer.ledger.deciding += 1
    ending = buffer.admit(PyBytes_AS_STRING(data), len(data), None, lane, group, &decision, NULL, orphan, place)
    if ending != PENDING:
        orphan.acknowledge(place)
        buffer.ledger.settle(ending)
    return True
