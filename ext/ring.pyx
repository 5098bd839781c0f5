"""The spool that a process writes: its errors once more, in a mapped file that outlives it.

A record costs a copy into the page cache and its checksum; no system call, no allocation, no lock. A store that was
made survives any death of the process, though not of the machine. Entered under the GIL and without calls back into
Python, so that nobody sees a record half written; only a process that dies inside does, and its head tells the reader.
"""

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset
from libc.time cimport time


cdef struct Shelf:
    char* start
    uint64_t head, tail         # the truth; the file has copies, which anyone may have written to
    uint64_t waiting            # records that were not acknowledged


@cython.final
cdef class Ring(Keeper):
    """Records of the two error lanes in a file of SPOOL_HEADER bytes and two shelves, oldest overwritten first.

    `descriptor` is open for reading and writing, locked, and has `size` bytes of its own on the volume (a hole in a
    full one would end the process with SIGBUS); it is closed with the Ring, also where that cannot be made. Raises
    ValueError for an impossible size, OSError where the file cannot be mapped.
    """

    cdef char* start
    cdef size_t size
    cdef SpoolHeader* header
    cdef uint64_t capacity
    cdef uint64_t salt
    cdef Shelf[SHELVES] shelves
    cdef readonly uint64_t written      # records ever
    cdef readonly uint64_t overwritten  # that waited still, and made room for others
    cdef readonly uint64_t left_out     # larger than a shelf

    def __init__(self, int descriptor, size_t size, uint64_t salt, uint64_t pid, uint64_t created):
        cdef int number
        if self.start != NULL:
            raise ValueError("a ring is made once")
        self.own(descriptor)
        if size < SPOOL_HEADER + SHELVES * 64 or (size - SPOOL_HEADER) % (SHELVES * 8):
            raise ValueError(f"size is expected to be {SPOOL_HEADER} bytes and {SHELVES} shelves of 8 n, got {size}")
        self.start = errsample_map(descriptor, size)
        if self.start == NULL:
            raise OSError("the spool's file cannot be mapped")
        self.size = size
        self.salt = salt
        self.capacity = (size - SPOOL_HEADER) // SHELVES
        self.header = <SpoolHeader*> self.start
        for number in range(SHELVES):
            self.shelves[number].start = self.start + SPOOL_HEADER + number * self.capacity
        memset(self.header, 0, sizeof(SpoolHeader))
        memcpy(self.header.magic, SPOOL_MAGIC, sizeof(self.header.magic))
        self.header.version = SPOOL_VERSION
        self.header.capacity = self.capacity
        self.header.salt = salt
        self.header.pid = pid
        self.header.created = created
        self.header.check = check_of_header(self.header)

    def __dealloc__(self):
        self.unmap()

    cdef void unmap(self) noexcept:
        if self.start != NULL:
            errsample_unmap(self.start, self.size)
            self.start = NULL

    # -- what the buffer does

    cdef uint64_t append(self, int number, const Piece* pieces) noexcept:
        """Write a record of five pieces to a shelf; the place to acknowledge later, or NOWHERE."""
        cdef Shelf* shelf = &self.shelves[number]
        cdef Slot slot
        cdef uint64_t length
        cdef size_t at = shelf.head % self.capacity
        cdef int piece
        if self.start == NULL or not self.is_ours():
            return NOWHERE
        slot.position = shelf.head
        slot.state = WAITING
        slot.since = <uint32_t> time(NULL)
        for piece in range(PIECES):
            slot.size[piece] = <uint32_t> pieces[piece].size
        length = length_of(&slot)
        if length > self.capacity:
            self.left_out += 1
            return NOWHERE
        if shelf.head + length - shelf.tail > self.capacity:
            self.make_space(shelf, shelf.head + length - self.capacity)
            errsample_publish64(&self.header.bounds[number].tail, shelf.tail)
            errsample_fence()       # nothing of the oldest record changes before it is given up
        slot.check = check_of_slot(self.salt, &slot)
        for piece in range(PIECES):
            slot.check = checksum(slot.check, pieces[piece].start, pieces[piece].size)
        at = self.put(shelf, at, <const char*> &slot, sizeof(Slot))
        for piece in range(PIECES):
            at = self.put(shelf, at, pieces[piece].start, pieces[piece].size)
        shelf.head += length
        shelf.waiting += 1
        self.written += 1
        errsample_publish64(&self.header.bounds[number].head, shelf.head)
        return slot.position | <uint64_t> number

    cdef void acknowledge(self, uint64_t place) noexcept:
        cdef int number = place & 7
        cdef Shelf* shelf = &self.shelves[number]
        cdef uint64_t position = place - number
        cdef Slot slot
        if position < shelf.tail or self.start == NULL or not self.is_ours():
            return
        self.get(shelf, position, <char*> &slot, sizeof(Slot))
        if slot.state == DONE:
            return
        # Eight bytes of a slot never wrap, so this word is in one place.
        errsample_publish32(<uint32_t*> (shelf.start + (position + STATE_AT) % self.capacity), DONE)
        shelf.waiting -= 1
        if position == shelf.tail:
            self.pass_done(shelf)
            errsample_publish64(&self.header.bounds[number].tail, shelf.tail)

    cdef bint holds(self, uint64_t place) noexcept:
        """Whether the record there was not overwritten; true after `close` too, for the next process will read it."""
        return place - (place & 7) >= self.shelves[place & 7].tail and self.forks == errsample_forks

    # -- inside a shelf

    cdef void make_space(self, Shelf* shelf, uint64_t upto) noexcept:
        """Give up the oldest records until the tail is at `upto` or beyond."""
        while shelf.tail < upto:
            if self.drop_oldest(shelf) == WAITING:
                self.overwritten += 1
                shelf.waiting -= 1
        self.pass_done(shelf)

    cdef void pass_done(self, Shelf* shelf) noexcept:
        cdef Slot slot
        while shelf.tail < shelf.head:
            self.get(shelf, shelf.tail, <char*> &slot, sizeof(Slot))
            if slot.state != DONE:
                return
            self.drop_oldest(shelf)

    cdef uint32_t drop_oldest(self, Shelf* shelf) noexcept:
        """Move the tail past its record, whose state is returned; past all of them where a stranger wrote there."""
        cdef Slot slot
        self.get(shelf, shelf.tail, <char*> &slot, sizeof(Slot))
        if slot.position != shelf.tail or length_of(&slot) > shelf.head - shelf.tail:
            self.overwritten += shelf.waiting
            shelf.waiting = 0
            shelf.tail = shelf.head
            return DONE
        shelf.tail += length_of(&slot)
        return slot.state

    cdef inline size_t put(self, Shelf* shelf, size_t at, const char* data, size_t size) noexcept:
        """Copy to the shelf, around its end where need be; where the next copy goes."""
        cdef size_t fits = self.capacity - at
        if size < fits:
            memcpy(shelf.start + at, data, size)
            return at + size
        memcpy(shelf.start + at, data, fits)
        memcpy(shelf.start, data + fits, size - fits)
        return size - fits

    cdef inline void get(self, Shelf* shelf, uint64_t position, char* data, size_t size) noexcept:
        cdef size_t at = position % self.capacity
        cdef size_t fits = min(size, <size_t> self.capacity - at)
        memcpy(data, shelf.start + at, fits)
        if fits < size:
            memcpy(data + fits, shelf.start, size - fits)

    # -- what the spool does

    @property
    def waiting(self):
        """Records that were not acknowledged."""
        return self.shelves[0].waiting + self.shelves[1].waiting

    def close(self, bint wipe=False):
        """Write nothing more and give up the lock; `wipe`: leave zeros where spans were."""
        cdef Shelf* shelf
        cdef int number
        for number in range(SHELVES):
            shelf = &self.shelves[number]
            if wipe and self.start != NULL and self.is_ours():
                memset(shelf.start, 0, min(shelf.head, self.capacity))     # the rest was never written to
        self.unmap()
        self.close_file()

    def abandon(self):
        """The file was removed: nobody will read what is in it."""
        cdef int number
        for number in range(SHELVES):
            self.shelves[number].tail = self.shelves[number].head
            self.shelves[number].waiting = 0
        self.close()

    # -- for tests and tools

    def write(self, int shelf, pieces not None):
        """Append a record of five bytes objects; its place, or None where it was not written."""
        cdef Piece[PIECES] all_pieces
        cdef uint64_t place
        cdef bytes piece
        cdef int index
        if not 0 <= shelf < SHELVES or len(pieces) != PIECES:
            raise ValueError(f"expected a shelf from 0 to {SHELVES - 1} and {PIECES} pieces")
        kept = tuple(pieces)
        for index in range(PIECES):
            piece = kept[index]
            all_pieces[index].start = piece
            all_pieces[index].size = len(piece)
        place = self.append(shelf, all_pieces)
        return None if place == NOWHERE else place

    def settle(self, uint64_t place):
        """Acknowledge what was written at `place`."""
        if place & 7 >= SHELVES:
            raise ValueError(f"{place} is no place in a ring")
        self.acknowledge(place)

    def has(self, uint64_t place):
        """Whether what was written at `place` was not overwritten."""
        if place & 7 >= SHELVES:
            raise ValueError(f"{place} is no place in a ring")
        return self.holds(place)
