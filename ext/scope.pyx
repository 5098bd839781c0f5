"""How much around a kept error is kept: the marks by which its ancestors are known when they end.

When an error is kept with scope "path" its parent's id is marked; a marked span is kept when it ends, whatever the
rules and the head sampler say, and marks its own parent, up to the local root. Nothing is held back for it: children
end before their parents, or the parent is gone and its mark is never claimed.

Memory is fixed: 1024 sets of 4 marks, 40 bytes each. Where a set is full the mark that has waited longest goes, which
is one whose span ended before its child or never will; an error storm in more than 4096 open spans loses ancestors,
never errors. Everything here is C under the GIL and runs no Python code: the names that marks own are text.
"""

cimport cython
from cpython.long cimport PyLong_AsUnsignedLongLongMask, PyLong_Check
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset

cdef enum:
    MARK_SETS = 1024        # a power of two
    MARK_WAYS = 4

cdef enum:                  # how much around a span that a rule keeps is kept with it
    SCOPE_SPAN, SCOPE_PATH, SCOPE_TRACE
    UNSAID                  # as much as the processor says, around an error

cdef dict RULE_SCOPES = {"span": SCOPE_SPAN, "path": SCOPE_PATH, "trace": SCOPE_TRACE, "": UNSAID}

SCOPES = ("span", "path", "trace")


cdef struct Mark:
    uint64_t trace          # low half of the trace id
    uint64_t span           # 0: no mark
    uint64_t threshold      # the smallest of the reasons; with TH_SET
    PyObject* rule          # owned: the name of the rule that kept the error, or None
    uint32_t moment         # of marking, in marks
    uint8_t weight          # TH_SET, or TH_ERASED where every reason's rate is unknown
    uint8_t lane            # of the error: what explains it is worth as much


@cython.final
cdef class Marks:
    """Spans that are open, as far as we know, and will be kept when they end."""
    cdef Mark[MARK_SETS][MARK_WAYS] marks
    cdef uint32_t count     # marks in place
    cdef uint32_t moment

    def __dealloc__(self):
        self.clear()

    cdef void clear(self) noexcept:
        """Forget every mark: a forked child answers for its own spans only."""
        cdef int row, way
        for row in range(MARK_SETS):
            for way in range(MARK_WAYS):
                Py_XDECREF(self.marks[row][way].rule)
        memset(self.marks, 0, sizeof(self.marks))
        self.count = 0

    cdef inline Mark* find(self, uint64_t trace, uint64_t span) noexcept:
        cdef Mark* row = self.marks[mixed(trace ^ span) & (MARK_SETS - 1)]
        cdef int way
        for way in range(MARK_WAYS):
            if row[way].span == span and row[way].trace == trace:
                return &row[way]
        return NULL

    cdef object take(self, object context, Mark* out):
        """Claim the mark of a span that ends, `out.span` 0 where it has none; the name of the rule in it, or None."""
        cdef Mark* found = NULL
        cdef object rule
        out.span = 0
        if self.count > 0:
            found = self.find(trace_bits(context), span_number(context))
        if found == NULL or found.span == 0:
            return None
        out[0] = found[0]
        memset(found, 0, sizeof(Mark))
        self.count -= 1
        rule = <object> out.rule
        Py_DECREF(rule)
        return rule

    cdef int put(self, object parent, object rule, Decision* decision, Mark* own) except -1:
        """Mark the local parent of a kept span, or of one that was marked itself, as `own` says.

        The head sampler is left out of the parent's reasons: it has its own word when the parent ends.
        """
        cdef uint64_t trace, span
        cdef Mark made
        if parent is None or context_is_remote(parent):
            return 0
        trace, span = trace_bits(parent), span_number(parent)
        if span == 0:
            return 0
        made.weight = TH_SET if decision.weight == TH_SET or decision.weight == TH_LEAST else TH_ERASED
        made.threshold = decision.threshold
        made.lane = decision.lane
        if decision.action != KEEP:
            made = own[0]
        self.set(trace, span, rule, &made)
        return 0

    cdef void set(self, uint64_t trace, uint64_t span, object rule, Mark* made) noexcept:
        """Mark a span, or give its mark one more reason."""
        cdef Mark* place = self.find(trace, span)
        if place == NULL:
            place = self.oldest(trace, span)
            self.count += place.span == 0
            Py_INCREF(rule)
            Py_XDECREF(place.rule)
            place[0] = made[0]
            place.trace, place.span, place.rule = trace, span, <PyObject*> rule
        else:
            place.lane = max(place.lane, made.lane)
            if made.weight == TH_SET:
                place.threshold = min(made.threshold, place.threshold) if place.weight == TH_SET else made.threshold
                place.weight = TH_SET
        self.moment += 1
        place.moment = self.moment

    cdef inline Mark* oldest(self, uint64_t trace, uint64_t span) noexcept:
        """A free place of the set, or the one marked longest ago; the difference outlives the counter's wrap."""
        cdef Mark* row = self.marks[mixed(trace ^ span) & (MARK_SETS - 1)]
        cdef Mark* victim = row
        cdef int way
        for way in range(MARK_WAYS):
            if row[way].span == 0:
                return &row[way]
            if self.moment - row[way].moment > self.moment - victim.moment:
                victim = &row[way]
        return victim


cdef bint pull(Decision* out, Mark* mark, bint sampled) noexcept:
    """Keep a marked span, with the smallest threshold among the reasons; whether the mark is the only one of ours.

    The head sampler is a reason only where its decision stands: a rule that drops or thins overrides it, so its rate
    says nothing then. A reason without a rate (a limit's) leaves the weight to the others. What the application itself
    forbids stays out.
    """
    cdef bint alone = out.action != KEEP
    cdef bint by_head = out.action == HEAD and sampled
    if out.action == DROP and out.rule < 0:
        return False
    if by_head:
        out.weight = TH_LEAST if mark.weight == TH_SET else TH_AS_IS
        out.threshold = mark.threshold
    elif alone or out.weight == TH_ERASED:
        out.weight = mark.weight
        out.threshold = mark.threshold
    elif mark.weight == TH_SET:
        out.threshold = min(out.threshold, mark.threshold)
    out.action = KEEP
    # What is only beside an error is worth less than what is exported without it.
    out.lane = mark.lane if alone and not by_head else max(out.lane, mark.lane)
    if alone:
        out.scope = SCOPE_PATH
    return alone


cdef inline bint is_wanted(Decision* decision, bint sampled) noexcept:
    """Whether a span is exported, whatever becomes of its trace."""
    return decision.action == KEEP or decision.action == HEAD and sampled


cdef inline bint by_processor(Decision* decision, bint sampled) noexcept:
    """Whether a span that is exported would not be by the head sampler's decision alone."""
    if decision.scope == SCOPE_SPAN:
        return not sampled
    return decision.weight == TH_SET or decision.weight == TH_ERASED


cdef inline uint64_t trace_bits(object context) except? 0:
    """The low 64 bits of the trace id, which tell traces apart well enough; 0 for what is no int."""
    cdef object number = context_trace_id(context)
    return PyLong_AsUnsignedLongLongMask(number) if PyLong_Check(number) else 0


cdef int reach_of(int usual, RuleTable table, Decision* decision, ErrorFacts facts) noexcept:
    """SCOPE_* of a span that a rule keeps: as the rule says, else as the processor does `usual`ly around an error.

    What is kept for the sake of another one reaches no further.
    """
    cdef int scope = table.rows[decision.rule].scope if decision.rule >= 0 else UNSAID
    if decision.action != KEEP or decision.scope != SCOPE_SPAN:
        return SCOPE_SPAN
    if scope == UNSAID:
        scope = usual if facts is not None and facts.error else SCOPE_SPAN
    return scope
