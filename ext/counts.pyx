"""What each rule did, by its name.

The counts belong to the name and not to a table, so that they go on when the rules are exchanged, also for a span that
the former table is still deciding. Counted under the GIL without running Python code.
"""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t
from libc.string cimport memset

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject*)

cdef enum:
    MAX_FORMER_RULES = 1000     # names without a rule whose counts are still told apart

cdef str FORMER_RULES = "(former rules)"    # no name of a rule has brackets


cdef struct Counts:
    uint64_t matched, kept, dropped, suppressed, sampled_out, shadowed
    uint64_t bytes              # of the spans kept, encoded


@cython.final
cdef class Tally:
    """The counts of the rules of one name."""
    cdef readonly str name
    cdef Counts counts

    def __cinit__(self, str name):
        self.name = name

    cdef object as_dict(self):
        return {
            "name": self.name, "matched": self.counts.matched, "kept": self.counts.kept,
            "dropped": self.counts.dropped, "suppressed": self.counts.suppressed,
            "sampled_out": self.counts.sampled_out, "shadowed": self.counts.shadowed,
            "bytes": self.counts.bytes,
        }

    cdef void add(self, Counts* other) noexcept:
        self.counts.matched += other.matched
        self.counts.kept += other.kept
        self.counts.dropped += other.dropped
        self.counts.suppressed += other.suppressed
        self.counts.sampled_out += other.sampled_out
        self.counts.shadowed += other.shadowed
        self.counts.bytes += other.bytes


@cython.final
cdef class Tallies:
    """All tallies of a processor; they outlive an exchange of the rules, and their sums never go back."""
    cdef dict tallies           # by name, the one unclaimed for longest first
    cdef Tally former           # the sum of those that made room

    def __init__(self):
        self.tallies = {}
        self.former = Tally(FORMER_RULES)

    cdef list claim(self, tuple names):
        """The tallies of those names, in order; of the others the thousand claimed last are still told apart."""
        cdef Tally tally
        claimed = []
        for name in names:
            tally = self.tallies.pop(name, None)
            if tally is None:
                tally = Tally(name)
            self.tallies[name] = tally
            claimed.append(tally)
        for name in list(self.tallies)[:-MAX_FORMER_RULES - len(names)]:
            tally = self.tallies[name]
            # Held by the dict and by `tally`: no table counts with it any more.
            if Py_REFCNT(<PyObject*> tally) == 2:
                self.former.add(&tally.counts)
                del self.tallies[name]
        return claimed

    def counts(self, names):
        """A dict for each rule: of those names first, then of former rules that matched something."""
        cdef Tally tally
        listed = [(<Tally> self.tallies[name]).as_dict() for name in names]
        shown = set(names)
        for name, tally in list(self.tallies.items()):
            if tally.counts.matched and name not in shown:
                listed.append(tally.as_dict())
        if self.former.counts.matched:
            listed.append(self.former.as_dict())
        return listed

    def reset(self):
        """Count from zero: a forked child accounts for its own spans only."""
        cdef Tally tally
        for tally in self.tallies.values():
            memset(&tally.counts, 0, sizeof(Counts))
        memset(&self.former.counts, 0, sizeof(Counts))
