"""What is told of a decision: to `on_verdict`, in a dry run on the span, in the ledger."""

cimport cython
from libc.stdint cimport uint64_t

ACTIONS = ("head", "keep", "drop", "sampled_out", "suppressed")


@cython.final
cdef class Verdict:
    """What was decided about one failed span, as `on_verdict` receives it.

    `action` is one of "keep", "drop", "head", "sampled_out", "suppressed"; `kept` whether the span went to the buffer
    (an `encode` or `buffer` failure makes it False, and what waits for its trace is not kept yet); `threshold` the
    56-bit threshold written on the span, None where none was; `suppressed` how many errors of this rule and key this
    span stands for besides itself; `scope` is "span", or "path" or "trace" where the span was kept only for the sake
    of another error.
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


cdef Verdict verdict_of(object context, ErrorFacts facts, Decision* decision, object rule, bint kept, uint64_t floor):
    cdef Verdict verdict = Verdict.__new__(Verdict)
    verdict.action = ACTIONS[decision.action]
    verdict.rule = rule
    verdict.scope = SCOPES[decision.scope]
    verdict.kept = kept
    if decision.weight == TH_SET and kept:
        verdict.threshold = claim_of(context_trace_state(context), trace_bits(context), decision.threshold, floor)
    verdict.suppressed = decision.carried
    verdict.facts = facts
    verdict.trace_id = context_trace_id(context)
    verdict.span_id = context_span_id(context)
    return verdict


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


cdef inline int ending_of(int action) noexcept:
    if action == HEAD:
        return NOT_SAMPLED
    if action == DROP:
        return DROPPED_BY_RULE
    if action == SUPPRESSED:
        return SUPPRESSED_ENDING
    return SAMPLED_OUT_ENDING
