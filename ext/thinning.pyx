"""Room for spans that wait: a trace is thinned before it is cut.

Healthy leaves go first, the oldest of the trace that was thinned longest ago; then what became a leaf by that. What is
above an open span stays, although it may have ended: an error may still come below it. A span that stays says how many
below it did not. Only where nothing is left to thin does a trace lose all that waits for it.

A pass looks at every span of one trace, of which it lets a quarter go where it can: some ten looks for each span that
ends. Where it cannot, the trace is not looked at again for as many ends as that quarter, and never where nothing of it
may go. Entered under the GIL, in the middle of a commit: nothing here runs Python code, references are parked.
"""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

cdef enum:
    MOST_LOOKS = 64         # traces in which something to thin is looked for


cdef struct Kin:
    uint64_t span           # 0: a free place
    Held* held              # NULL where it does not wait
    uint32_t children       # of it that wait or are open
    uint32_t gone           # of these


cdef struct Family:
    Kin* kin                # NULL: no memory to tell leaves from others
    size_t mask


cdef inline bint is_crowded(Undecided owner, Trace* trace) noexcept:
    """Whether a trace takes half of what it may, or the buffer half of its budget."""
    cdef Buffer buffer = owner.buffer
    return trace.bytes > owner.most_bytes // 2 or buffer.used - buffer.copied > buffer.limit // 2


cdef bint room_to_wait(Undecided owner, size_t size, Trace* trace) noexcept:
    """Make room for a span of `trace` that is to wait; whether there is some."""
    cdef Buffer buffer = owner.buffer
    if trace.bytes + size > owner.most_bytes:
        thin(owner, trace, trace.bytes + size - owner.most_bytes)
        if trace.bytes + size > owner.most_bytes:
            return False
    while buffer.used - buffer.copied + size > buffer.limit:
        if not give_room(owner, trace, LANE_OFF_PATH):
            return False
    return True


cdef bint give_room(Undecided owner, Trace* own, int lane) noexcept:
    """Let some of what waits go, for a span of `lane`, or one of the trace `own` that is to wait; whether it did."""
    cdef Traces traces = owner.traces
    cdef Trace* begun
    cdef Trace* trace
    cdef int looks = 0
    begun = traces.waiting
    while looks < MOST_LOOKS and begun != NULL:
        looks += 1
        trace = traces.waiting
        traces.stop_waiting(trace)
        traces.wait(trace)
        if thin(owner, trace, 0):
            return True
        if traces.waiting == begun:
            break
    trace = begun           # and after it those that were looked at
    while trace != NULL:
        if trace != own and cut(owner, trace, lane):
            return True
        trace = trace.after
    return False


cdef bint thin(Undecided owner, Trace* trace, size_t wanted) noexcept:
    """Let healthy leaves of a trace go, at least a quarter of its bytes where there are so many; whether any went."""
    cdef Family family
    cdef size_t before = trace.bytes
    cdef size_t target = before - min(before, max(wanted, before // 4))
    cdef int generation
    cdef Held* held
    cdef Held* previous
    cdef Held* next
    cdef uint64_t span, parent
    if trace.spare == 0:
        return False
    if trace.rest > 0:
        trace.rest -= 1
        return False
    gather(&family, trace)
    for generation in range(2):
        previous = NULL
        held = trace.first
        while held != NULL and trace.bytes > target:
            next = held.next
            ids_in(held.data, &span, &parent)
            if not is_spare(held) or not is_leaf(&family, held, span, generation):
                previous = held
            else:
                drop_from(owner, trace, previous, held, THINNED)
                tell_parent(&family, trace, parent, 1 + held.left_out)
            held = next
    free(family.kin)
    if trace.bytes > target:
        trace.rest = trace.held // 4
    return trace.bytes < before


cdef bint cut(Undecided owner, Trace* trace, int lane) noexcept:
    """Let all go that waits for a trace; what is exported anyway only for a span that is worth more than it."""
    cdef size_t before = trace.bytes
    cdef Held* held = trace.first
    cdef Held* previous = NULL
    cdef Held* next
    if trace.least > lane:
        return False
    while held != NULL:
        next = held.next
        if worth_of(held) > lane:
            previous = held
        else:
            drop_from(owner, trace, previous, held, EVICTED if held.flags & WANTED else THINNED)
        held = next
    trace.least = lane + 1
    return trace.bytes < before


cdef void drop_from(Undecided owner, Trace* trace, Held* previous, Held* held, int ending) noexcept:
    if previous == NULL:
        trace.first = held.next
    else:
        previous.next = held.next
    if trace.last == held:
        trace.last = previous
    trace.held -= 1
    trace.spare -= is_spare(held)
    trace.bytes -= weight_of(held)
    trace.partial = True
    if trace.held == 0:
        owner.traces.stop_waiting(trace)
    owner.end(held, ending)


cdef void refuse(Trace* trace, Held* held) noexcept:
    """Say that there was no room for a span."""
    cdef uint64_t span, parent
    cdef OpenSpan* opened
    ids_in(held.data, &span, &parent)
    opened = open_span(trace, parent) if parent else NULL
    if opened != NULL:
        opened.left_out += 1 + held.left_out
    trace.partial = True


# -- who is whose child

cdef void gather(Family* family, Trace* trace) noexcept:
    cdef size_t places = 64
    cdef Held* held = trace.first
    cdef uint64_t span, parent
    cdef uint32_t place
    while places < 4 * (<size_t> trace.held + trace.known):
        places *= 2
    family.kin = <Kin*> calloc(places, sizeof(Kin))
    family.mask = places - 1
    if family.kin == NULL:
        return
    while held != NULL:
        ids_in(held.data, &span, &parent)
        kin_of(family, span).held = held
        if parent:
            kin_of(family, parent).children += 1
        held = held.next
    for place in range(trace.known):
        if trace.opened[place].parent:
            kin_of(family, trace.opened[place].parent).children += 1


cdef inline Kin* kin_of(Family* family, uint64_t span) noexcept:
    """The place of a span, taken for it where it has none."""
    cdef size_t place = mixed(span) & family.mask
    while family.kin[place].span and family.kin[place].span != span:
        place = (place + 1) & family.mask
    family.kin[place].span = span
    return &family.kin[place]


cdef inline bint is_leaf(Family* family, Held* held, uint64_t span, int generation) noexcept:
    """Whether nothing is below a span; in the first generation nothing may ever have been."""
    cdef Kin* kin
    if family.kin == NULL:
        return True
    kin = kin_of(family, span)
    return kin.children == 0 and held.left_out == 0 if generation == 0 else kin.children == kin.gone


cdef void tell_parent(Family* family, Trace* trace, uint64_t parent, uint32_t count) noexcept:
    """Have the parent say how many are missing below it, if it is still here."""
    cdef OpenSpan* opened
    cdef Kin* kin
    if parent == 0 or family.kin == NULL:
        return
    kin = kin_of(family, parent)
    kin.gone += 1
    if kin.held != NULL:
        kin.held.left_out += count
        return
    opened = open_span(trace, parent)
    if opened != NULL:
        opened.left_out += count
