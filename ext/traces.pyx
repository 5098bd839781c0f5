"""The local part of every trace: which of its spans are open, what waits for it, and what became of it.

A local trace begins with the first span that starts in this process and ends with the last one that is open, whether
the caller is remote or there is none. Its open spans are known by their ids, so that an end whose start was not seen,
or a second end of the same span, does not count. What was decided of a trace that is over is remembered, for spans
that come late.

Memory is bounded: at most 16,384 traces of 190 bytes, 65,536 open spans of 24 bytes (what is open beyond that, or
beyond 1,024 in one trace, is only counted), and 4,096 decisions of 56 bytes. Everything here is C under the GIL and
runs no Python code: the names that decisions own are text.
"""

cimport cython
from cpython.long cimport PyLong_Check
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memmove, memset

cdef enum:
    TRACE_BUCKETS = 8192    # a power of two
    MOST_TRACES = 16384
    MOST_OPEN = 1024        # of one trace
    MOST_OPEN_IN_ALL = 65536
    FIRST_OPEN = 4          # places for open spans that a trace begins with
    PAST_SETS = 1024        # a power of two
    PAST_WAYS = 4


cdef struct OpenSpan:
    uint64_t span
    uint64_t parent         # 0: none here
    uint32_t left_out       # spans below it that gave up their room


cdef struct Trace:
    Trace* chain            # of the bucket
    Trace* older            # by the start of the local part
    Trace* newer
    Trace* before           # among those for which spans wait, the one that was thinned longest ago first
    Trace* after
    uint64_t high, low      # halves of the trace id
    uint64_t since          # ns, monotonic
    OpenSpan* opened        # the one that started last at the end
    uint32_t room           # places in `opened`
    uint32_t known          # places taken
    uint32_t unknown        # open spans beyond those
    uint32_t held           # spans that wait
    uint32_t spare          # of these, what may be thinned
    uint32_t rest           # times that it is not looked at, after a look that found too little
    uint8_t least           # worth_of, no span that waits has less
    size_t bytes            # charged for them
    Held* first             # in the order of their ends
    Held* last
    Mark ruling             # `span` 0: undecided; else why the trace is kept
    uint32_t[5] rehearsed   # in a dry run, what would wait, by action
    bint partial            # some of its spans are gone, or were never seen


cdef struct Past:
    uint64_t high, low
    uint64_t threshold
    PyObject* rule          # owned; NULL: spans of the trace were let go, undecided or not wanted
    uint32_t moment         # 0: no decision here
    uint8_t weight


cdef bint trace_key(object context, uint64_t* high, uint64_t* low) except -1:
    """The halves of the trace id; False where there is none that fits 128 bits."""
    cdef object number = None if context is None else context_trace_id(context)
    cdef char[16] digits
    cdef int place
    if not PyLong_Check(number):
        return False
    if errsample_unsigned(number, high, low):
        return True
    if not errsample_trace_id(number, digits):
        return False
    high[0] = low[0] = 0
    for place in range(8):
        high[0] = high[0] << 8 | <uint8_t> digits[place]
        low[0] = low[0] << 8 | <uint8_t> digits[place + 8]
    return True


cdef inline OpenSpan* open_span(Trace* trace, uint64_t span) noexcept:
    """NULL where it is not open, or not known; spans mostly end in the reverse order of their starts."""
    cdef uint32_t place = trace.known
    while place > 0:
        place -= 1
        if trace.opened[place].span == span:
            return &trace.opened[place]
    return NULL


@cython.final
cdef class Traces:
    """Local traces by id, in the order in which they began, and the decisions of the past."""
    cdef Trace* oldest
    cdef Trace* newest
    cdef Trace* waiting         # head and tail of those for which spans wait
    cdef Trace* waiting_last
    cdef uint32_t count         # of traces
    cdef uint32_t opened        # open spans known by their ids
    cdef uint32_t moment
    cdef Trace* buckets[TRACE_BUCKETS]
    cdef Past[PAST_SETS][PAST_WAYS] past

    def __dealloc__(self):
        self.clear()

    cdef void clear(self) noexcept:
        """Forget everything; what waits has been taken away before."""
        cdef int row, way
        while self.oldest != NULL:
            self.remove(self.oldest)
        for row in range(PAST_SETS):
            for way in range(PAST_WAYS):
                Py_XDECREF(self.past[row][way].rule)
        memset(self.past, 0, sizeof(self.past))

    # -- traces

    cdef inline Trace** bucket_of(self, uint64_t high, uint64_t low) noexcept:
        return &self.buckets[mixed(high ^ low) & (TRACE_BUCKETS - 1)]

    cdef inline Trace* find(self, uint64_t high, uint64_t low) noexcept:
        cdef Trace* trace = self.bucket_of(high, low)[0]
        while trace != NULL and (trace.low != low or trace.high != high):
            trace = trace.chain
        return trace

    cdef Trace* begin(self, uint64_t high, uint64_t low, uint64_t now, bint late) noexcept:
        """A new local part of a trace; `late` where the span that starts has a parent here. NULL without memory.

        The decision to keep an earlier part holds for this one too.
        """
        cdef Trace** bucket = self.bucket_of(high, low)
        cdef Past* past = self.past_of(high, low)
        cdef Trace* trace = <Trace*> calloc(1, sizeof(Trace))
        if trace == NULL:
            return NULL
        trace.high, trace.low, trace.since = high, low, now
        trace.chain = bucket[0]
        bucket[0] = trace
        trace.partial = late or past != NULL
        if past != NULL and past.rule != NULL:
            trace.ruling.span = 1
            trace.ruling.rule = past.rule
            Py_INCREF(<object> past.rule)
            trace.ruling.threshold, trace.ruling.weight, trace.ruling.lane = past.threshold, past.weight, LANE_OFF_PATH
        self.append(trace)
        self.count += 1
        return trace

    cdef void remove(self, Trace* trace) noexcept:
        """Forget a trace for which nothing waits."""
        cdef Trace** link = self.bucket_of(trace.high, trace.low)
        while link[0] != trace:
            link = &link[0].chain
        link[0] = trace.chain
        self.unlink(trace)
        self.count -= 1
        self.opened -= trace.known
        free(trace.opened)
        Py_XDECREF(trace.ruling.rule)
        free(trace)

    cdef void append(self, Trace* trace) noexcept:
        trace.older, trace.newer = self.newest, NULL
        if self.newest == NULL:
            self.oldest = trace
        else:
            self.newest.newer = trace
        self.newest = trace

    cdef void unlink(self, Trace* trace) noexcept:
        if trace.older == NULL:
            self.oldest = trace.newer
        else:
            trace.older.newer = trace.newer
        if trace.newer == NULL:
            self.newest = trace.older
        else:
            trace.newer.older = trace.older

    cdef void wait(self, Trace* trace) noexcept:
        """A span waits for the trace, or it was thinned: it is the last to be thinned again."""
        trace.before, trace.after = self.waiting_last, NULL
        if self.waiting_last == NULL:
            self.waiting = trace
        else:
            self.waiting_last.after = trace
        self.waiting_last = trace

    cdef void stop_waiting(self, Trace* trace) noexcept:
        if trace.before == NULL:
            self.waiting = trace.after
        else:
            trace.before.after = trace.after
        if trace.after == NULL:
            self.waiting_last = trace.before
        else:
            trace.after.before = trace.before
        trace.before = trace.after = NULL

    # -- open spans

    cdef void open(self, Trace* trace, OpenSpan* started) noexcept:
        cdef uint32_t room
        cdef OpenSpan* opened = NULL
        if trace.known == trace.room and trace.room < MOST_OPEN:
            room = 4 * trace.room if trace.room else FIRST_OPEN
            opened = <OpenSpan*> realloc(trace.opened, room * sizeof(OpenSpan))
            if opened != NULL:
                trace.opened, trace.room = opened, room
        if trace.known == trace.room or self.opened == MOST_OPEN_IN_ALL:
            trace.unknown += 1
            return
        trace.opened[trace.known] = started[0]
        trace.known += 1
        self.opened += 1

    cdef bint close(self, Trace* trace, uint64_t span) noexcept:
        """Count an end; whether it was the last one of an open span."""
        cdef OpenSpan* found = open_span(trace, span)
        if found != NULL:
            trace.known -= 1
            self.opened -= 1
            memmove(found, found + 1, (trace.opened + trace.known - found) * sizeof(OpenSpan))
        elif trace.unknown > 0:
            trace.unknown -= 1
        return trace.known == 0 and trace.unknown == 0

    cdef inline bint only(self, Trace* trace, uint64_t span) noexcept:
        """Whether no other span of the trace is open."""
        return trace.unknown == 0 and (trace.known == 0 or trace.known == 1 and trace.opened[0].span == span)

    # -- decisions

    cdef void rule(self, Trace* trace, Mark* ruling) noexcept:
        """Keep a trace; where it is kept already, for the better of the two reasons."""
        if trace.ruling.span == 0:
            Py_INCREF(<object> ruling.rule)
            trace.ruling = ruling[0]
        else:
            better(&trace.ruling.threshold, &trace.ruling.weight, ruling)

    cdef inline Past* past_of(self, uint64_t high, uint64_t low) noexcept:
        cdef Past* row = self.past[mixed(high ^ low) & (PAST_SETS - 1)]
        cdef int way
        for way in range(PAST_WAYS):
            if row[way].moment and row[way].low == low and row[way].high == high:
                return &row[way]
        return NULL

    cdef inline uint64_t worth(self, Past* past) noexcept:
        """What is kept is rarer and matters more; then what is younger. The difference outlives the counter's wrap."""
        if past.moment == 0:
            return 0
        return (<uint64_t> (past.rule != NULL) << 32) + (<uint32_t> 0xFFFFFFFF - (self.moment - past.moment))

    cdef void remember(self, uint64_t high, uint64_t low, Mark* ruling) noexcept:
        """Note for late spans that the trace is kept, or with `ruling.span` 0 that spans of it were let go."""
        cdef Past* place = self.past_of(high, low)
        cdef Past* row = self.past[mixed(high ^ low) & (PAST_SETS - 1)]
        cdef int way
        self.moment = max(1, self.moment + 1)
        if place == NULL:
            place = row
            for way in range(1, PAST_WAYS):
                if self.worth(&row[way]) < self.worth(place):
                    place = &row[way]
            Py_XDECREF(place.rule)
            place.rule = NULL
            place.high, place.low = high, low
        place.moment = self.moment
        if ruling.span == 0:
            return
        if place.rule == NULL:
            Py_INCREF(<object> ruling.rule)
            place.rule = ruling.rule
            place.threshold, place.weight = ruling.threshold, ruling.weight
        else:
            better(&place.threshold, &place.weight, ruling)


cdef inline void better(uint64_t* threshold, uint8_t* weight, Mark* reason) noexcept:
    """The smaller threshold of two reasons; one without a rate leaves the weight to the other."""
    if reason.weight == TH_SET:
        threshold[0] = min(threshold[0], reason.threshold) if weight[0] == TH_SET else reason.threshold
        weight[0] = TH_SET
