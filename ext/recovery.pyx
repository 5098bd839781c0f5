"""Reading the spool of a process that died: bytes of which nothing is taken on trust.

The whole file is read first, so that no error of the volume and no other process can change or end anything here.
Every offset is checked against the image, and every record against its position and checksum; what does not pass is
looked over, 8 bytes a step, for the next record that does. Bounded: one pass over the shelves, and checksums of at most
four times their size whatever an image claims.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from wire cimport store_varint

# KeyValue "errsample.recovered": true, as field 9 (attributes) of a span.
cdef bytes RECOVERED = b"\x4a\x19\x0a\x13errsample.recovered\x12\x02\x10\x01"
cdef enum:
    SPANS_FIELD = 0x12      # ScopeSpans.spans, with which the encoding of a span begins
    GAP_AT_ONCE = 1 << 19   # bytes without a record that are looked over under the GIL


@cython.final
cdef class Remains:
    """What a dead process left in the image of its file; iterate for what is still to be sent.

    Yields (lane, seconds since 1970 at which it ended, place, five pieces): the shelf's number, the offset of the
    record's state in the file, and the resource's head and tail, the scope's head and tail and the span, marked
    `errsample.recovered`. Raises ValueError where the image is no spool's or its head is damaged.
    """

    cdef bytes image
    cdef SpoolHeader header
    cdef int shelf
    cdef uint64_t position, head
    cdef uint64_t patience          # bytes of which checksums may still be made
    cdef bint in_gap
    cdef readonly uint64_t damaged  # stretches between records that hold none

    def __init__(self, bytes image not None):
        if len(image) < SPOOL_HEADER:
            raise ValueError("it is shorter than the head of a spool")
        memcpy(&self.header, PyBytes_AS_STRING(image), sizeof(SpoolHeader))
        if memcmp(self.header.magic, SPOOL_MAGIC, sizeof(self.header.magic)):
            raise ValueError("it is no spool")
        if self.header.version != SPOOL_VERSION:
            raise ValueError(f"it has version {self.header.version}, and this is version {SPOOL_VERSION}")
        if self.header.check != check_of_header(&self.header):
            raise ValueError("its head is damaged")
        # Written so that no sum can overflow.
        if (self.header.capacity < 64 or self.header.capacity % 8
                or self.header.capacity > <uint64_t> (len(image) - SPOOL_HEADER) // SHELVES):
            raise ValueError("it is shorter than its head says")
        self.image = image
        self.patience = 4 * SHELVES * self.header.capacity
        self.shelf = SHELVES
        self.next_shelf()

    @property
    def attempts(self):
        """How often others began to adopt it."""
        return self.header.attempts

    @property
    def pid(self):
        """Of the process that wrote it."""
        return self.header.pid

    def __iter__(self):
        return self

    def __next__(self):
        cdef Slot slot
        cdef uint64_t position
        while True:
            while self.position >= self.head:
                if not self.next_shelf():
                    raise StopIteration
            position = self.position
            if not self.is_record(position, &slot):
                if not self.in_gap:
                    self.in_gap = True
                    self.damaged += 1
                self.position += 8
                if self.position % GAP_AT_ONCE == 0:
                    with nogil:
                        pass    # others' turn: a gap of 256 MiB takes 0.3 s
                continue
            self.in_gap = False
            self.position += length_of(&slot)
            if slot.state != DONE:
                pieces = self.pieces_of(position, &slot)
                if pieces is not None:
                    return self.shelf, slot.since, self.offset_of(position + STATE_AT), pieces
                self.damaged += 1

    cdef bint next_shelf(self) noexcept:
        """Go on with the next shelf, the first errors before the repeated ones; False after the last."""
        cdef Bounds* bounds
        while self.shelf > 0:
            self.shelf -= 1
            self.in_gap = False
            bounds = &self.header.bounds[self.shelf]
            if (bounds.head >= bounds.tail and bounds.head - bounds.tail <= self.header.capacity
                    and bounds.head % 8 == 0 and bounds.tail % 8 == 0):
                self.position, self.head = bounds.tail, bounds.head
                return True
            self.damaged += 1
        self.position = self.head = 0
        return False

    cdef bint is_record(self, uint64_t position, Slot* slot) noexcept:
        cdef uint32_t check
        cdef uint64_t length
        cdef int piece
        if self.head - position < sizeof(Slot):
            return False
        self.get(position, <char*> slot, sizeof(Slot))
        if slot.position != position:
            return False
        length = length_of(slot)
        if length > self.head - position or length > self.patience:
            return False
        self.patience -= length
        check = check_of_slot(self.header.salt, slot)
        position += sizeof(Slot)
        for piece in range(PIECES):
            check = self.check_of(check, position, slot.size[piece])
            position += slot.size[piece]
        return check == slot.check

    cdef tuple pieces_of(self, uint64_t position, const Slot* slot):
        """The five pieces; None where the span is not encoded as one."""
        cdef bytes piece
        cdef int index
        cdef list pieces = []
        position += sizeof(Slot)
        for index in range(PIECES):
            piece = PyBytes_FromStringAndSize(NULL, slot.size[index])
            self.get(position, PyBytes_AS_STRING(piece), slot.size[index])
            position += slot.size[index]
            pieces.append(piece)
        span = marked(pieces[SPAN_PIECE])
        if span is None:
            return None
        pieces[SPAN_PIECE] = span
        return tuple(pieces)

    cdef inline size_t offset_of(self, uint64_t position) noexcept:
        return SPOOL_HEADER + self.shelf * self.header.capacity + position % self.header.capacity

    cdef inline size_t contiguous(self, uint64_t position, size_t size) noexcept:
        return min(size, self.header.capacity - position % self.header.capacity)

    cdef void get(self, uint64_t position, char* data, size_t size) noexcept:
        cdef size_t fits = self.contiguous(position, size)
        memcpy(data, PyBytes_AS_STRING(self.image) + self.offset_of(position), fits)
        memcpy(data + fits, PyBytes_AS_STRING(self.image) + self.offset_of(0), size - fits)

    cdef uint32_t check_of(self, uint32_t seed, uint64_t position, size_t size) noexcept:
        cdef size_t fits = self.contiguous(position, size)
        seed = checksum(seed, PyBytes_AS_STRING(self.image) + self.offset_of(position), fits)
        return checksum(seed, PyBytes_AS_STRING(self.image) + self.offset_of(0), size - fits)


cdef bytes marked(bytes span):
    """The field ScopeSpans.spans with one attribute more; None where it is no such field."""
    cdef const uint8_t* data = <const uint8_t*> PyBytes_AS_STRING(span)
    cdef Py_ssize_t size = len(span)
    cdef Py_ssize_t at = 1
    cdef uint64_t length = 0
    cdef char[8] head
    cdef char* end
    if size < 2 or data[0] != SPANS_FIELD:
        return None
    while at < size and at < 6:
        length |= <uint64_t> (data[at] & 0x7F) << (7 * (at - 1))
        at += 1
        if data[at - 1] < 0x80:
            break
    else:
        return None
    if length != <uint64_t> (size - at):
        return None
    head[0] = SPANS_FIELD
    end = store_varint(head + 1, length + <size_t> len(RECOVERED))
    return head[:end - head] + span[at:] + RECOVERED


@cython.final
cdef class Orphan(Keeper):
    """The file of a process that died, whose records wait in our buffer; locked by `descriptor`, which it takes over.

    What is acknowledged is noted in the file by a call of pwrite, which fails where writing to a mapped page could end
    the process. An error there is not told: the record may be sent once more.
    """

    cdef readonly uint64_t waiting      # records in the buffer that were not acknowledged

    def __init__(self, int descriptor):
        self.own(descriptor)

    def note_attempts(self, uint32_t attempts):
        """Write how often this file's adoption was begun; raises OSError where that is not possible."""
        if not self.write(ATTEMPTS_AT, attempts):
            raise OSError("it cannot be written to")

    def settle(self, uint64_t place):
        """Note that the record at `place` needs nobody any more."""
        self.acknowledge(place)

    def close(self):
        """Give up the lock; what is not acknowledged is there for the next one."""
        self.close_file()

    cdef bint write(self, size_t at, uint32_t word) noexcept:
        if not self.is_ours() or not errsample_same(self.seat):
            return False
        return errsample_write(self.descriptor, &word, sizeof(word), at)

    cdef void acknowledge(self, uint64_t place) noexcept:
        self.waiting -= 1
        self.write(place, DONE)

    cdef void leave(self, uint64_t place) noexcept:
        self.waiting -= 1       # should we die before the file is removed, the next one sends it

    cdef bint holds(self, uint64_t place) noexcept:
        return self.forks == errsample_forks
