"""Scope "trace": what waits for the decision on its trace, and how it is let go.

`Undecided` exists where the scope of the processor or of a rule is "trace". A trace is decided when an error with that
scope is kept (then it is kept), when its last open span ends, after a time limit, at shutdown, or when more traces are
open than are remembered. Every step looks its trace up again: between two of them Python code may have run, and spans
of the same trace may have ended in it.
"""

cimport cython
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    NOT_HELD = -3           # neither waiting nor ended: its trace was decided while the span was on its way
    EXPIRED_A_SPAN = 2      # traces that the start of a span gives up at most for their age


cdef struct Standing:       # of a span in its trace
    bint follows            # the trace is kept already
    bint partial
    uint32_t left_out       # spans below it that gave up their room


@cython.final
@cython.no_gc_clear         # __dealloc__ needs the traces
cdef class Undecided:
    """The spans that wait, under the buffer's budget, and the traces they wait for."""
    cdef Traces traces
    cdef Buffer buffer
    cdef Ledger ledger
    cdef Limits limits
    cdef object rebuild             # as Path's
    cdef bint erases                # stands beside another processor
    cdef uint64_t floor             # as Path's
    cdef size_t count               # spans that wait
    cdef size_t most_bytes          # of one trace
    cdef uint64_t most_ns           # that a trace waits
    cdef uint64_t pulled
    cdef uint64_t generation        # grows in a forked child
    cdef Held* gone                 # ended ones whose references are still to be dropped
    cdef object late_rule           # of whom the fields below are
    cdef bint late_partial
    cdef bytes late_fields
    cdef int late_weight            # for what the trace state below stands
    cdef uint64_t late_threshold
    cdef bytes late_state

    def __cinit__(self, Buffer buffer, Ledger ledger, Limits limits, rebuild, bint erases, uint64_t most_ns):
        self.traces = Traces()
        self.buffer = buffer
        self.ledger = ledger
        self.limits = limits
        self.rebuild = rebuild
        self.erases = erases
        self.most_ns = most_ns
        # One trace that never stops growing leaves room for the others.
        self.most_bytes = buffer.limit // 4

    def __dealloc__(self):
        self.forget()
        self.free_gone()

    # -- the hooks

    cdef int opened(self, object span) except -1:
        """Count a span that starts."""
        cdef uint64_t high, low
        cdef uint64_t now = 0
        cdef OpenSpan started
        cdef Trace* trace
        cdef object context = started_part(span, "_context", "context")
        cdef object parent
        if not trace_key(context, &high, &low):
            return 0
        parent = started_part(span, "_parent", "parent")
        started.span = span_number(context)
        started.parent = 0 if parent is None or context_is_remote(parent) else span_number(parent)
        started.left_out = 0
        if self.traces.find(high, low) == NULL:
            now = self.limits.now()
            self.expire(now, EXPIRED_A_SPAN)
            while self.traces.count >= MOST_TRACES:
                self.give_up(self.traces.oldest, now)
        trace = self.traces.find(high, low)
        if trace == NULL:
            trace = self.traces.begin(high, low, now, started.parent != 0)
            if trace == NULL:
                raise MemoryError("no memory for a trace")
        self.traces.open(trace, &started)
        return 0

    cdef void ended(self, object span) noexcept:
        """Count a span that has ended, after everything else; the last one decides the trace."""
        cdef uint64_t high, low, number
        cdef Trace* trace
        cdef object context
        try:
            context = span_context(span)
            if trace_key(context, &high, &low):
                number = span_number(context)
                trace = self.traces.find(high, low)
                if trace != NULL and self.traces.close(trace, number):
                    self.finish(trace)
        except BaseException as error:
            swallowed(self.ledger, "scope", error)

    cdef object ask(self, object context, Mark* mark, object rule, Standing* out):
        """Add what was decided of the span's trace to its mark; answers the name of the rule that marks it, or None."""
        cdef uint64_t high, low, number
        cdef Trace* trace
        cdef Past* past
        cdef OpenSpan* opened
        cdef Mark reason
        if not trace_key(context, &high, &low):
            return rule
        number = span_number(context)
        trace = self.traces.find(high, low)
        if trace != NULL:
            opened = open_span(trace, number)
            out.left_out = opened.left_out if opened != NULL else 0
            out.partial = trace.partial
            reason = trace.ruling
        else:
            past = self.traces.past_of(high, low)
            out.partial = past != NULL
            reason.span = past != NULL and past.rule != NULL
            if reason.span:
                reason.rule, reason.threshold, reason.weight = past.rule, past.threshold, past.weight
                reason.lane = LANE_OFF_PATH
        if reason.span == 0:
            return rule
        out.follows = True
        if mark.span != 0:
            better(&mark.threshold, &mark.weight, &reason)
            return rule
        mark[0] = reason
        return <object> reason.rule

    cdef bint wants(self, object context, Decision* decision, bint sampled) except -1:
        """Whether a span that neither follows nor decides its trace waits for it."""
        cdef uint64_t high, low, number
        cdef Trace* trace
        if decision.action == DROP and decision.rule < 0:
            return False    # the application itself said no
        if decision.action == KEEP and (decision.weight != TH_SET or decision.threshold == 0 or self.erases):
            return False    # it stands for itself already
        if self.buffer.closed or not trace_key(context, &high, &low):
            return False
        if decision.action == HEAD and sampled and head_threshold(context_trace_state(context), low) == 0:
            return False
        number = span_number(context)
        trace = self.traces.find(high, low)
        # The last open span decides the trace, so it need not wait for that.
        if trace == NULL or trace.ruling.span != 0 or self.traces.only(trace, number):
            return False
        # What waits for its weight alone cannot be thinned: it leaves half of the room to others.
        return not is_wanted(decision, sampled) or not is_crowded(self, trace)

    cdef int hold(self, object context, const char* data, size_t size, object behind, bint is_object, Group group,
                  Decision* decision, bint sampled, int names) except -2:
        """PENDING where the span waits now, THINNED where there is no room, NOT_HELD where its trace is decided."""
        cdef uint64_t high, low, number
        cdef Trace* trace
        cdef OpenSpan* opened
        cdef Held* held
        cdef bint fits
        if not trace_key(context, &high, &low):
            return NOT_HELD
        number = span_number(context)
        held = new_held(data, size, behind, is_object, group)
        if held == NULL:
            return NOT_HELD
        held.action = decision.action
        held.lane = decision.lane
        held.names = names
        if decision.action == KEEP:
            held.own = decision.threshold
        elif decision.action == SUPPRESSED:
            held.own = <uint64_t> decision.limiter << 32 | decision.slot
        if is_wanted(decision, sampled):
            held.flags |= WANTED
        # From here to the commit no Python code runs, but for the references that thinning drops at its end.
        trace = self.traces.find(high, low)
        if trace == NULL or self.buffer.closed or trace.ruling.span != 0:
            self.park(held)
            self.free_gone()
            return NOT_HELD
        fits = room_to_wait(self, weight_of(held), trace)
        opened = open_span(trace, number)
        if opened != NULL:
            # Its children that just made room for it are among them.
            held.left_out = decision.left_out = opened.left_out
        if not fits:
            if not held.flags & WANTED:
                refuse(trace, held)
            self.park(held)
            self.free_gone()
            return THINNED
        self.append(trace, held)
        self.count += 1
        self.buffer.charge(weight_of(held))
        self.ledger.deciding -= 1
        self.free_gone()
        return PENDING

    cdef void pull_in(self, object span, object context, object rule, Decision* decision, Marks marks,
                      uint64_t* rehearsed) noexcept:
        """An error is kept, and its ending certain: keep its trace. `rehearsed` are spans by action, in a dry run."""
        cdef uint64_t high, low, above
        cdef uint64_t number = 0
        cdef Trace* trace
        cdef Mark ruling
        cdef object parent
        cdef int action
        cdef bint known = False
        try:
            parent = span_parent(span)
            if parent is not None:
                number = span_number(parent)
            known = trace_key(context, &high, &low)
        except BaseException as error:
            swallowed(self.ledger, "scope", error)
        if not known:
            return
        ruling.trace, ruling.span, ruling.rule, ruling.moment = low, 1, <PyObject*> rule, 0
        ruling.threshold, ruling.lane = decision.threshold, LANE_OFF_PATH
        ruling.weight = TH_SET if decision.weight == TH_SET or decision.weight == TH_LEAST else TH_ERASED
        trace = self.traces.find(high, low)
        if trace == NULL:
            self.traces.remember(high, low, &ruling)
            return
        self.traces.rule(trace, &ruling)
        for action in range(5):
            rehearsed[action] -= trace.rehearsed[action]
            rehearsed[KEEP] += trace.rehearsed[action]
            trace.rehearsed[action] = 0
        if trace.held:
            above = mark_chain(trace, number, decision.lane)
            if above:
                ruling.lane = decision.lane
                marks.set(low, above, rule, &ruling)
            self.release(trace)

    cdef void rehearse(self, object context, int action) noexcept:
        """A span would wait, and its ending is certain: note what would become of it by itself."""
        cdef uint64_t high, low
        cdef Trace* trace
        try:
            if trace_key(context, &high, &low):
                trace = self.traces.find(high, low)
                if trace != NULL:
                    trace.rehearsed[action] += 1
        except BaseException as error:
            swallowed(self.ledger, "scope", error)

    # -- deciding traces

    cdef void finish(self, Trace* trace) noexcept:
        """The last open span has ended."""
        cdef Mark ruling = trace.ruling
        cdef Held* held = self.detach(trace)
        if ruling.span != 0 or trace.partial or lets_go(held):
            self.traces.remember(trace.high, trace.low, &ruling)
        self.traces.remove(trace)
        self.let_go(held, NULL, None, False)

    cdef void give_up(self, Trace* trace, uint64_t now) noexcept:
        """Decide a trace that has open spans; they are forgotten with it where there are too many."""
        cdef Held* held = self.detach(trace)
        if self.traces.count >= MOST_TRACES or held == NULL:
            if trace.ruling.span != 0 or trace.partial or lets_go(held):
                self.traces.remember(trace.high, trace.low, &trace.ruling)
            self.traces.remove(trace)
        else:
            # What ends from now on waits anew: an error may still come, and then brings what there is.
            trace.partial = True
            trace.since = now
            self.traces.unlink(trace)
            self.traces.append(trace)
        self.let_go(held, NULL, None, False)

    cdef int expire(self, uint64_t now, int most) except -1:
        """Decide at most so many traces whose time is up; answers how many it were."""
        cdef Trace* trace = self.traces.oldest
        cdef int done = 0
        # A clock that was set back makes no trace old.
        while done < most and trace != NULL and now > trace.since and now - trace.since >= self.most_ns:
            self.give_up(trace, now)
            trace = self.traces.oldest
            done += 1
        return done

    cdef object overdue(self, uint64_t now):
        """Decide what is due; seconds until the next trace is, None where there is none."""
        cdef Trace* trace
        self.expire(now, MOST_TRACES)
        trace = self.traces.oldest
        if trace == NULL:
            return None
        return (self.most_ns - (now - trace.since if now > trace.since else 0)) / 1e9

    cdef void settle(self, bint all_spans) noexcept:
        """Decide every trace, at shutdown; or let only those go that are exported anyway, for a flush."""
        cdef size_t rounds = 0
        cdef Trace* trace = self.traces.waiting
        cdef Held* held
        while trace != NULL:
            rounds += 1
            trace = trace.after
        trace = self.traces.waiting
        while trace != NULL and rounds > 0:
            rounds -= 1
            held = self.detach(trace) if all_spans else self.detach_wanted(trace)
            trace.partial |= all_spans
            self.let_go(held, NULL, None, False)
            trace = self.traces.waiting

    cdef void retire(self) noexcept:
        """Decide and forget every trace: no scope is "trace" any more."""
        while self.traces.waiting != NULL:
            self.settle(True)
        self.traces.clear()

    cdef void release(self, Trace* trace) noexcept:
        """Let go what waits for a trace that is kept."""
        cdef Mark ruling = trace.ruling
        cdef object rule = <object> ruling.rule     # the trace may be gone before the last span is
        self.let_go(self.detach(trace), &ruling, rule, trace.partial)

    cdef Held* detach(self, Trace* trace) noexcept:
        """Take away what waits for a trace."""
        cdef Held* first = trace.first
        if trace.held:
            self.traces.stop_waiting(trace)
        trace.first = trace.last = NULL
        trace.held = trace.spare = 0
        trace.bytes = 0
        return first

    cdef Held* detach_wanted(self, Trace* trace) noexcept:
        """Take away what is exported anyway."""
        cdef Held* held = self.detach(trace)
        cdef Held* wanted = NULL
        cdef Held** end = &wanted
        cdef Held* next
        while held != NULL:
            next = held.next
            held.next = NULL
            if held.flags & WANTED:
                end[0] = held
                end = &held.next
            else:
                self.append(trace, held)
            held = next
        return wanted

    cdef void append(self, Trace* trace, Held* held) noexcept:
        if trace.held == 0:
            self.traces.wait(trace)
            trace.first = held
            trace.least, trace.rest = LANES + 1, 0
        else:
            trace.last.next = held
        trace.last = held
        trace.least = min(trace.least, worth_of(held))
        trace.spare += is_spare(held)
        trace.held += 1
        trace.bytes += weight_of(held)

    # -- letting go

    cdef void let_go(self, Held* held, Mark* ruling, object rule, bint partial) noexcept:
        """Give the spans of a list their endings, or their places in the buffer; `ruling` NULL: each its own."""
        cdef uint64_t generation = self.generation
        cdef Held* next
        while held != NULL:
            next = held.next
            if generation != self.generation:
                self.park(held)             # forked in the middle: they are the parent's
            elif ruling == NULL and not held.flags & WANTED:
                self.end(held, ending_of(held.action))
            else:
                send(self, held, ruling, rule, partial)
            held = next
        self.free_gone()

    cdef inline void leave(self, Held* held) noexcept:
        self.count -= 1
        self.buffer.used -= weight_of(held)
        self.buffer.refusing = False
        self.park(held)

    cdef inline void end(self, Held* held, int ending) noexcept:
        """Give a span that is in no list its one ending."""
        self.ledger.ending[ending] += 1
        self.leave(held)

    cdef inline void park(self, Held* held) noexcept:
        held.next = self.gone
        self.gone = held

    cdef void free_gone(self) noexcept:
        """Drop what is behind spans that are gone; may run finalisers, which may come back here."""
        cdef Held* held
        while self.gone != NULL:
            held = self.gone
            self.gone = held.next
            free_held(held)

    # -- fork

    cdef void forget(self) noexcept:
        """Drop everything without counting."""
        cdef Held* held
        cdef Held* next
        self.generation += 1
        while self.traces.waiting != NULL:
            held = self.detach(self.traces.waiting)
            while held != NULL:
                next = held.next
                self.park(held)
                held = next
        self.count = 0
        self.pulled = 0
        self.traces.clear()
