"""The memory of an encoded span in the buffer: one block, used again when the span is gone.

Two threads that take turns with malloc and free, and pages that go back to the system and are faulted in anew, were 8 %
of what an error takes from its end to the acknowledgement. Blocks are kept by their sizes, which are malloc's own, so
that one that is used again is none too large. Entered under the GIL; runs no Python code.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef extern from *:
    """
    /* A block that is used again cannot be seen to be used too late. */
    #if defined(__SANITIZE_ADDRESS__)
    #define ERRSAMPLE_MOST_KEPT 0
    #else
    #define ERRSAMPLE_MOST_KEPT ((size_t) 4 << 20)
    #endif
    """
    size_t MOST_KEPT "ERRSAMPLE_MOST_KEPT"      # bytes: two requests of the default size

cdef enum:
    RECORD_OVERHEAD = 16    # what malloc adds to a block, glibc 2.36 on 64 bit
    TWIN_ROOM = 24          # a Twin and what aligns it
    OBJECT_FACTOR = 3       # a span kept as Python objects weighs about three times its encoding
    BLOCK_STEP = 16         # glibc's blocks hold 24 bytes, 40, 56 and so on
    BLOCK_LEAST = 8
    BLOCK_SIZES = 512       # larger ones, of more than 8 KiB, are left to malloc


cdef struct Record:
    Record* next
    PyObject* group         # owned; a Group holds bytes only, so dropping it runs no code
    PyObject* span          # owned; NULL where the record is bytes
    uint64_t sequence
    uint64_t carried        # given back to the limiter when the span is lost
    uint32_t limiter
    uint32_t slot
    uint32_t size           # of the encoded span
    uint8_t lane
    uint8_t maybe_delivered     # sent at least once without an answer
    uint8_t twofold             # a Twin follows the bytes
    uint8_t gapped              # a Gap precedes them; without one they are the encoded span


cdef struct Blocks:
    Record* first[BLOCK_SIZES]
    size_t kept             # bytes
    size_t most


cdef inline Gap* gap_of(Record* record) noexcept:
    return <Gap*> (record + 1)


cdef inline char* bytes_of(Record* record) noexcept:
    return <char*> (record + 1) + record.gapped * sizeof(Gap)


cdef inline size_t stored_of(Record* record) noexcept:
    """How many of these there are."""
    if record.span != NULL:
        return 0
    return record.size - gap_of(record).size if record.gapped else record.size


cdef inline size_t charge_of(Record* record) noexcept:
    """What a record takes of the budget, beside the text in its gap."""
    if record.span != NULL:
        return OBJECT_FACTOR * <size_t> record.size
    return RECORD_OVERHEAD + block_of(stored_of(record), record.twofold, record.gapped)


cdef inline size_t block_of(size_t stored, bint twofold, bint gapped) noexcept:
    """The bytes a record needs of which so many are stored."""
    return sizeof(Record) + stored + twofold * TWIN_ROOM + gapped * sizeof(Gap)


cdef inline void store_span(Record* record, const char* span) noexcept:
    """Copy an encoded span, but for what the gap leaves out."""
    cdef char* out = bytes_of(record)
    cdef size_t at
    if not record.gapped:
        memcpy(out, span, record.size)
        return
    at = gap_of(record).at
    memcpy(out, span, at)
    memcpy(out + at, span + at + gap_of(record).size, stored_of(record) - at)


cdef inline char* copy_span(char* out, Record* record) noexcept:
    """Write the whole encoded span; answers where it ends."""
    cdef const char* stored = bytes_of(record)
    cdef Gap* gap = gap_of(record)
    if record.gapped:
        memcpy(out, stored, gap.at)
        memcpy(out + gap.at, text_of_gap(gap), gap.size)
        memcpy(out + gap.at + gap.size, stored + gap.at, stored_of(record) - gap.at)
    else:
        memcpy(out, stored, record.size)
    return out + record.size


cdef inline size_t steps_of(size_t block) noexcept:
    return (block - BLOCK_LEAST + BLOCK_STEP - 1) // BLOCK_STEP


cdef inline Record* new_record(Blocks* blocks, size_t block) noexcept:
    """A record of which nothing is set; NULL where there is no memory."""
    cdef size_t steps = steps_of(block)
    cdef Record* record = blocks.first[steps] if steps < BLOCK_SIZES else NULL
    if record == NULL:
        return <Record*> malloc(BLOCK_LEAST + steps * BLOCK_STEP)
    blocks.first[steps] = record.next
    blocks.kept -= steps * BLOCK_STEP
    return record


cdef inline void free_record(Blocks* blocks, Record* record) noexcept:
    """Keep the block of a record that holds nothing any more."""
    cdef size_t steps = steps_of(block_of(stored_of(record), record.twofold, record.gapped))
    if steps >= BLOCK_SIZES or blocks.kept + steps * BLOCK_STEP > blocks.most:
        free(record)
        return
    record.next = blocks.first[steps]
    blocks.first[steps] = record
    blocks.kept += steps * BLOCK_STEP


cdef inline void release(Blocks* blocks, Record* record) noexcept:
    if record.twofold:
        release_twin(record)
    if record.gapped:
        close_gap(gap_of(record))
    Py_DECREF(<object> record.group)
    free_record(blocks, record)


cdef void free_blocks(Blocks* blocks) noexcept:
    cdef int steps
    cdef Record* record
    for steps in range(BLOCK_SIZES):
        while blocks.first[steps] != NULL:
            record = blocks.first[steps]
            blocks.first[steps] = record.next
            free(record)
    blocks.kept = 0
