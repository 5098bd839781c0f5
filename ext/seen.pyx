"""Which errors are new: the first ones of a fingerprint are worth more than its thousandth."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    SEEN_SLOTS = 4096       # fingerprints remembered to tell first errors from repeated ones
    FIRST_ERRORS = 3        # how many errors of a fingerprint ride in LANE_FIRST per SEEN_FOR_NS

cdef uint64_t SEEN_FOR_NS = 60_000_000_000


cdef struct Seen:
    uint64_t fingerprint
    uint64_t since
    uint32_t count


@cython.final
cdef class SeenErrors:
    """How often fingerprints were met, in 96 KiB."""
    cdef Seen[SEEN_SLOTS] seen

    cdef int lane_of(self, ErrorFacts facts, uint64_t now) noexcept:
        """LANE_FIRST for the first errors of a fingerprint in a minute; colliding fingerprints count as new."""
        cdef Seen* seen = &self.seen[facts.fingerprint_hash % SEEN_SLOTS]
        if seen.fingerprint != facts.fingerprint_hash or now - seen.since > SEEN_FOR_NS:
            seen.fingerprint = facts.fingerprint_hash
            seen.since = now
            seen.count = 0
        seen.count += 1
        return LANE_FIRST if seen.count <= FIRST_ERRORS else LANE_REPEATED
