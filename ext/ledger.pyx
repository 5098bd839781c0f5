"""Counters of what became of every ended span, in C so that counting cannot fail.

A counter changes under the GIL in one C statement, with no Python code in between, so a hook that is entered again
by a signal handler or a finaliser counts right.
"""

from cpython.exc cimport PyErr_SetInterrupt
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

from otel_errsample.ledger import ENDINGS

cdef enum:
    MOST_ENDINGS = 32

cdef int PENDING = -1               # not an ending: the span waits in the buffer
cdef int DELIVERED = ENDINGS.index("delivered")
cdef int NOT_SAMPLED = ENDINGS.index("not_sampled")
cdef int DROPPED_BY_RULE = ENDINGS.index("dropped_by_rule")
cdef int SAMPLED_OUT_ENDING = ENDINGS.index("sampled_out")
cdef int SUPPRESSED_ENDING = ENDINGS.index("suppressed")
cdef int LEFT_TO_HEAD = ENDINGS.index("left_to_head")
cdef int THINNED = ENDINGS.index("thinned")
cdef int EVICTED = ENDINGS.index("evicted")
cdef int BUFFER_FULL = ENDINGS.index("buffer_full")
cdef int REJECTED = ENDINGS.index("rejected")
cdef int EXPORT_FAILED = ENDINGS.index("export_failed")
cdef int UNDELIVERED = ENDINGS.index("undelivered")
cdef int DELIVERY_UNKNOWN = ENDINGS.index("delivery_unknown")
cdef int SPOOLED = ENDINGS.index("spooled")
cdef int AFTER_SHUTDOWN = ENDINGS.index("after_shutdown")
cdef int INTERNAL_ERROR = ENDINGS.index("internal_error")

assert len(ENDINGS) <= MOST_ENDINGS


cdef class Ledger:
    """What became of the ended spans: at any moment `ended` and `recovered` are the sum of `endings`, plus what is
    being decided, plus what waits for its trace, plus what the buffer holds."""

    cdef uint64_t[MOST_ENDINGS] ending
    cdef readonly uint64_t ended                # 100 % of what ended, before any decision, as are the errors
    cdef ErrorCounts counted                    # of the errors
    cdef Names types, codes
    cdef readonly uint64_t recovered            # ended in processes that died, taken over from their spools
    cdef int64_t deciding                       # spans inside on_end at this moment
    cdef int64_t inherited                      # those of a forked child's parent, each of which may be ended here too
    cdef readonly uint64_t cut_short            # spans whose texts were not looked at to the end
    cdef readonly uint64_t truncated, repaired  # spans cut to fit a request; values that were no valid OTLP
    cdef readonly uint64_t scrubbed             # secrets taken out of spans
    cdef public uint64_t requests, retries, sent_bytes
    cdef readonly dict internal_errors          # where -> how many exceptions were swallowed there

    def __cinit__(self):
        self.internal_errors = {}
        self.types = Names()
        self.codes = Names()

    @property
    def errors(self):
        return self.counted.errors

    cdef inline void judged(self, ErrorFacts facts) noexcept:
        if facts is not None and facts.error:
            self.error(facts)

    cdef void error(self, ErrorFacts facts) noexcept:
        """Count what failed, in each of the ways to tell errors apart or in none."""
        cdef int type_place = OTHER_NAME, code_place = NO_NAME
        if facts.exception is not None:
            type_place = self.place(self.types, <str> facts.exception, TYPE_LENGTH, facts)
        elif facts.code is not None:
            type_place = self.place(self.types, <str> facts.code, TYPE_LENGTH, facts)
        if facts.code is not None:
            code_place = self.place(self.codes, <str> facts.code, CODE_LENGTH, None)
        self.counted.errors += 1
        self.counted.axes[axes_place(facts)] += 1
        self.counted.sources[facts.source_code] += 1
        self.counted.types[type_place] += 1
        self.counted.codes[code_place] += 1

    cdef inline int place(self, Names names, str text, Py_ssize_t longest, ErrorFacts facts) noexcept:
        cdef int place = names.place_lately(text)
        return self.place_anew(names, text, longest, facts) if place < 0 else place

    cdef int place_anew(self, Names names, str text, Py_ssize_t longest, ErrorFacts facts) noexcept:
        try:
            return names.place_of(text, longest, facts)
        except BaseException as error:
            swallowed(self, "ledger", error)
        return OTHER_NAME

    def census(self):
        """(errors, axes, sources, types, codes): of one moment, each with counts that add up to the errors.

        `axes` is a list of (kind, fault, severity, recovery, count), the others are dicts by name, of the codes with an
        empty name where an error had none.
        """
        cdef ErrorCounts counted = self.counted     # what is made below may run the garbage collector
        return (
            counted.errors, axes_of(counted.axes), {name: counted.sources[place] for place, name in enumerate(SOURCES)},
            self.types.read(counted.types), self.codes.read(counted.codes),
        )

    @property
    def endings(self):
        """Ending -> number of spans, every ending of the closed list."""
        cdef int index
        counted = {}
        for index in range(len(ENDINGS)):
            counted[ENDINGS[index]] = self.ending[index]
        return counted

    cdef inline void begin(self) noexcept:
        self.ended += 1
        self.deciding += 1

    cdef inline void settle(self, int ending) noexcept:
        """A span that was being decided has its ending."""
        self.deciding -= 1
        self.ending[ending] += 1

    cdef inline int64_t went_on(self) noexcept:
        """Spans that the parent began and this child has ended: a handler forked inside on_end, and both go on."""
        return min(self.inherited, -self.deciding) if self.deciding < 0 else 0

    def swallow(self, str where):
        """Count an exception that was kept from the application."""
        self.internal_errors[where] = self.internal_errors.get(where, 0) + 1

    cdef void clear(self):
        """Start again at zero: a forked child accounts for its own spans only."""
        cdef int index
        for index in range(MOST_ENDINGS):
            self.ending[index] = 0
        memset(&self.counted, 0, sizeof(self.counted))
        self.types, self.codes = Names(), Names()
        self.ended = self.truncated = self.repaired = self.cut_short = self.scrubbed = 0
        self.inherited += self.deciding
        self.deciding = 0
        self.recovered = 0
        self.requests = self.retries = self.sent_bytes = 0
        self.internal_errors.clear()


cdef bint interrupted = False       # by a Ctrl-C that was handled in Python code inside a hook


cdef void swallowed(Ledger ledger, str where, object error) noexcept:
    """Keep an exception from the application, and count it; Ctrl-C is for `hand_over`."""
    global interrupted
    if isinstance(error, KeyboardInterrupt):
        interrupted = True
    try:
        if ledger is not None:
            ledger.swallow(where)
    except BaseException:
        pass    # no memory for a count; the span's ending needs none


cdef inline void hand_over() noexcept:
    """Give the application its Ctrl-C, at the end of a hook: in the middle the hook's own Python code would get it."""
    global interrupted
    if interrupted:
        interrupted = False
        PyErr_SetInterrupt()
