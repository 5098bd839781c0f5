"""Encoded spans waiting for acknowledgement, under one hard byte budget.

A record is one block of memory: 56 bytes of header and the encoded span, so a buffered span costs its wire size plus
72 bytes, or without the stack text that others have too, and is invisible to the garbage collector. Records wait in
lanes by worth; when the budget is spent the oldest record of the least valuable lane goes first. What is in flight is
charged but never evicted.

Everything here is C under the GIL without calls back into Python, so that a commit is atomic for other threads,
signal handlers and finalisers. References dropped by an eviction are parked and released after the commit.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free

cdef extern from "pythread.h" nogil:
    ctypedef void* PyThread_type_lock
    ctypedef enum PyLockStatus:
        PY_LOCK_ACQUIRED
    PyThread_type_lock PyThread_allocate_lock()
    void PyThread_free_lock(PyThread_type_lock)
    int PyThread_acquire_lock(PyThread_type_lock, int)
    PyLockStatus PyThread_acquire_lock_timed(PyThread_type_lock, long long, int)
    void PyThread_release_lock(PyThread_type_lock)

cdef enum:
    # Lanes in the order of sacrifice, behind what waits for its trace.
    LANE_OFF_PATH = 0       # beside an error that was kept with its trace
    LANE_HEAD = 1           # healthy spans: kept by the head sampler or by a rule
    LANE_REPEATED = 2       # errors whose fingerprint was seen before
    LANE_FIRST = 3          # the first errors of a fingerprint
    LANES = 4

cdef enum:
    # What wakes the sleeping worker.
    WAKE_FIRST = 1          # the buffer is empty and any span arrives
    WAKE_ERROR = 2          # no error is waiting and one arrives
    WAKE_FULL = 4           # a batch is complete


@cython.final
cdef class Group:
    """Spans of one resource and scope share these bytes on the wire."""

    cdef bytes resource_head, resource_tail     # ResourceSpans fields 1 and 3 (schema_url)
    cdef bytes scope_head, scope_tail           # ScopeSpans fields 1 and 3
    cdef bint unread                            # not all of it could be read
    cdef size_t overhead                        # bytes a request spends on this group, lengths included
    cdef uint64_t stamp                         # the batch that counted `overhead` last
    cdef size_t spans_size                      # scratch of the request builder

    @property
    def overhead_bytes(self):
        return self.overhead


cdef class Undecided


cdef class Buffer:
    """Lanes of records under a byte budget, and the bell that wakes the worker."""

    cdef Record* first[LANES]
    cdef Record* last[LANES]
    cdef Record* parked                 # evicted records whose Python references are still to be dropped
    cdef Ledger ledger
    cdef Limits limits
    cdef Undecided undecided            # spans that wait for their traces, in the same budget; None: no such scope
    cdef uint64_t sequence              # of the newest record
    cdef Ring spool                     # where errors are written once more
    cdef bint twofold                   # there is a spool, or there will be one
    cdef uint64_t generation            # grows in a forked child: records of the parent are not ours
    cdef readonly size_t capacity, used, peak
    cdef size_t limit                   # capacity minus what a request being sent needs for its copy
    cdef size_t waiting_size            # encoded bytes in the lanes
    cdef size_t copied                  # payload bytes in `used`, which `limit` already leaves room for
    cdef size_t[LANES] lane_count
    cdef readonly size_t in_flight      # records a Batch holds
    cdef uint64_t flying_from           # the oldest of them
    cdef bint refusing                  # LANE_HEAD is full until something leaves
    cdef readonly bint closed           # admits nothing more
    cdef bint abandoned                 # nothing will be sent any more
    cdef uint64_t batches               # stamps of batches taken
    cdef int wake_for
    cdef bint asleep
    cdef bint sleepless             # told to wake before it slept
    cdef size_t full_count, full_size   # a complete batch
    cdef PyThread_type_lock bell
    cdef Blocks blocks                  # of records that are gone, within the budget too

    def __cinit__(self, Ledger ledger, Limits limits, size_t capacity, size_t reserve, size_t full_count,
                  size_t full_size):
        self.ledger = ledger
        self.limits = limits
        self.capacity = capacity
        self.limit = capacity - reserve
        self.full_count = full_count
        self.full_size = full_size
        self.blocks.most = min(MOST_KEPT, self.limit // 4)
        self.bell = PyThread_allocate_lock()
        if self.bell == NULL:
            raise MemoryError("no lock for the buffer")
        PyThread_acquire_lock(self.bell, 1)

    def __dealloc__(self):
        cdef int lane
        for lane in range(LANES):
            self.discard(lane)
        self.release_parked()
        free_blocks(&self.blocks)
        if self.bell != NULL:
            PyThread_free_lock(self.bell)

    # -- admission, on the span's thread

    cdef int admit(self, const char* data, size_t size, object span, int lane, Group group,
                   Decision* decision, const Gap* gap=NULL, Keeper keeper=None, uint64_t place=0) noexcept:
        """Store one encoded span that is being decided; returns PENDING, or the ending it gets for want of room.

        `span` is None for bytes, else the object a user's exporter will get, charged OBJECT_FACTOR times its size.
        `gap` is NULL, or tells what need not be stored. `keeper` is None, or has the span at `place` already.
        """
        cdef Record* record
        cdef bint twofold = keeper is not None or self.twofold and lane >= LANE_REPEATED and span is None
        cdef bint gapped = gap != NULL and gap.common != NULL and span is None
        cdef size_t stored = 0 if span is not None else size - gap.size if gapped else size
        if self.closed:
            return AFTER_SHUTDOWN       # shutdown came while the span was on its way here
        record = new_record(&self.blocks, block_of(stored, twofold, gapped))
        if record == NULL:
            return BUFFER_FULL
        record.next = NULL
        record.group = <PyObject*> group
        record.span = NULL
        record.size = <uint32_t> size
        record.lane = lane
        record.maybe_delivered = 0
        record.twofold = twofold
        record.gapped = gapped
        record.limiter = decision.limiter
        record.slot = decision.slot
        record.carried = decision.carried
        if gapped:
            gap_of(record)[0] = gap[0]
            self.used += claim(gap_of(record), self.generation)     # before others that share it are evicted
        if span is None:
            store_span(record, data)
        else:
            Py_INCREF(span)
            record.span = <PyObject*> span
        if not self.make_room(charge_of(record), lane):
            if gapped:
                self.used -= give_up_claim(gap_of(record))
            if lane == LANE_HEAD:
                self.refusing = True
            # The caller still owns a reference to `span`, so this cannot run a finaliser.
            Py_XDECREF(record.span)
            free(record)    # and not kept: the budget is spent
            self.release_parked()
            return BUFFER_FULL
        Py_INCREF(group)
        if gapped:
            Py_INCREF(<object> gap_of(record).common)
        self.sequence += 1
        record.sequence = self.sequence
        self.append(record)
        self.charge(charge_of(record))
        if twofold:
            make_twin(record, data, self.spool if keeper is None else keeper, place)
        self.ledger.deciding -= 1
        self.ring(lane)
        self.release_parked()
        return PENDING

    def offer(self, bytes data not None, int lane, Group group not None, span=None, uint64_t carried=0):
        """Store one encoded span as the path does; the ending's name, or None when it waits. For tests and tools."""
        cdef Decision decision
        cdef int ending
        decision.limiter = decision.slot = 0
        decision.carried = carried
        if not 0 <= lane < LANES:
            raise ValueError(f"lane is expected to be 0 to {LANES - 1}, got {lane}")
        self.ledger.begin()
        ending = self.admit(PyBytes_AS_STRING(data), len(data), span, lane, group, &decision)
        if ending == PENDING:
            return None
        self.ledger.settle(ending)
        return ENDINGS[ending]

    cdef bint make_room(self, size_t wanted, int lane) noexcept:
        """Evict until `wanted` bytes fit, nothing worth more than `lane`.

        Within LANE_HEAD the newcomer is refused instead of the oldest being evicted: during an outage a refusal
        costs 0.3 us, an eviction the encoding of every span that comes.
        """
        cdef int victim = 0
        cdef int most = lane if lane > LANE_HEAD else LANE_HEAD - 1
        if wanted > self.limit:
            return False
        while self.used - self.copied + wanted > self.limit:
            if self.undecided is not None and self.undecided.count and give_room(self.undecided, NULL, lane):
                continue
            while victim <= most and self.first[victim] == NULL:
                victim += 1
            if victim > most:
                return False
            self.evict(victim)
        return True

    cdef void evict(self, int lane) noexcept:
        cdef Record* record = self.pop(lane)
        if record.twofold:
            leave_twin(record)
        self.lose(record, DELIVERY_UNKNOWN if record.maybe_delivered else EVICTED)

    cdef void lose(self, Record* record, int ending) noexcept:
        """End a record that is in no lane, undelivered as far as we know."""
        if ending != DELIVERY_UNKNOWN and ending != SPOOLED and record.carried:
            # Whether a span without an answer brought its count home is unknown; giving back could count twice.
            self.limits.give_back(record.limiter, record.slot, record.carried)
        self.end(record, ending)

    cdef void end(self, Record* record, int ending) noexcept:
        """Count the one ending of a record that is in no lane, and free it."""
        if record.twofold and ending != SPOOLED:
            settle_twin(record)
        self.ledger.ending[ending] += 1
        self.used -= charge_of(record)
        if record.gapped:
            self.used -= give_up_claim(gap_of(record))
        self.refusing = False
        if record.span == NULL:
            release(&self.blocks, record)
        else:
            record.next = self.parked
            self.parked = record

    cdef void release_parked(self) noexcept:
        """Drop the references of ended records; may run finalisers, which may come back here."""
        cdef Record* record
        cdef PyObject* span
        while self.parked != NULL:
            record = self.parked
            self.parked = record.next
            span = record.span
            release(&self.blocks, record)
            Py_XDECREF(span)
        if self.undecided is not None:
            self.undecided.free_gone()

    # -- lanes

    cdef inline void append(self, Record* record) noexcept:
        cdef int lane = record.lane
        if self.last[lane] == NULL:
            self.first[lane] = record
        else:
            self.last[lane].next = record
        self.last[lane] = record
        self.lane_count[lane] += 1
        self.waiting_size += record.size

    cdef inline void put_back(self, Record* record) noexcept:
        """Return a record to the front of its lane; call in reverse order to keep the lane's order."""
        cdef int lane = record.lane
        record.next = self.first[lane]
        self.first[lane] = record
        if self.last[lane] == NULL:
            self.last[lane] = record
        self.lane_count[lane] += 1
        self.waiting_size += record.size

    cdef inline Record* pop(self, int lane) noexcept:
        cdef Record* record = self.first[lane]
        self.first[lane] = record.next
        if record.next == NULL:
            self.last[lane] = NULL
        record.next = NULL
        self.lane_count[lane] -= 1
        self.waiting_size -= record.size
        return record

    cdef inline void charge(self, size_t size) noexcept:
        self.used += size
        if self.used > self.peak:
            self.peak = self.used
        if self.used + self.blocks.kept > self.capacity:
            free_blocks(&self.blocks)

    cdef void discard(self, int lane) noexcept:
        """Free a lane without counting."""
        cdef Record* record
        while self.first[lane] != NULL:
            record = self.pop(lane)
            record.next = self.parked
            self.parked = record

    # -- the bell

    cdef inline void ring(self, int lane) noexcept:
        """Wake the worker if it sleeps for what has just arrived; sem_post is safe in a signal handler."""
        if not self.asleep:
            return
        if (self.wake_for & WAKE_FIRST
                or self.wake_for & WAKE_ERROR and lane >= LANE_REPEATED
                or self.wake_for & WAKE_FULL and self.batch_is_full()):
            self.asleep = False
            PyThread_release_lock(self.bell)

    cdef inline bint batch_is_full(self) noexcept:
        return self.waiting_size >= self.full_size or self.waiting() >= self.full_count

    cdef inline size_t waiting(self) noexcept:
        return self.lane_count[0] + self.lane_count[1] + self.lane_count[2] + self.lane_count[3]

    def wake(self):
        """Wake the worker whatever it waits for; one that is about to sleep looks once more before."""
        if self.asleep:
            self.asleep = False
            PyThread_release_lock(self.bell)
        else:
            self.sleepless = True

    def sleep(self, double seconds, bint first, bint error, bint full):
        """Wait at most `seconds`, or until a span arrives that the flags name; for the worker's own OS thread.

        A raw lock and not a threading.Event: the hook that rings it may run in a signal handler, and under gevent
        the worker is a real thread outside any hub.
        """
        cdef long long microseconds = <long long> (min(seconds, 3600.0) * 1e6)
        cdef PyLockStatus status
        # Between the worker's look at the lanes and this line another thread may have run.
        if (self.sleepless or microseconds <= 0
                or first and self.waiting() > 0
                or error and self.errors_waiting > 0
                or full and self.batch_is_full()):
            self.sleepless = False
            return
        self.wake_for = first * WAKE_FIRST + error * WAKE_ERROR + full * WAKE_FULL
        self.asleep = True
        with nogil:
            status = PyThread_acquire_lock_timed(self.bell, microseconds, 0)
        if status != PY_LOCK_ACQUIRED and not self.asleep:
            # Rung between the time-out and our return to the GIL: take the ring back, or the next sleep is none.
            PyThread_acquire_lock(self.bell, 0)
        self.asleep = False

    # -- what the worker asks

    @property
    def kept_bytes(self):
        """Memory of spans that are gone, for those that come; never more than the budget has room for. For tests."""
        return self.blocks.kept

    @property
    def newest(self):
        """Sequence number of the newest span ever admitted."""
        return self.sequence

    @property
    def errors_waiting(self):
        return self.lane_count[LANE_REPEATED] + self.lane_count[LANE_FIRST]

    @property
    def spans_waiting(self):
        return self.waiting()

    @property
    def lanes(self):
        """Spans waiting in each lane, the least valuable first."""
        return [self.lane_count[lane] for lane in range(LANES)]

    @property
    def sleeping(self):
        """Whether the worker waits for the bell."""
        return self.asleep

    @property
    def full(self):
        """Whether a complete batch is waiting."""
        return self.batch_is_full()

    def books(self):
        """(ended, recovered, endings, deciding, undecided, waiting, in flight, used, peak): of one moment."""
        cdef uint64_t[MOST_ENDINGS] ending = self.ledger.ending
        cdef uint64_t ended = self.ledger.ended + self.ledger.went_on()
        cdef uint64_t recovered = self.ledger.recovered
        cdef int64_t deciding = self.ledger.deciding + self.ledger.went_on()
        cdef size_t undecided = 0 if self.undecided is None else self.undecided.count
        cdef size_t waiting = self.waiting()
        cdef size_t in_flight = self.in_flight
        cdef size_t used = self.used
        cdef size_t peak = self.peak
        # The first object made below may run the garbage collector, and that other threads and finalisers.
        endings = {name: ending[index] for index, name in enumerate(ENDINGS)}
        return ended, recovered, endings, deciding, undecided, waiting, in_flight, used, peak

    def settled(self, uint64_t sequence):
        """Whether every span admitted up to `sequence` has met its ending."""
        cdef int lane
        if self.in_flight and self.flying_from <= sequence:
            return False
        for lane in range(LANES):
            if self.first[lane] != NULL and self.first[lane].sequence <= sequence:
                return False
        return True

    def close(self):
        """Admit nothing more."""
        self.closed = True
        self.blocks.most = 0
        free_blocks(&self.blocks)

    def give_up(self):
        """End every waiting span undelivered (or with delivery unknown where it was sent without an answer), except
        what the next process will find in the spool."""
        cdef int lane
        cdef Record* record
        self.abandoned = True
        for lane in range(LANES):
            while self.first[lane] != NULL:
                record = self.pop(lane)
                if record.twofold and has_twin(record):
                    self.lose(record, SPOOLED)
                else:
                    self.lose(record, DELIVERY_UNKNOWN if record.maybe_delivered else UNDELIVERED)
        self.release_parked()

    def restart_in_child(self):
        """Forget the parent's spans after a fork; they are the parent's to send."""
        cdef int lane
        self.spool = None
        for lane in range(LANES):
            self.discard(lane)
        self.generation += 1
        self.used = self.peak = self.in_flight = self.copied = 0
        self.refusing = self.asleep = self.sleepless = False
        # The parent's worker may have held or rung the bell when the memory was copied.
        self.bell = PyThread_allocate_lock()
        PyThread_acquire_lock(self.bell, 1)
        self.release_parked()               # last: a finaliser may end spans, and those are the child's
