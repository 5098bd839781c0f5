"""Limits of rules: token buckets and fixed windows, with the count of what they left out.

Memory is fixed per limited rule: one slot, or 1024 where it counts by keys (24 bytes each). Keys share a slot when
their hashes collide, and then they share its budget; the sums stay exact, because a slot's suppressed count is handed
on once, whichever of its keys is kept next. A slot is read and written without running Python code in between, so the
GIL is all the locking there is.
"""

cimport cython
from cpython.dict cimport PyDict_Next
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef enum:
    SLOTS_PER_LIMITER = 1024    # a power of two: the slot is the low bits of the key's hash
    MAX_LIMITERS = 1000         # as many as a rule set can have rules, so those of the newest table always fit
    ENDED_LIMITERS = 1024       # remembered for the counts of spans that are lost after their rules were exchanged


cdef struct LimitSlot:
    uint64_t moment         # bucket: when it was last refilled, ns; window: its number since the clock's origin
    uint64_t spent          # bucket: what is not refilled yet, in ns of unit times N; window: spans so far
    int64_t suppressed      # since the last kept span; below 0 where one that was carried is exported after all


@cython.final
cdef class Limiter:
    """The budget of one rule: `spans` per `unit` ns and slot."""
    cdef readonly str name      # of the rule, and its action
    cdef Py_hash_t rule         # the name of the rule alone, hashed
    cdef bint ended             # no longer in force; a span that began before may still be decided by it
    cdef int64_t inherited      # suppressed by earlier limits of the rule; carried by the next kept span of any slot
    cdef uint32_t number, slots
    cdef uint64_t spans, unit
    cdef LimitSlot* memory

    def __cinit__(self, str name, uint32_t number, uint32_t slots, uint64_t spans, uint64_t unit):
        self.name = name
        self.rule = hash(name.partition(":")[0])
        self.number = number
        self.slots = slots
        self.spans = spans
        self.unit = unit
        self.memory = <LimitSlot*> calloc(slots, sizeof(LimitSlot))
        if self.memory == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.memory)


cdef inline bint spend_token(Limiter limiter, LimitSlot* slot, uint64_t now) noexcept:
    """Take a token of the bucket: N per unit, at most N saved up; whether there was one.

    A token costs `unit`, and `spans` come back per ns: whole numbers, so no rate drifts. At most 1e6 * 3.6e12, which
    fits 64 bits, is ever spent.
    """
    cdef uint64_t passed = now - slot.moment if now > slot.moment else 0
    if passed >= limiter.unit or passed * limiter.spans >= slot.spent:
        slot.spent = 0
    else:
        slot.spent -= passed * limiter.spans
    if now > slot.moment:
        slot.moment = now
    if slot.spent > (limiter.spans - 1) * limiter.unit:
        return False
    slot.spent += limiter.unit
    return True


cdef inline bint spend_place(Limiter limiter, LimitSlot* slot, uint64_t now) noexcept:
    """Take a place among the first N of the present window; whether there was one."""
    cdef uint64_t window = now // limiter.unit
    if window > slot.moment:
        slot.moment = window
        slot.spent = 0
    if slot.spent >= limiter.spans:
        return False
    slot.spent += 1
    return True


cdef inline uint64_t take_suppressed(Limiter limiter, LimitSlot* slot) noexcept:
    cdef int64_t count = slot.suppressed + limiter.inherited
    if count < 0:
        return 0
    slot.suppressed = limiter.inherited = 0
    return count


cdef int64_t suppressed_by(Limiter limiter) noexcept:
    """What no kept span has carried yet."""
    cdef int64_t total = limiter.inherited
    cdef uint32_t slot
    for slot in range(limiter.slots):
        total += limiter.memory[slot].suppressed
    return total


cdef struct Ended:
    uint32_t number
    Py_hash_t rule


@cython.final
cdef class Limits:
    """All limits of a processor; they outlive a swap of the rules.

    A limit goes on where the new rules have a rule of the same name with the same action. Where the rule of that name
    has another limit, what the former one suppressed is inherited by it; where it has none, or is gone, nothing can
    carry the count, and it is added to `unreported`. `clock` returns monotonic ns as an int (for tests); None reads
    CLOCK_MONOTONIC.
    """
    cdef dict limiters          # by name, the one unclaimed for longest first
    cdef uint32_t last_number
    cdef object clock
    cdef Ended[ENDED_LIMITERS] ended    # a ring
    cdef uint32_t ends
    cdef readonly int64_t unreported

    def __init__(self, clock=None):
        self.limiters = {}
        self.clock = clock

    cdef Limiter claim(self, str name, bint keyed, uint64_t spans, uint64_t unit):
        """The limiter of that name, made where there is none; the one unclaimed for longest makes room."""
        cdef Limiter limiter = self.limiters.pop(name, None)
        if limiter is None:
            self.last_number += 1
            limiter = Limiter(name, self.last_number, SLOTS_PER_LIMITER if keyed else 1, spans, unit)
        self.limiters[name] = limiter
        if len(self.limiters) > MAX_LIMITERS:
            self.end(self.limiters.pop(next(iter(self.limiters))))
        return limiter

    cdef void end_all_but(self, list claimed):
        """The table with these limiters is in force."""
        names = {(<Limiter> limiter).name for limiter in claimed}
        for name in [name for name in self.limiters if name not in names]:
            self.end(self.limiters.pop(name))

    cdef void end(self, Limiter limiter) noexcept:
        cdef Ended* entry = &self.ended[self.ends % ENDED_LIMITERS]
        self.ends += 1
        entry.number = limiter.number
        entry.rule = limiter.rule
        limiter.ended = True
        self.bequeath(limiter.rule, suppressed_by(limiter))

    cdef void bequeath(self, Py_hash_t rule, int64_t count) noexcept:
        """Give a count to the present limit of a rule."""
        cdef Py_ssize_t place = 0
        cdef PyObject* found
        while count and PyDict_Next(self.limiters, &place, NULL, &found):
            if (<Limiter> found).rule == rule:
                (<Limiter> found).inherited += count
                return
        self.unreported += count

    cdef inline void leave_out(self, Limiter limiter, LimitSlot* slot) noexcept:
        """Count a suppressed span."""
        if limiter.ended:
            self.bequeath(limiter.rule, 1)
        else:
            slot.suppressed += 1

    cdef uint64_t now(self) except? 0:
        cdef timespec moment
        if self.clock is not None:
            return <uint64_t> self.clock()
        clock_gettime(CLOCK_MONOTONIC, &moment)
        return <uint64_t> moment.tv_sec * 1000000000 + <uint64_t> moment.tv_nsec

    cpdef void give_back(self, uint32_t limiter, uint32_t slot, int64_t count) noexcept:
        """Add the count a lost span carried to its slot again. Neither allocates nor runs Python code.

        -1 takes back a suppressed span that is exported after all, although its count may have been carried already.

        Where the limit has ended, its rule's present one inherits it; of limits that ended long ago nothing is known.
        """
        cdef Py_ssize_t place = 0
        cdef PyObject* found
        cdef int entry
        while PyDict_Next(self.limiters, &place, NULL, &found):
            if (<Limiter> found).number == limiter and slot < (<Limiter> found).slots:
                (<Limiter> found).memory[slot].suppressed += count
                return
        for entry in range(ENDED_LIMITERS):
            if self.ended[entry].number == limiter and limiter:
                self.bequeath(self.ended[entry].rule, count)
                return
        self.unreported += count

    def pending(self):
        """How many spans each limiter has suppressed that no kept span has carried yet, as {limiter: count}."""
        cdef Limiter limiter
        return {limiter.name: suppressed_by(limiter) for limiter in list(self.limiters.values())}

    def reset(self):
        """Fill every budget and forget every count: a forked child starts at zero, its parent reports the rest."""
        cdef Limiter limiter
        for limiter in self.limiters.values():
            limiter.inherited = 0
            memset(limiter.memory, 0, limiter.slots * sizeof(LimitSlot))
        memset(self.ended, 0, sizeof(self.ended))
        self.unreported = 0
