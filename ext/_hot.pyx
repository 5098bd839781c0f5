# cython: language_level=3, binding=True, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The path of a span through the processor, on the span's own thread.

    span starts ── track     remember the exception that is already being handled
    span fails  ── record    its exception, with the texts of stack frames that were formatted before
    span ends   ── classify  what failed, if anything: ErrorFacts
                   decide    the first matching rule wins, or the scope of an error that was kept: Decision
                   enrich    extra attributes, for kept spans only
                   encode    OTLP protobuf bytes of span + extra attributes, written once
                   buffer    one byte budget; refuses or evicts the least valuable with a counted reason

Under scope "trace" an encoded span waits for the decision on its trace, in the same budget, before it goes to the
buffer.

One extension made of fragments, in the order of the flow, so that they call each other at C speed. Everything here
runs under the GIL and may be entered again by a signal handler, a finaliser or the garbage collector: a stage works
on memory of its own call and commits without running Python code.
"""

include "seats.pyx"
include "items.pyx"
include "layout.pyx"
include "facts.pyx"
include "track.pyx"
include "frames.pyx"
include "printing.pyx"
include "record.pyx"
include "stated.pyx"
include "classes.pyx"
include "codes.pyx"
include "names.pyx"
include "chain.pyx"
include "common.pyx"
include "stacks.pyx"
include "endpoint.pyx"
include "culprits.pyx"
include "fingerprint.pyx"
include "origins.pyx"
include "beneath.pyx"
include "judge.pyx"
include "classify.pyx"
include "tracestate.pyx"
include "limits.pyx"
include "operands.pyx"
include "conditions.pyx"
include "counts.pyx"
include "decide.pyx"
include "scope.pyx"
include "enrich.pyx"
include "utf8.pyx"
include "values.pyx"
include "fields.pyx"
include "scrub_keys.pyx"
include "scrub_values.pyx"
include "scrub_shapes.pyx"
include "scrub_tokens.pyx"
include "scrub_pairs.pyx"
include "scrub_schema.pyx"
include "scrub_markup.pyx"
include "scrub_text.pyx"
include "scrub_numbers.pyx"
include "scrub_addresses.pyx"
include "scrub_also.pyx"
include "scrub_search.pyx"
include "scrub_stack.pyx"
include "scrub_patterns.pyx"
include "scrub_clean.pyx"
include "scrub.pyx"
include "encode.pyx"
include "request.pyx"
include "census.pyx"
include "ledger.pyx"
include "checksum.pyx"
include "spoolfile.pyx"
include "ring.pyx"
include "recovery.pyx"
include "block.pyx"
include "buffer.pyx"
include "twin.pyx"
include "groups.pyx"
include "batch.pyx"
include "seen.pyx"
include "traces.pyx"
include "waiting.pyx"
include "undecided.pyx"
include "sending.pyx"
include "thinning.pyx"
include "verdict.pyx"
include "path.pyx"
