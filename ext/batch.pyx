"""A batch of records in flight: taken from the lanes, built into requests, settled record by record."""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

cdef enum:
    MOST_BATCH = 65536


@cython.no_gc_clear         # __dealloc__ needs the buffer
cdef class Batch:
    """Records in flight, in the order they were taken.

    The export worker settles every index exactly once: `end` with what the receiver answered, or `put_back` to be
    sent again. A batch that is dropped unsettled (a worker that died) puts its records back by itself. In a child that
    was forked while it was sent, by a signal handler or an exporter, none of this does anything.
    """

    cdef Buffer buffer
    cdef Record** records           # settled ones are NULL
    cdef readonly Py_ssize_t count
    cdef uint64_t generation
    cdef size_t copied              # bytes of the payload being sent, charged until its records are settled

    def __len__(self):
        return self.count

    def __dealloc__(self):
        if self.records != NULL:
            self.return_records(0, self.count, True)
            if self.buffer.abandoned:
                self.buffer.give_up()
            free(self.records)

    cdef inline bint is_inherited(self) noexcept:
        return self.generation != self.buffer.generation

    cdef void charge_payload(self, size_t size) noexcept:
        if self.is_inherited():
            return
        self.buffer.used -= self.copied
        self.buffer.copied += size - self.copied
        self.copied = size
        self.buffer.charge(size)

    def payload(self, Py_ssize_t start, Py_ssize_t stop):
        """The records as one ExportTraceServiceRequest, grouped by resource and scope."""
        request = build_request(self.records + start, stop - start)
        self.buffer.ledger.sent_bytes += len(request)
        self.charge_payload(len(request))
        return request

    def spans(self, Py_ssize_t start, Py_ssize_t stop):
        """The records of a user's exporter as a list of ReadableSpans."""
        cdef Py_ssize_t index
        return [<object> self.records[index].span for index in range(start, stop)]

    def end(self, Py_ssize_t start, Py_ssize_t stop, str name):
        """Give the records the ending `name`; lost ones return what they carried to their limiter."""
        cdef int ending = ENDINGS.index(name)
        cdef Py_ssize_t index
        cdef Record* record
        if self.is_inherited():
            return
        for index in range(start, stop):
            record = self.records[index]
            if record == NULL:
                continue
            self.records[index] = NULL
            self.buffer.in_flight -= 1
            if ending == DELIVERED:
                self.buffer.end(record, ending)
            else:
                self.buffer.lose(record, ending)
        self.charge_payload(0)
        self.buffer.release_parked()

    def put_back(self, Py_ssize_t start, Py_ssize_t stop, bint maybe_delivered):
        """Return the records to the front of their lanes, to be sent again."""
        self.return_records(start, stop, maybe_delivered)
        if self.buffer.abandoned:
            # Shutdown gave up while this batch was with the transport.
            self.buffer.give_up()

    cdef void return_records(self, Py_ssize_t start, Py_ssize_t stop, bint maybe_delivered) noexcept:
        cdef Py_ssize_t index
        cdef Record* record
        if self.is_inherited():
            return
        for index in range(stop - 1, start - 1, -1):
            record = self.records[index]
            if record == NULL:
                continue
            self.records[index] = NULL
            self.buffer.in_flight -= 1
            record.maybe_delivered |= maybe_delivered
            self.buffer.put_back(record)
        self.charge_payload(0)
        self.buffer.refusing = False        # the copy's room is free again: let a healthy span try


def take(Buffer buffer, Py_ssize_t most, size_t most_bytes, uint64_t upto, bint errors_only):
    """Take the most valuable waiting records into flight, or return None.

    At most `most` records whose request is at most `most_bytes` long, none admitted after sequence `upto`. A record
    that alone exceeds `most_bytes` is taken alone.
    """
    cdef Batch batch = Batch.__new__(Batch)
    cdef Record* record
    cdef Group group
    cdef size_t size = 0
    cdef size_t added
    cdef int lane
    cdef int least = LANE_REPEATED if errors_only else 0
    most = min(most, <Py_ssize_t> buffer.waiting(), MOST_BATCH)
    if most <= 0:
        return None
    batch.buffer = buffer
    batch.generation = buffer.generation
    batch.records = <Record**> malloc(most * sizeof(Record*))
    if batch.records == NULL:
        raise MemoryError("no memory for a batch")
    # Nothing from here on runs Python code: the count above still holds.
    buffer.batches += 1
    buffer.flying_from = <uint64_t> -1
    for lane in range(LANES - 1, least - 1, -1):
        while batch.count < most:
            record = buffer.first[lane]
            if record == NULL or record.sequence > upto:
                break
            group = <Group> record.group
            added = record.size + (group.overhead if group.stamp != buffer.batches else 0)
            if batch.count and size + added > most_bytes:
                break
            group.stamp = buffer.batches
            size += added
            batch.records[batch.count] = buffer.pop(lane)
            batch.count += 1
            buffer.in_flight += 1
            buffer.flying_from = min(buffer.flying_from, record.sequence)
    if batch.count == 0:
        return None
    return batch


def encode_request(spans, cap=1 << 21):
    """A whole ExportTraceServiceRequest of at most 65,536 spans, by way of a buffer. For tests and tools."""
    cdef Groups groups = Groups()
    cdef Buffer buffer = Buffer(Ledger(), Limits(), 1 << 40, 0, MOST_BATCH, 1 << 40)
    for span in spans:
        buffer.offer(encode(span, cap=cap), LANE_HEAD, groups.of(span))
    cdef Batch batch = take(buffer, MOST_BATCH, 1 << 40, buffer.sequence, False)
    return b"" if batch is None else batch.payload(0, batch.count)


cdef bytes build_request(Record** records, Py_ssize_t count):
    """ExportTraceServiceRequest (trace_service.proto): resource_spans = 1 { resource = 1, scope_spans = 2 { scope = 1,
    spans = 2, schema_url = 3 }, schema_url = 3 }. A record's data is a complete field `spans`."""
    cdef list groups = []           # in order of first appearance
    cdef Group group, other
    cdef Py_ssize_t index
    cdef size_t total = 0
    cdef size_t inner
    cdef bytes request
    cdef char* out
    for index in range(count):
        group = <Group> records[index].group
        group.spans_size = 0
    for index in range(count):
        group = <Group> records[index].group
        if group.spans_size == 0:
            groups.append(group)
        group.spans_size += records[index].size
    resources = []                  # lists of groups that share a resource
    for group in groups:
        for nested in resources:
            other = nested[0]
            if other.resource_head == group.resource_head and other.resource_tail == group.resource_tail:
                nested.append(group)
                break
        else:
            resources.append([group])
    for nested in resources:
        total += field_size(resource_size(nested))
    request = PyBytes_FromStringAndSize(NULL, total)
    out = PyBytes_AS_STRING(request)
    for nested in resources:
        group = nested[0]
        out = put_length(out, 1, resource_size(nested))
        out = put_bytes(out, group.resource_head)
        for group in nested:
            inner = scope_size(group)
            out = put_length(out, 2, inner)
            out = put_bytes(out, group.scope_head)
            for index in range(count):
                if records[index].group == <PyObject*> group:
                    out = copy_span(out, records[index])
            out = put_bytes(out, group.scope_tail)
        out = put_bytes(out, (<Group> nested[0]).resource_tail)
    return request


cdef size_t scope_size(Group group):
    return len(group.scope_head) + group.spans_size + len(group.scope_tail)


cdef size_t resource_size(list nested):
    cdef Group group = nested[0]
    cdef size_t size = len(group.resource_head) + len(group.resource_tail)
    for group in nested:
        size += field_size(scope_size(group))
    return size


cdef inline size_t field_size(size_t length) noexcept:
    """A length-delimited field with a tag of one byte."""
    cdef size_t size = length + 2
    while length >= 0x80:
        length >>= 7
        size += 1
    return size


cdef inline char* put_length(char* out, int number, size_t length) noexcept:
    out[0] = <char> (number << 3 | 2)
    out += 1
    while length >= 0x80:
        out[0] = <char> (length & 0x7F | 0x80)
        out += 1
        length >>= 7
    out[0] = <char> length
    return out + 1


cdef inline char* put_bytes(char* out, bytes data):
    memcpy(out, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    return out + PyBytes_GET_SIZE(data)
