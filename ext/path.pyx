"""The two hooks of the span processor: every ended span gets exactly one ending here or a place in the buffer."""

cimport cython
from cpython.exc cimport PyErr_SetInterrupt
from cpython.long cimport PyLong_AsLong
from libc.string cimport memset

cdef enum:
    SAMPLED = 1             # W3C trace-flags bit
    SEEN_SLOTS = 4096       # fingerprints remembered to tell first errors from repeated ones
    FIRST_ERRORS = 3        # how many errors of a fingerprint ride in LANE_FIRST per SEEN_FOR_NS
    LEAST_SPAN = 4096       # bytes that hold ids, name, status and the most telling attributes

cdef uint64_t SEEN_FOR_NS = 60_000_000_000

ACTIONS = ("head", "keep", "drop", "sampled_out", "suppressed")

cdef struct Seen:
    uint64_t fingerprint
    uint64_t since
    uint32_t count


@cython.final
cdef class Verdict:
    """What was decided about one failed span, as `on_verdict` receives it.

    `action` is one of "keep", "drop", "head", "sampled_out", "suppressed"; `kept` whether the span went to the buffer
    (an `encode` or `buffer` failure makes it False); `threshold` the 56-bit threshold written on the span, None where
    none was; `suppressed` how many errors of this rule and key this span stands for besides itself; `scope` is "span",
    or "path" where the span was kept only for the sake of an error below it.
    """
    cdef readonly str action
    cdef readonly object rule
    cdef readonly str scope
    cdef readonly bint kept
    cdef readonly object threshold
    cdef readonly uint64_t suppressed
    cdef readonly ErrorFacts facts
    cdef readonly object trace_id, span_id

    def __repr__(self):
        return f"Verdict({self.action}, rule={self.rule!r}, kept={self.kept}, {self.facts!r})"


cdef class Path:
    """track, classify, decide, enrich, encode and buffer behind on_start and on_end."""

    cdef readonly Ledger ledger
    cdef readonly Buffer buffer
    cdef readonly Limits limits
    cdef readonly RuleTable table
    cdef readonly Tallies tallies
    cdef Tracker tracker
    cdef Recorder recorder              # None: exceptions are recorded by the SDK
    cdef Classifier classifier
    cdef Marks marks
    cdef int scope                      # SCOPE_*: how much around a kept error is kept
    cdef Groups groups
    cdef Enrichments enrichments
    cdef Scrubber scrubber
    cdef Seen[SEEN_SLOTS] seen
    cdef size_t most_span_bytes         # resource and scope included
    cdef bint dry_run                   # the head sampler alone decides, the rules are rehearsed
    cdef readonly uint64_t pulled       # spans kept for the sake of another one only
    cdef uint64_t[5] rehearsed          # spans by what would have been done, numbered as ACTIONS
    cdef bint repeats_stacks            # on every span that an exception passes
    cdef bint leaves_head_sampled       # stands beside another processor: what the head sampler kept is not ours
    cdef object user_enrich, on_verdict
    cdef object rebuild                 # for a user's exporter: (span, trace_state, extra, bare) -> ReadableSpan
    cdef object start_worker
    cdef bint worker_alive
    cdef object last_sampler
    cdef uint64_t floor                 # unsampled spans arrive from this randomness on; 2**56: none does

    def __cinit__(self, *args, **kwargs):
        self.tracker = Tracker()
        self.floor = OT_SCALE
        self.marks = Marks()
        self.groups = Groups()
        self.enrichments = Enrichments()

    def prepare(self, Ledger ledger, Limits limits, Tallies tallies, Buffer buffer, RuleTable table,
                Classifier classifier, *, Recorder recorder, str scope, size_t most_span_bytes,
                bint leaves_head_sampled, bint dry_run, bint repeats_stacks, str scrub, user_enrich, on_verdict,
                rebuild, start_worker):
        """Put the stages together; once, before the first span."""
        self.ledger = ledger
        self.limits = limits
        self.tallies = tallies
        self.buffer = buffer
        self.table = table
        self.classifier = classifier
        self.scope = RULE_SCOPES[scope]
        self.recorder = recorder
        self.most_span_bytes = most_span_bytes
        self.leaves_head_sampled = leaves_head_sampled
        self.dry_run = dry_run
        self.repeats_stacks = repeats_stacks
        self.scrubber = Scrubber(scrub)
        self.user_enrich = user_enrich
        self.on_verdict = on_verdict
        self.rebuild = rebuild
        self.start_worker = start_worker

    def exchange(self, RuleTable table, Classifier classifier):
        """Put other rules and another classifier in force for the spans that end from now on; None leaves what is.

        A span that is being decided meanwhile is decided by the former ones, and counted all the same.
        """
        cdef RuleTable former = self.table      # goes at the end: that may run code
        if table is not None:
            self.table = table
            self.limits.end_all_but(table.limiters)
            self.classifier.origins.clear()     # their verdicts name rules by their place in the former table
        if classifier is not None:
            self.classifier = classifier
        del former

    def set_worker_alive(self, bint alive):
        """Whether the worker's thread runs; while it does not, every kept span asks for it."""
        self.worker_alive = alive

    def on_start(self, span, parent_context=None):
        """Remember the exception that is being handled while the span starts. Never raises."""
        try:
            self.start(span)
        except BaseException as error:
            self.swallow("on_start", error)

    cdef int start(self, object span) except -1:
        cdef object sampler
        self.tracker.remember(span)
        # SDK spans carry the sampler that let them through; ReadableSpans at the end do not.
        sampler = getattr(span, "_sampler", None)
        if sampler is not self.last_sampler:
            self.last_sampler = sampler
            self.floor = floor_of(sampler)
        if self.recorder is not None:
            self.recorder.attach(span)
        return 0

    def on_end(self, span):
        """Classify, decide and, if kept, enrich, encode and buffer one span. Never raises, blocks or logs."""
        cdef int ending = INTERNAL_ERROR
        if self.ledger is None:
            return      # a subclass whose __init__ did not call ours
        self.ledger.begin()
        try:
            ending = self.end(span)
        except BaseException as error:
            self.swallow("on_end", error)
        if ending != PENDING:
            self.ledger.settle(ending)

    cdef int end(self, object span) except -2:
        """The span's ending, or PENDING when the buffer has it."""
        cdef object context, attributes, events, status
        cdef ErrorFacts facts
        cdef RuleTable table = self.table       # the one whose rule it is, whatever comes into force meanwhile
        cdef Decision decision
        cdef Classifier classifier = self.classifier    # may be exchanged while it works
        cdef Mark mark
        cdef bint sampled
        cdef int ending
        if self.buffer.closed:
            return AFTER_SHUTDOWN
        context = span_context(span)
        attributes = span_attributes(span)
        sampled = PyLong_AsLong(context_flags(context)) & SAMPLED
        events = span_events(span)
        status = span_status(span)
        facts = classifier.classify(span, context, attributes, events, status, self.tracker.take(context))
        if facts is not None and facts.error:
            self.ledger.errors += 1
        if sampled and self.leaves_head_sampled:
            return LEFT_TO_HEAD
        marking = self.marks.take(context, &mark)
        decide(table, span, context, attributes, facts, sampled, mark.span != 0, &decision)
        self.ledger.cut_short += decision.work > WORK_A_SPAN
        rule = table.names[decision.rule] if decision.rule >= 0 else None
        if mark.span != 0 and pull(&decision, &mark, sampled):
            rule = marking
            self.pulled += 1
        if self.dry_run:
            ending = self.rehearse(span, context, attributes, events, status, facts, sampled, &decision, rule)
        elif decision.action == KEEP or decision.action == HEAD and sampled:
            ending = self.keep(span, context, attributes, events, status, facts, sampled, &decision, rule, None)
        else:
            ending = ending_of(decision.action)
        if decision.action == KEEP and decision.rule >= 0 and decision.scope == SCOPE_SPAN:
            table.rows[decision.rule].counts.bytes += decision.size
        if mark.span != 0 or decision.action == KEEP and self.reach_of(table, decision.rule, facts) == SCOPE_PATH:
            self.mark_parent(span, rule if decision.action == KEEP else marking, &decision, &mark)
        if facts is not None and facts.raised.address:
            self.pass_error(span, context, facts, &decision, ending == PENDING)
        if self.on_verdict is not None and facts is not None and facts.error:
            self.tell(context, facts, &decision, rule, ending == PENDING)
        return ending

    cdef int reach_of(self, RuleTable table, int rule, ErrorFacts facts) noexcept:
        """SCOPE_* of a span that a rule keeps: as the rule says, else as the processor does around an error."""
        cdef int scope = table.rows[rule].scope if rule >= 0 else UNSAID
        if scope == UNSAID:
            scope = self.scope if facts is not None and facts.error else SCOPE_SPAN
        return scope

    cdef int pass_error(self, object span, object context, ErrorFacts facts, Decision* decision, bint kept) except -1:
        """Note for the spans around that the exception passed this one, and what became of it."""
        cdef uint64_t origin = facts.origin if facts.propagated else 0
        cdef int verdict = facts.shared_verdict
        cdef int rule = facts.shared_rule
        if decision.action in (KEEP, SUPPRESSED, SAMPLED_OUT):
            verdict, rule = decision.action, decision.rule
        try:
            if kept and origin == 0:
                origin = span_number(context)
            self.classifier.origins.put(&facts.raised, span_parent(span), origin, verdict, rule)
        except BaseException as error:
            self.swallow("origin", error)
        return 0

    cdef int mark_parent(self, object span, object rule, Decision* decision, Mark* own) except -1:
        """After the span's ending is certain: what fails here costs an ancestor, not the books."""
        try:
            self.marks.put(span_parent(span), rule, decision, own)
        except BaseException as error:
            self.swallow("scope", error)
        return 0

    cdef int rehearse(self, object span, object context, object attributes, object events, object status,
                      ErrorFacts facts, bint sampled, Decision* decision, object rule) except -2:
        """Do what the head sampler alone would, and note on the span what was decided."""
        cdef Decision plain
        self.rehearsed[decision.action] += 1
        if not sampled:
            return NOT_SAMPLED
        no_decision(&plain)
        plain.work = 0
        return self.keep(
            span, context, attributes, events, status, facts, sampled, &plain, None,
            dry_run_notes(decision, rule, attributes),
        )

    def rehearsals(self):
        """Spans by what would have been done with them, for every action."""
        cdef int action
        return {ACTIONS[action]: self.rehearsed[action] for action in range(len(ACTIONS))}

    cdef int keep(self, object span, object context, object attributes, object events, object status,
                  ErrorFacts facts, bint sampled, Decision* decision, object rule, dict notes) except -2:
        """enrich, encode and buffer; a failure gives the carried count back before it goes up."""
        cdef int ending = INTERNAL_ERROR
        try:
            ending = self.store(span, context, attributes, events, status, facts, sampled, decision, rule, notes)
        finally:
            if ending != PENDING and decision.carried:
                self.limits.give_back(decision.limiter, decision.slot, decision.carried)
        if ending == PENDING and not self.worker_alive:
            self.wake_worker()
        return ending

    cdef int store(self, object span, object context, object attributes, object events, object status,
                   ErrorFacts facts, bint sampled, Decision* decision, object rule, dict notes) except -2:
        cdef Group group
        cdef Writer writer
        cdef object extra, trace_state, copy = None
        cdef object encoded = None
        cdef Enrichment enrichment = None
        cdef uint32_t repaired = 0
        cdef Scrubbing job
        cdef int level
        cdef int ending
        cdef bint failed = facts is not None and facts.error
        cdef PyObject *bare = NULL
        cdef str scope = <str> SCOPES[decision.scope]
        if failed:
            decision.lane = max(decision.lane, self.lane_of(facts))
        elif self.buffer.refusing and decision.lane == LANE_HEAD:
            return BUFFER_FULL
        if failed and not decision.carried and self.user_enrich is None and notes is None:
            enrichment = self.enrichments.of(facts, attributes, rule, scope)
        if enrichment is not None:
            extra, encoded = enrichment.extra, enrichment.encoded
            if facts.origin:
                extra = dict(<dict> extra)
                put_origin(extra, attributes, facts)
                encoded = <bytes> encoded + origin_fields(facts)
        else:
            extra = enrich(facts, attributes, rule, scope, decision.carried, not sampled)
            if notes is not None:
                extra = {**notes, **(extra or {})}
        if self.user_enrich is not None and failed:
            self.ask_user(span, facts, extra, attributes)
        if self.leaves_head_sampled:
            # The other processor exports the sampled spans at a rate we do not know.
            decision.weight = TH_ERASED
        if failed and facts.propagated and not self.repeats_stacks:
            bare = facts.recorded
        trace_state = reweigh(
            context_trace_state(context), trace_bits(context), decision.weight, decision.threshold, self.floor
        )
        group = self.groups.of(span)
        writer_open(&writer, room_for(self.most_span_bytes, group))
        try:
            level = encode_span(
                &writer, span, context, attributes, events, status, trace_state, extra, encoded, bare, &repaired,
                self.scrubber, facts
            )
            if level == SECRETS:
                span = self.scrubber.clean(span, events, status, bare, &job)
                extra = note_scrubbed(self.ledger, extra, attributes, job.found)
                level = encode_span(
                    &writer, span, context, span_attributes(span), span_events(span), span_status(span), trace_state,
                    extra, None, bare, &repaired, None, None
                )
                level += job.cut > 0
            self.ledger.truncated += level > 0
            self.ledger.repaired += repaired > 0
            if self.rebuild is not None:
                copy = self.rebuild(span, trace_state, extra, None if bare == NULL else <object> bare)
            ending = self.buffer.admit(writer.start, writer.size, copy, decision.lane, group, decision)
            if ending == PENDING:
                decision.size = writer.size
            return ending
        finally:
            writer_close(&writer)

    cdef int lane_of(self, ErrorFacts facts) noexcept:
        """LANE_FIRST for the first errors of a fingerprint in a minute; colliding fingerprints count as new."""
        cdef Seen* seen = &self.seen[facts.fingerprint_hash % SEEN_SLOTS]
        cdef uint64_t now = self.limits.now()
        if seen.fingerprint != facts.fingerprint_hash or now - seen.since > SEEN_FOR_NS:
            seen.fingerprint = facts.fingerprint_hash
            seen.since = now
            seen.count = 0
        seen.count += 1
        return LANE_FIRST if seen.count <= FIRST_ERRORS else LANE_REPEATED

    cdef int ask_user(self, object span, ErrorFacts facts, dict extra, object attributes) except -1:
        cdef Py_ssize_t before = len(extra)
        try:
            facts.message = self.scrubber.message(facts.message)
            if merge_user(extra, self.user_enrich(span, facts), attributes):
                self.ledger.repaired += 1
            extra.update(note_scrubbed(self.ledger, extra, attributes, self.scrubber.clean_added(extra, before)) or {})
        except BaseException as error:
            self.swallow("enrich", error)
        return 0

    cdef int tell(self, object context, ErrorFacts facts, Decision* decision, object rule, bint kept) except -1:
        cdef Verdict verdict = Verdict.__new__(Verdict)
        try:
            verdict.action = ACTIONS[decision.action]
            verdict.rule = rule
            verdict.scope = SCOPES[decision.scope]
            verdict.kept = kept
            if decision.weight == TH_SET and kept:
                verdict.threshold = claim_of(
                    context_trace_state(context), trace_bits(context), decision.threshold, self.floor
                )
            verdict.suppressed = decision.carried
            facts.message = self.scrubber.message(facts.message)
            verdict.facts = facts
            verdict.trace_id = context_trace_id(context)
            verdict.span_id = context_span_id(context)
            self.on_verdict(verdict)
        except BaseException as error:
            self.swallow("on_verdict", error)
        return 0

    cdef int wake_worker(self) except -1:
        try:
            self.start_worker()
        except BaseException as error:
            self.swallow("worker", error)
        return 0

    cdef void swallow(self, str where, object error) noexcept:
        if isinstance(error, KeyboardInterrupt):
            # Ctrl-C arrived while Python code ran inside the hook: hand it to the application's next instruction.
            PyErr_SetInterrupt()
        try:
            if self.ledger is not None:
                self.ledger.swallow(where)
        except BaseException:
            pass    # no memory for a count; the span's ending needs none

    def restart_in_child(self):
        """Start at zero after a fork: what the parent buffered and counted is the parent's."""
        self.limits.reset()
        self.tallies.reset()
        memset(self.rehearsed, 0, sizeof(self.rehearsed))
        self.marks.clear()
        self.classifier.origins.clear()
        self.pulled = 0
        self.ledger.clear()
        self.groups.clear()
        self.buffer.restart_in_child()
        self.worker_alive = False


cdef dict dry_run_notes(Decision* decision, object rule, object attributes):
    """What would have happened to a span that the head sampler exports: its action, rule and weight."""
    cdef dict notes = {"errsample.dry_run.action": ACTIONS[decision.action]}
    if rule is not None:
        notes["errsample.dry_run.rule"] = (<str> rule)[:RULE_LENGTH]
    if decision.action == KEEP and decision.weight == TH_SET:
        notes["errsample.dry_run.th"] = format_threshold(decision.threshold)
    if decision.carried:
        notes["errsample.dry_run.suppressed"] = min(decision.carried, <uint64_t> 0x7FFFFFFFFFFFFFFF)
    if attributes is None:
        return notes
    return {name: note for name, note in notes.items() if find_quietly(attributes, name) == NULL}


cdef uint64_t floor_of(object sampler):
    """From which randomness on a sampler lets unsampled spans arrive; only ours says so."""
    cdef object floor = getattr(sampler, "recorded_from", None)
    return floor if type(floor) is int and 0 <= floor < OT_SCALE else OT_SCALE


cdef inline size_t room_for(size_t most, Group group) noexcept:
    """Bytes for one encoded span; a resource that leaves almost none must not cost the span its identity."""
    return max(most, group.overhead + LEAST_SPAN) - group.overhead


cdef inline int ending_of(int action) noexcept:
    if action == HEAD:
        return NOT_SAMPLED
    if action == DROP:
        return DROPPED_BY_RULE
    if action == SUPPRESSED:
        return SUPPRESSED_ENDING
    return SAMPLED_OUT_ENDING
