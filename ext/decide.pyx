"""The first matching rule wins.

What an exported span says about the spans it stands for, in one way each, so that a backend which sums weights and
errsample.suppressed gets the number of spans that matched:

- `keep`: every matching span is exported, so each stands for itself: threshold 0, weight 1.
- `keep P%`: those with R >= T are exported and each stands for 2**56 / (2**56 - T), on average exactly all of them.
  Nothing else is counted: a suppressed count beside it would count the others twice.
- `keep N per UNIT`: whether a span is kept depends on when it came, so no threshold describes it; erased, it counts
  as 1. The others have no weight anywhere, hence each is counted in its slot and the next kept span of the slot carries
  the number: kept + carried + still waiting in slots = seen, always and not only on average.
- `first N per UNIT then P%`: the first N are certain and count 1 each (erased rather than 0, because their certainty
  is one of arrival, which other services do not share). The rest is a population of its own, sampled by R alone, which
  has nothing to do with arrival: its kept spans have the weight of P and so speak for the left out ones, which must
  therefore not be counted as suppressed as well. Only where nothing can speak for them, with P so small that T is
  2**56, are they counted and carried as above.

The two kinds never meet in one slot, since a slot belongs to one rule. Where a limit is shared by colliding keys, the
count rides on a span of another key; sums per rule stay exact.
"""

cimport cython
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.object cimport PyObject, PyObject_Hash
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_Substring
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

cdef enum:
    HEAD = 0            # no rule matched, or the action `head`: the head sampler's decision stands
    KEEP = 1
    DROP = 2            # a rule said drop
    SAMPLED_OUT = 3     # the P% of a rule did not include this trace
    SUPPRESSED = 4      # the limit of a rule was spent

cdef enum:
    TH_AS_IS = 0        # trace state as the head sampler wrote it
    TH_SET = 1          # write Decision.threshold (0: kept with certainty)
    TH_ERASED = 2       # the rate is unknown: errsample.suppressed carries the count instead
    TH_LEAST = 3        # write Decision.threshold, or the head sampler's where that is smaller

cdef struct Decision:
    int action
    int rule            # index in the table, -1 where none matched
    int weight          # one of TH_*
    uint64_t threshold  # 56 bits
    uint64_t carried    # suppressed since the last kept span of this rule and key; given back if this span is lost
    uint32_t limiter    # which limiter and slot carried, or suppressed, the count; limiter 0: none
    uint32_t slot
    int scope           # SCOPE_*: what kept the span, itself or another one's scope
    int work            # steps of looking inside texts; more than WORK_A_SPAN where that was cut short
    uint32_t left_out   # spans below it that gave up their room
    bint partial        # other spans of its trace are missing
    int lane            # LANE_*: at least this much is the span worth
    int own             # which names of ours the span has itself, or NOT_ASKED
    size_t size         # bytes it takes in the buffer, encoded; 0 where it is not there


cdef enum:                  # verbs of rules
    ACT_KEEP, ACT_DROP, ACT_HEAD, ACT_PERCENT, ACT_BUCKET, ACT_FIRST

cdef enum:
    MAX_KEYS = 8            # what rules.check allows; here it keeps the array's bound

cdef dict RULE_VERBS = {
    "keep": ACT_KEEP, "drop": ACT_DROP, "head": ACT_HEAD, "percent": ACT_PERCENT, "bucket": ACT_BUCKET,
    "first": ACT_FIRST,
}
cdef uint64_t CERTAIN_LOSS = <uint64_t> 1 << 56     # no randomness reaches this threshold

ACTION_NAMES = ("head", "keep", "drop", "sampled_out", "suppressed")
WEIGHT_NAMES = ("as_is", "set", "erased", "least")


cdef struct RuleRow:
    int verb
    int scope                   # SCOPE_*, or UNSAID
    bint shadow
    int keys
    int32_t key_operands[8]     # at most MAX_KEYS
    uint64_t threshold
    PyObject* limiter           # kept alive by RuleTable.limiters; NULL: not limited
    Counts* counts              # kept alive by RuleTable.tallies


cdef struct Entry:
    int rule
    int node


@cython.final
cdef class RuleTable:
    """A rule set ready for spans; made from Rules, and from Limits and Tallies that outlive it.

    `internal_domains` are the user's own.
    """
    cdef readonly tuple names
    cdef Conditions conditions
    cdef Limits limits
    cdef list limiters, tallies
    cdef RuleRow* rows
    cdef Entry* failed          # the rules that spans with facts visit
    cdef Entry* clean           # those that spans without facts visit
    cdef int failed_count, clean_count
    cdef bint keeps_traces      # a rule's scope is "trace"

    def __cinit__(self, rules, Limits limits not None, Tallies tallies=None, *, internal_domains=()):
        table = rules._table_inside(internal_domains)
        cdef int place
        cdef RuleRow* row
        self.names = table.names
        self.conditions = Conditions(table)
        self.limits = limits
        self.limiters = []
        self.tallies = (Tallies() if tallies is None else tallies).claim(self.names)
        self.rows = <RuleRow*> calloc(len(table.actions) + 1, sizeof(RuleRow))
        self.failed = <Entry*> calloc(len(table.failed) + 1, sizeof(Entry))
        self.clean = <Entry*> calloc(len(table.clean) + 1, sizeof(Entry))
        if self.rows == NULL or self.failed == NULL or self.clean == NULL:
            raise MemoryError
        for place, action in enumerate(table.actions):
            row = &self.rows[place]
            row.verb = RULE_VERBS[action.verb]
            row.scope = RULE_SCOPES[action.scope]
            self.keeps_traces |= row.scope == SCOPE_TRACE
            row.counts = &(<Tally> self.tallies[place]).counts
            row.shadow = action.shadow
            row.threshold = action.threshold
            row.keys = min(len(action.keys), MAX_KEYS)
            for key in range(row.keys):
                row.key_operands[key] = action.keys[key]
            if action.limiter:
                limiter = limits.claim(action.limiter, row.keys > 0, action.spans, action.unit)
                self.limiters.append(limiter)
                row.limiter = <PyObject*> limiter
        self.failed_count = fill_entries(self.failed, table.failed)
        self.clean_count = fill_entries(self.clean, table.clean)

    def __dealloc__(self):
        free(self.rows)
        free(self.failed)
        free(self.clean)

    def counts(self):
        """One dict per rule: its name, how often it matched, kept, dropped, suppressed, sampled out, was shadowed, and
        the bytes of the encoded spans it kept.

        A shadow rule counts under kept, dropped and so on what it would have done. A match that is in none of them left
        the decision to the head sampler.
        """
        return [(<Tally> tally).as_dict() for tally in self.tallies]

    def look(self, object span, ErrorFacts facts=None, bint sampled=True):
        """Whether the condition of each rule holds for a span, and the value of each operand, None where it is missing.

        Every rule is asked that any span of this kind (failed or not) could reach; nothing is counted or spent.
        """
        cdef Entry* entries = self.clean if facts is None else self.failed
        cdef int count = self.clean_count if facts is None else self.failed_count
        cdef int place
        cdef object attributes = span_attributes(span)  # what the look borrows
        cdef Look look
        cdef list held = [False] * len(self.names)
        cdef list values = []
        look_at(&look, span, attributes, facts, sampled)
        try:
            for place in range(count):
                held[entries[place].rule] = self.conditions.hold(entries[place].node, &look)
            for place in range(len(self.conditions.operands)):
                values.append(self.conditions.fetch(&look, place))
        finally:
            look_away(&look)
        return tuple(held), tuple(values)


cdef int fill_entries(Entry* entries, tuple pairs) except -1:
    cdef int place
    for place in range(len(pairs)):
        entries[place].rule, entries[place].node = pairs[place]
    return len(pairs)


cdef inline uint64_t randomness_in(object context) except? 0:
    """R of the span's trace; 0 where there is no SpanContext."""
    if not PyTuple_Check(context) or PyTuple_GET_SIZE(context) < 5:
        return 0
    return randomness_of(<object> PyTuple_GET_ITEM(context, 4), <object> PyTuple_GET_ITEM(context, 0))


cdef inline uint64_t mixed(uint64_t value) noexcept:
    """The finaliser of splitmix64: every bit of the value moves every bit of the result."""
    value = (value ^ (value >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    value = (value ^ (value >> 27)) * <uint64_t> 0x94D049BB133111EB
    return value ^ (value >> 31)


cdef uint64_t key_hash(object value) except? 0:
    """A hash of one key value; 0 where it is missing. Text is hashed with the process's secret, so nobody can aim."""
    cdef int overflow = 0
    if value_type(value) == TYPE_NONE:
        return 0
    if PyUnicode_CheckExact(value) and text_length(value) > SEEN_CHARACTERS:
        value = PyUnicode_Substring(value, 0, SEEN_CHARACTERS)
    elif PyLong_CheckExact(value):
        PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow:
            return <uint64_t> overflow
    return <uint64_t> PyObject_Hash(value)


cdef uint32_t slot_of(RuleTable table, RuleRow* row, Look* look) except? 0:
    cdef uint64_t combined = 0
    cdef int key
    for key in range(row.keys):
        combined = mixed(combined ^ key_hash(table.conditions.fetch(look, row.key_operands[key])))
    return combined & ((<Limiter> row.limiter).slots - 1)


cdef int act_limited(RuleTable table, RuleRow* row, Look* look, object context, Decision* out) except -1:
    """Spend the limit of a rule. What may run code comes first; from `slot` on nothing does."""
    cdef uint32_t place = slot_of(table, row, look)
    cdef uint64_t r = randomness_in(context) if row.verb == ACT_FIRST else 0
    cdef uint64_t now = table.limits.now()
    cdef Limiter limiter = <Limiter> row.limiter
    cdef LimitSlot* slot = &limiter.memory[place]
    if spend_place(limiter, slot, now) if row.verb == ACT_FIRST else spend_token(limiter, slot, now):
        out.action = KEEP
        out.weight = TH_ERASED
        out.carried = take_suppressed(limiter, slot)
        out.limiter = limiter.number
        out.slot = place
    elif row.verb == ACT_FIRST and row.threshold < CERTAIN_LOSS:
        act_percent(row, r, out)
    else:
        table.limits.leave_out(limiter, slot)
        out.action = SUPPRESSED
        out.limiter = limiter.number
        out.slot = place
    return 0


cdef inline void act_percent(RuleRow* row, uint64_t r, Decision* out) noexcept:
    if r >= row.threshold:
        out.action = KEEP
        out.weight = TH_SET
        out.threshold = row.threshold
    else:
        out.action = SAMPLED_OUT


cdef int shared_action(int rule, ErrorFacts facts, bint marked) noexcept:
    """What a limit need not be asked about any more, HEAD where it must be.

    A marked span is kept anyway. An error that comes from an inner span spent its limit there: kept once it stays kept,
    suppressed or sampled out by a rule it is so for the same rule; another rule may have room for it.
    """
    if marked:
        return KEEP
    if facts is not None and (facts.shared_verdict == KEEP or facts.shared_rule == rule):
        return facts.shared_verdict
    return HEAD


cdef int act(RuleTable table, RuleRow* row, Look* look, object context, int shared, Decision* out) except -1:
    """Do what a matching rule says and count it; where `shared` says it already, no limit is spent."""
    if row.verb == ACT_KEEP:
        out.action = KEEP
        out.weight = TH_SET
    elif row.verb == ACT_DROP:
        out.action = DROP
    elif row.verb == ACT_PERCENT:
        act_percent(row, randomness_in(context), out)
    elif row.verb != ACT_HEAD and shared != HEAD:
        out.action = shared
        out.weight = TH_ERASED if shared == KEEP else TH_AS_IS
    elif row.verb != ACT_HEAD:
        act_limited(table, row, look, context, out)
    row.counts.matched += 1
    row.counts.shadowed += row.shadow
    row.counts.kept += out.action == KEEP
    row.counts.dropped += out.action == DROP
    row.counts.suppressed += out.action == SUPPRESSED
    row.counts.sampled_out += out.action == SAMPLED_OUT
    return 0


cdef inline void no_decision(Decision* out) noexcept:
    out.action = HEAD
    out.rule = -1
    out.weight = TH_AS_IS
    out.threshold = out.carried = 0
    out.limiter = out.slot = 0
    out.scope = SCOPE_SPAN
    out.left_out = 0
    out.partial = False
    out.lane = LANE_HEAD
    out.size = 0


cdef inline bint forced(int keep, Decision* out) noexcept:
    """Whether the application itself decided, with the attribute errsample.keep."""
    if keep == TO_KEEP:
        out.action = KEEP
        out.weight = TH_SET
    elif keep == TO_DROP:
        out.action = DROP
    return keep != UNDECIDED


cdef int decide(
    RuleTable table, object span, object context, object attributes, const Asked* asked, ErrorFacts facts, bint sampled,
    bint marked, Decision* out,
) except -1:
    """Fill the decision for one ended span; facts is None where nothing failed, `marked` what a kept error pulls in,
    `asked` what was asked of the attributes.

    Costs two comparisons where no rule can match a span without facts.
    """
    cdef Entry* entries = table.clean if facts is None else table.failed
    cdef int count = table.clean_count if facts is None else table.failed_count
    cdef int place
    cdef RuleRow* row
    cdef Look look
    no_decision(out)
    out.work = 0
    out.own = asked.own
    if forced(asked.keep, out) or count == 0:
        return 0
    look_at(&look, span, attributes, facts, sampled)
    try:
        for place in range(count):
            if not table.conditions.hold(entries[place].node, &look):
                continue
            row = &table.rows[entries[place].rule]
            act(table, row, &look, context, shared_action(entries[place].rule, facts, marked), out)
            if not row.shadow:
                out.rule = entries[place].rule
                break
            no_decision(out)
    finally:
        out.work = WORK_A_SPAN - look.work
        look_away(&look)
    return 0


def verdict(RuleTable table not None, object span, ErrorFacts facts=None, bint sampled=True, bint marked=False):
    """What decide says: (action, rule, weight, threshold, carried, limiter, slot, work), the enums by name."""
    cdef Decision out
    cdef Asked asked
    cdef object attributes = span_attributes(span)
    ask_names(attributes, &asked)
    decide(table, span, span_context(span), attributes, &asked, facts, sampled, marked, &out)
    return (
        ACTION_NAMES[out.action], out.rule, WEIGHT_NAMES[out.weight], out.threshold, out.carried, out.limiter, out.slot,
        out.work,
    )
