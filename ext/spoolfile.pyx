"""The layout of a spool's file, and what a descriptor and a mapping need to survive a fork.

    page 0        magic, version, capacity, salt, who made it; attempts to adopt it; head and tail of each shelf
    two shelves   rings of `capacity` bytes: repeated errors, first errors; so a storm of the ones cannot push out the
                  others, as in the buffer

A position counts the bytes ever written to a shelf; modulo the capacity it is a place in the file. A record is a slot
and five pieces, aligned to 8 bytes, and may wrap around. Its position is its sequence number: strictly increasing, and
in the checksum, so that what a former lap left behind never passes for a record of this one. Native byte order: a file
is read by the machine that wrote it, and the version tells another one.
"""

from libc.stdint cimport uint32_t, uint64_t

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>

    #define ERRSAMPLE_MOST_FILES 64
    static unsigned errsample_forks;    /* grows in every forked child, also where the fork was done in C */

    #if !defined(_WIN32)
    #include <pthread.h>
    #include <sys/mman.h>
    #include <sys/stat.h>
    #include <unistd.h>

    static int errsample_files[ERRSAMPLE_MOST_FILES];   /* descriptor + 1, 0 where the seat is free */
    static struct stat errsample_known[ERRSAMPLE_MOST_FILES];

    /* Whether the descriptor is still our file's: a daemon may close all of them, and the number goes to another file.
       fstat is allowed in a forked child. */
    static int errsample_same(int seat) {
        struct stat now;
        return fstat(errsample_files[seat] - 1, &now) == 0 && now.st_dev == errsample_known[seat].st_dev
            && now.st_ino == errsample_known[seat].st_ino;
    }

    /* flock belongs to the open file, which a child shares: while the child has it, the dead parent's file would seem
       to be in use. */
    static void errsample_in_child(void) {
        errsample_forks++;
        for (int seat = 0; seat < ERRSAMPLE_MOST_FILES; seat++)
            if (errsample_files[seat]) {
                if (errsample_same(seat))
                    close(errsample_files[seat] - 1);
                errsample_files[seat] = 0;
            }
    }

    static int errsample_own(int descriptor) {
        static int listening;
        if (!listening && pthread_atfork(NULL, NULL, errsample_in_child) == 0)
            listening = 1;
        for (int seat = 0; listening && seat < ERRSAMPLE_MOST_FILES; seat++)
            if (!errsample_files[seat]) {
                if (fstat(descriptor, &errsample_known[seat]))
                    return -1;
                errsample_files[seat] = descriptor + 1;
                return seat;
            }
        return -1;
    }

    static void errsample_disown(int seat) {
        if (errsample_same(seat))
            close(errsample_files[seat] - 1);
        errsample_files[seat] = 0;
    }

    /* Not Python's mmap: it keeps a duplicate of the descriptor, and with it the lock. */
    static char* errsample_map(int descriptor, size_t size) {
        void* start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        return start == MAP_FAILED ? NULL : (char*) start;
    }
    #define errsample_unmap(start, size) ((void) munmap(start, size))
    #define errsample_close(descriptor) ((void) close(descriptor))
    #define errsample_write(descriptor, data, size, at) (pwrite(descriptor, data, size, at) == (ssize_t) (size))
    #else
    #define errsample_own(descriptor) (-1)
    #define errsample_disown(seat) ((void) 0)
    #define errsample_same(seat) 0
    #define errsample_map(descriptor, size) NULL
    #define errsample_unmap(start, size) ((void) 0)
    #define errsample_close(descriptor) ((void) 0)
    #define errsample_write(descriptor, data, size, at) 0
    #endif

    #if defined(__GNUC__)
    #define errsample_publish64(place, value) __atomic_store_n(place, value, __ATOMIC_RELEASE)
    #define errsample_publish32(place, value) __atomic_store_n(place, value, __ATOMIC_RELEASE)
    #define errsample_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
    #else
    #define errsample_publish64(place, value) (*(volatile uint64_t*) (place) = (value))
    #define errsample_publish32(place, value) (*(volatile uint32_t*) (place) = (value))
    #define errsample_fence() ((void) 0)
    #endif
    """
    unsigned int errsample_forks
    int errsample_own(int descriptor) noexcept
    void errsample_disown(int seat) noexcept
    bint errsample_same(int seat) noexcept
    void errsample_close(int descriptor) noexcept
    char* errsample_map(int descriptor, size_t size) noexcept
    void errsample_unmap(void* start, size_t size) noexcept
    bint errsample_write(int descriptor, const void* data, size_t size, size_t at) noexcept
    void errsample_publish64(uint64_t* place, uint64_t value) noexcept
    void errsample_publish32(uint32_t* place, uint32_t value) noexcept
    void errsample_fence() noexcept

cdef enum:
    SPOOL_VERSION = 1
    SPOOL_HEADER = 4096
    SHELVES = 2
    PIECES = 5               # of a record: resource's head and tail, scope's head and tail, the span
    SPAN_PIECE = 4
    ATTEMPTS_AT = 64        # of SpoolHeader.attempts
    STATE_AT = 12           # of Slot.state
    WAITING = 0             # states of a record
    DONE = 0x656E6F44       # a word that no single flipped bit makes of WAITING

cdef char* SPOOL_MAGIC = b"ERRSPOOL"
cdef uint64_t NOWHERE = <uint64_t> -1


cdef struct Bounds:
    uint64_t head, tail     # positions: the end of the newest record, the start of the oldest
    uint64_t[6] unused      # each shelf's bounds in a cache line of their own


cdef struct SpoolHeader:
    char[8] magic
    uint32_t version
    uint32_t check          # of `capacity` to `created`
    uint64_t capacity       # bytes of one shelf
    uint64_t salt
    uint64_t pid
    uint64_t created        # seconds since 1970
    uint64_t[2] reserved
    uint32_t attempts       # adoptions that were begun and did not come to a good end
    uint32_t[15] unused
    Bounds[SHELVES] bounds


cdef struct Slot:
    uint64_t position
    uint32_t check          # of the slot without `check` and `state`, and of its pieces
    uint32_t state
    uint32_t since          # seconds since 1970
    uint32_t[PIECES] size


cdef struct Piece:
    const char* start
    size_t size


cdef inline uint32_t check_of_header(const SpoolHeader* header) noexcept:
    return checksum(SPOOL_VERSION, <const char*> &header.capacity, 4 * sizeof(uint64_t))


cdef inline uint32_t check_of_slot(uint64_t salt, const Slot* slot) noexcept:
    """Of a slot without its pieces. Salted, since the checksum of nothing but zeros is zero."""
    cdef uint32_t seed = checksum(0, <const char*> &salt, sizeof(salt))
    seed = checksum(seed, <const char*> &slot.position, sizeof(slot.position))
    return checksum(seed, <const char*> &slot.since, sizeof(uint32_t) * (1 + PIECES))


cdef inline uint64_t length_of(const Slot* slot) noexcept:
    """Bytes from a record's position to the next one's; at most 20 GiB for any content."""
    cdef uint64_t size = sizeof(Slot) + 7
    cdef int piece
    for piece in range(PIECES):
        size += slot.size[piece]
    return size & ~<uint64_t> 7


cdef class Keeper:
    """Where a record of the buffer also lies, to be told when that one has met its ending.

    C alone, so that dropping the last reference runs no Python code.
    """

    cdef int seat               # of our descriptor; -1 when closed
    cdef int descriptor
    cdef unsigned int forks     # a child must not touch what its parent opened

    def __cinit__(self):
        self.seat = -1
        self.forks = errsample_forks

    def __dealloc__(self):
        self.close_file()

    cdef int own(self, int descriptor) except -1:
        """Take the descriptor over: whatever happens, it is ours to close."""
        self.descriptor = descriptor
        self.seat = errsample_own(descriptor)
        if self.seat < 0:
            errsample_close(descriptor)
            raise OSError("no more files of spools can be open in this process")
        return 0

    cdef inline bint is_ours(self) noexcept:
        return self.seat >= 0 and self.forks == errsample_forks

    cdef void close_file(self) noexcept:
        """Close the descriptor, and with it give up the lock."""
        if self.is_ours():
            errsample_disown(self.seat)
        self.seat = -1

    cdef void acknowledge(self, uint64_t place) noexcept:
        """The record there has met its ending: nobody is to send it again."""

    cdef void leave(self, uint64_t place) noexcept:
        """The record there was evicted from memory: as `acknowledge`, and no system call."""
        self.acknowledge(place)

    cdef bint holds(self, uint64_t place) noexcept:
        """Whether the record there is still to be found by the next process."""
        return False
