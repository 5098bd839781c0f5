"""The two hooks of the span processor: every ended span gets exactly one ending here or a place in the buffer."""

from cpython.long cimport PyLong_AsLong
from libc.string cimport memset

cdef enum:
    SAMPLED = 1             # W3C trace-flags bit


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
    cdef Undecided undecided            # None until a scope is "trace"
    cdef bint tracing                   # a scope is
    cdef uint64_t most_waiting_ns       # what a trace waits at most for its end
    cdef Groups groups
    cdef Enrichments enrichments
    cdef Scrubber scrubber
    cdef SeenErrors seen
    cdef size_t most_span_bytes         # resource and scope included
    cdef bint dry_run                   # the head sampler alone decides, the rules are rehearsed
    cdef uint64_t followed              # spans kept at their ends for the sake of another one only
    cdef uint64_t[5] rehearsed          # spans by what would have been done, numbered as ACTIONS
    cdef bint repeats_stacks            # on every span that an exception passes
    cdef bint tells_handled             # exceptions that were recorded on spans that did not fail
    cdef bint leaves_head_sampled       # stands beside another processor: what the head sampler kept is not ours
    cdef bint enabled                   # else it does what a BatchSpanProcessor does: the head sample, as it is
    cdef Path elder                     # before this one on the provider, to the same receiver: all is its, while open
    cdef object user_enrich, on_verdict, start_worker
    cdef object rebuild                 # for a user's exporter: (span, trace_state, extra, bare) -> ReadableSpan
    cdef bint worker_alive
    cdef object last_sampler
    cdef uint64_t floor                 # unsampled spans arrive from this randomness on; 2**56: none does

    def __cinit__(self, *args, **kwargs):
        self.tracker = Tracker()
        self.floor = OT_SCALE
        self.marks = Marks()
        self.seen = SeenErrors()
        self.groups = Groups()

    def prepare(self, Ledger ledger, Limits limits, Tallies tallies, Buffer buffer, RuleTable table,
                Classifier classifier, *, Recorder recorder, str scope, size_t most_span_bytes, bint enabled,
                uint64_t most_waiting_ns, bint leaves_head_sampled, bint repeats_stacks, bint tells_handled,
                bint dry_run, Scrubber scrubber, user_enrich, on_verdict, rebuild, start_worker, fingerprint_aliases):
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
        self.most_waiting_ns = most_waiting_ns
        self.enabled = enabled
        self.leaves_head_sampled = leaves_head_sampled
        self.dry_run = dry_run
        self.repeats_stacks = repeats_stacks
        self.tells_handled = tells_handled
        self.scrubber, self.enrichments = scrubber, Enrichments(tuple(fingerprint_aliases))
        self.user_enrich = user_enrich
        self.on_verdict = on_verdict
        self.rebuild, self.start_worker = rebuild, start_worker
        self.trace(table)

    @property
    def pulled(self):
        """Spans kept for the sake of another one only."""
        return self.followed + (0 if self.undecided is None else self.undecided.pulled)

    @property
    def traces(self):
        """Local traces with open spans, where a scope is "trace"."""
        return self.undecided.traces.count if self.tracing else 0

    cdef int trace(self, RuleTable table) except -1:
        """Have spans wait for their traces where the scope of the processor or of a rule is "trace"."""
        cdef bint wanted = self.enabled and (self.scope == SCOPE_TRACE or table.keeps_traces)
        if wanted and self.undecided is None:
            self.undecided = Undecided(
                self.buffer, self.ledger, self.limits, self.rebuild, self.leaves_head_sampled, self.most_waiting_ns
            )
            self.undecided.floor = self.floor
            self.buffer.undecided = self.undecided
        former, self.tracing = self.tracing, wanted
        if former and not wanted:
            self.undecided.retire()
        return 0

    def exchange(self, RuleTable table, Classifier classifier):
        """Put other rules and another classifier in force for the spans that end from now on; None leaves what is.

        A span that is being decided meanwhile is decided by the former ones, and counted all the same.
        """
        cdef RuleTable former = self.table      # goes at the end: that may run code
        if table is not None:
            self.table = table
            self.trace(table)
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
        hand_over()

    cdef int start(self, object span) except -1:
        cdef object sampler = getattr(span, "_sampler", None)
        # SDK spans carry the sampler that let them through; ReadableSpans at the end do not.
        if sampler is not self.last_sampler or (self.elder is not None and self.elder.buffer.closed):
            self.last_sampler = sampler
            self.floor = floor_of(sampler)
            if self.undecided is not None:
                self.undecided.floor = self.floor
            self.elder = self.elder_of(span)
        if self.elder is not None or not self.enabled:
            return 0
        self.tracker.remember(span)
        if self.recorder is not None:
            self.recorder.attach(span)
        if self.tracing and not self.buffer.closed:
            self.undecided.opened(span)
        return 0

    def elder_of(self, span):
        """The processor before this one on the span's provider that does the same; asked until it is shut down."""
        return None

    def on_end(self, span):
        """Classify, decide and, if kept, enrich, encode and buffer one span. Never raises, blocks or logs."""
        cdef int ending = INTERNAL_ERROR, decided = False
        if self.ledger is None:
            return      # a subclass whose __init__ did not call ours
        self.ledger.begin()
        try:
            ending = self.end(span, &decided)
        except BaseException as error:
            self.swallow("on_end", error)
            decided |= isinstance(error, MemoryError)       # none for a copy
        if ending == INTERNAL_ERROR and not decided:    # out here, where the application's exception is the live one
            ending = self.end_mended(span)
        if ending != PENDING:
            self.ledger.settle(ending)
        if self.tracing:
            self.undecided.ended(span)
        hand_over()

    cdef int end_mended(self, object span) noexcept:
        """The ending of a span that cannot be read as it is: a copy of what can be read of it goes its way."""
        cdef int decided = False
        try:
            copy = readable.mended(span)
            self.ledger.repaired += copy is not None
            return INTERNAL_ERROR if copy is None else self.end(copy, &decided)
        except BaseException as error:
            self.swallow("on_end", error)
        return INTERNAL_ERROR

    cdef int end(self, object span, int* decided) except -2:
        """The span's ending, or PENDING when the buffer has it; what raises before it is `decided` is tried anew."""
        cdef object context, attributes, events, status
        cdef ErrorFacts facts
        cdef RuleTable table = self.table       # the one whose rule it is, whatever comes into force meanwhile
        cdef Decision decision
        cdef Classifier classifier = self.classifier    # may be exchanged while it works
        cdef Mark mark
        cdef Standing standing
        cdef Asked asked
        cdef int ending, sampled, on_path, waits = False
        if self.buffer.closed:
            return AFTER_SHUTDOWN
        context = span_context(span)
        attributes = span_attributes(span)
        sampled = PyLong_AsLong(context_flags(context)) & SAMPLED
        if self.elder is not None and not self.elder.buffer.closed:
            return LEFT_TO_HEAD
        events = span_events(span)
        status = span_status(span)
        if not self.enabled:
            if sampled and self.leaves_head_sampled:
                return LEFT_TO_HEAD
            return self.plainly(span, context, attributes, events, status, None, sampled, None)
        ask_names(attributes, &asked)
        facts = classifier.classify(span, context, attributes, events, status, self.tracker.held(context), &asked)
        self.tracker.take(context)
        if sampled and self.leaves_head_sampled:
            self.ledger.judged(facts)
            return LEFT_TO_HEAD
        marking = self.marks.take(context, &mark)
        on_path = mark.span != 0
        memset(&standing, 0, sizeof(standing))
        if self.tracing:
            marking = self.undecided.ask(context, &mark, marking, &standing)
        decide(table, span, context, attributes, &asked, facts, sampled, mark.span != 0, &decision)
        decided[0] = True
        self.ledger.judged(facts)
        self.ledger.cut_short += decision.work > WORK_A_SPAN
        rule = table.names[decision.rule] if decision.rule >= 0 else None
        if mark.span != 0 and pull(&decision, &mark, sampled):
            rule = marking
            self.followed += 1
            if standing.follows:
                decision.scope = SCOPE_TRACE
        reach = reach_of(self.scope, table, &decision, facts)
        if self.tracing:
            decision.left_out = standing.left_out
            pulled = decision.scope == SCOPE_TRACE and by_processor(&decision, sampled)
            decision.partial = standing.partial and (pulled or reach == SCOPE_TRACE)
            waits = not standing.follows and reach != SCOPE_TRACE and self.undecided.wants(context, &decision, sampled)
        if self.dry_run:
            self.rehearsed[decision.action] += 1
            notes = dry_run_notes(&decision, rule, attributes)
            ending = self.plainly(span, context, attributes, events, status, facts, sampled, notes)
        elif waits or is_wanted(&decision, sampled):
            ending = self.keep(span, context, attributes, events, status, facts, sampled, &decision, rule, waits, None)
        else:
            ending = ending_of(decision.action)
        kept = ending == PENDING and (not waits or is_wanted(&decision, sampled))
        if decision.action == KEEP and decision.rule >= 0 and decision.scope == SCOPE_SPAN:
            table.rows[decision.rule].counts.bytes += decision.size
        if on_path or reach != SCOPE_SPAN:
            self.mark_parent(span, rule if decision.action == KEEP else marking, &decision, &mark)
        if reach == SCOPE_TRACE and self.tracing:
            self.undecided.pull_in(span, context, rule, &decision, self.marks, self.rehearsed)
        elif waits and self.dry_run:
            self.undecided.rehearse(context, decision.action)
        if facts is not None and facts.raised.address:
            self.pass_error(span, context, facts, &decision, kept)
        if self.on_verdict is not None and facts is not None and facts.error:
            self.tell(context, facts, &decision, rule, kept)
        return ending

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

    cdef int plainly(self, object span, object context, object attributes, object events, object status,
                     ErrorFacts facts, bint sampled, dict notes) except -2:
        """Do what the head sampler alone would."""
        cdef Decision plain
        if not sampled:
            return NOT_SAMPLED
        no_decision(&plain)
        plain.work = 0
        plain.own = NOT_ASKED
        return self.keep(span, context, attributes, events, status, facts, sampled, &plain, None, False, notes)

    def rehearsals(self):
        """Spans by what would have been done with them, for every action."""
        return {action: self.rehearsed[number] for number, action in enumerate(ACTIONS)}

    cdef int keep(self, object span, object context, object attributes, object events, object status,
                  ErrorFacts facts, bint sampled, Decision* decision, object rule, bint waits, dict notes) except -2:
        """enrich, encode and buffer, or wait; a failure is an ending like others, of which on_verdict is told."""
        cdef int ending = INTERNAL_ERROR
        cdef bint wanted = is_wanted(decision, sampled)
        try:
            ending = self.store(span, context, attributes, events, status, facts, sampled, decision, rule, waits, notes)
        except BaseException as error:
            self.swallow("on_end", error)
        if ending != PENDING and decision.carried:
            self.limits.give_back(decision.limiter, decision.slot, decision.carried)
        if waits and wanted and ending != PENDING and ending != INTERNAL_ERROR:
            return self.keep(span, context, attributes, events, status, facts, sampled, decision, rule, False, notes)
        if ending == NOT_HELD:
            return ending_of(decision.action)
        if ending == PENDING and not self.worker_alive:
            self.wake_worker()
        return ending

    cdef int store(self, object span, object context, object attributes, object events, object status,
                   ErrorFacts facts, bint sampled, Decision* decision, object rule, bint waits, dict notes) except -2:
        """The span's ending, PENDING, or where it is to wait and cannot NOT_HELD."""
        cdef Group group
        cdef Writer writer
        cdef object extra, copy = None, trace_state = None, encoded = None
        cdef Enrichment enrichment = None
        cdef uint32_t repaired = 0
        cdef Scrubbing job
        cdef int level, ending
        cdef bint failed = facts is not None and facts.error
        cdef bint wanted = is_wanted(decision, sampled)
        cdef PyObject *bare = NULL
        cdef str scope = <str> SCOPES[decision.scope]
        if not wanted:
            # What keeps it is not known yet.
            rule = scope = None
            decision.lane = LANE_REPEATED if failed else LANE_OFF_PATH
        elif failed:
            decision.lane = max(decision.lane, self.seen.lane_of(facts, self.limits.now()))
        elif self.buffer.refusing and decision.lane == LANE_HEAD and not waits:
            return BUFFER_FULL
        if failed and not decision.carried and self.user_enrich is None and notes is None:
            enrichment = self.enrichments.of(facts, attributes, rule, scope, decision.own)
        if enrichment is not None:
            extra, encoded = enrichment.extra, enrichment.encoded
            if facts.origin:
                extra = dict(<dict> extra)
                put_origin(extra, attributes, facts)
                encoded = <bytes> encoded + origin_fields(facts)
        else:
            kept = wanted and by_processor(decision, sampled)
            extra = self.enrichments.anew(facts, attributes, rule, scope, decision.carried, kept)
            if notes is not None:
                extra = {**notes, **(extra or {})}
            if self.tells_handled and facts is None:
                extra = note_handled(extra, attributes, events)
        if not waits and (decision.left_out or decision.partial):
            extra, encoded = note_missing(extra, encoded, decision, attributes)
        if self.user_enrich is not None and failed and wanted:
            extra = self.ask_user(span, facts, {} if extra is None else extra, attributes)
        if self.leaves_head_sampled:
            # The other processor exports the sampled spans at a rate we do not know.
            decision.weight = TH_ERASED
        if failed and facts.propagated and not self.repeats_stacks:
            bare = <PyObject*> facts.recorded
        if not waits:
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
            if waits:
                ending = self.undecided.hold(
                    context, writer.start, writer.size,
                    behind_of(self.rebuild is not None, span, context, extra, bare), self.rebuild is not None, group,
                    decision, sampled, own_names_of_ours(attributes),
                )
                if ending == PENDING:
                    decision.size = writer.size
                return ending
            if self.rebuild is not None:
                copy = self.rebuild(span, trace_state, extra, None if bare == NULL else <object> bare)
            ending = self.buffer.admit(writer.start, writer.size, copy, decision.lane, group, decision, &writer.gap)
            if ending == PENDING:
                decision.size = writer.size
            return ending
        finally:
            writer_close(&writer)

    cdef dict ask_user(self, object span, ErrorFacts facts, dict extra, object attributes):
        cdef Py_ssize_t before = len(extra)
        try:
            facts.message = self.scrubber.message(facts.message)
            if merge_user(extra, self.user_enrich(span, facts), attributes):
                self.ledger.repaired += 1
            extra.update(note_scrubbed(self.ledger, extra, attributes, self.scrubber.clean_added(extra, before)) or {})
        except BaseException as error:
            self.swallow("enrich", error)
        return extra

    cdef int tell(self, object context, ErrorFacts facts, Decision* decision, object rule, bint kept) except -1:
        try:
            facts.message = self.scrubber.message(facts.message)
            self.on_verdict(verdict_of(context, facts, decision, rule, kept, self.floor))
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
        swallowed(self.ledger, where, error)

    def settle_traces(self, bint all_spans):
        """Decide every trace, at shutdown; or let only go what is exported anyway, for a flush."""
        if self.undecided is not None:
            self.undecided.settle(all_spans)
            hand_over()

    def settle_overdue(self):
        """Decide the traces that have waited too long; seconds until the next one is due, None where there is none."""
        return self.undecided.overdue(self.limits.now()) if self.tracing else None

    def restart_in_child(self):
        """Start at zero after a fork: what the parent buffered and counted is the parent's."""
        self.limits.reset()
        self.tallies.reset()
        memset(self.rehearsed, 0, sizeof(self.rehearsed))
        self.marks.clear()
        self.classifier.origins.clear()
        self.followed = 0
        if self.undecided is not None:
            self.undecided.forget()
        self.ledger.clear()
        self.groups.clear()
        self.buffer.restart_in_child()      # last: it drops references
        self.worker_alive = False
