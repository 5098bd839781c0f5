"""Attribute values as OTLP AnyValue messages, and the repairs that let every value through.

A value is written by its base type, straight from the object's memory, so a subclass's methods are never called.
What protobuf cannot hold is repaired instead of refused, and counted: an int beyond 64 bits becomes its decimal text,
any other object `<module.Class>`.

Nothing here raises. User code runs in one place, `snapshot`, under a guard; a dict that another thread changes
meanwhile gives some mixture of its old and new items.
"""

from collections.abc import Mapping, Sequence

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_Check, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_CheckExact, PyDict_Size
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.list cimport PyList_CheckExact
from cpython.long cimport PyLong_Check, PyLong_CheckExact
from cpython.memoryview cimport PyMemoryView_Check
from cpython.object cimport PyObject
from cpython.sequence cimport PySequence_Fast_GET_ITEM, PySequence_Fast_GET_SIZE
from cpython.tuple cimport PyTuple_CheckExact
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

from wire cimport Writer, close_message, make_room, open_message, store_fixed64, store_head, store_varint, varint_size

cdef extern from *:
    """
    /* Texts whose characters lie behind the object, a byte each. */
    #define errsample_ascii(text) (PyUnicode_CheckExact(text) && PyUnicode_IS_COMPACT_ASCII(text))
    #define errsample_ascii_length(text) (((PyASCIIObject*) (text))->length)
    #define errsample_ascii_data(text) ((const char*) (((PyASCIIObject*) (text)) + 1))
    """
    bint errsample_ascii(PyObject* text) noexcept
    Py_ssize_t errsample_ascii_length(PyObject* text) noexcept
    const char* errsample_ascii_data(PyObject* text) noexcept

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int* overflow) noexcept   # an int is given: it cannot fail

cdef enum:
    STRING_VALUE = 0x0A     # common.proto AnyValue, tags of its fields
    BOOL_VALUE = 0x10
    INT_VALUE = 0x18
    DOUBLE_VALUE = 0x21
    ARRAY_VALUE = 0x2A
    KVLIST_VALUE = 0x32
    BYTES_VALUE = 0x3A
    NO_VALUE = 0            # None: an AnyValue without content
    REPEATED_VALUES = 0x0A  # ArrayValue and KeyValueList field 1
    KEY = 0x0A              # KeyValue field 1
    VALUE = 0x12            # KeyValue field 2
    # Parsers of C++, Java and Python refuse more than 100 nested messages, and the whole request with it. A map is
    # three messages deep, an attribute of an event the fifth: 31 maps still pass, 32 do not.
    DEEPEST = 31
    LONGEST_SHORT = 121     # characters of key and value that leave the length of a KeyValue below 128
    MOST_COPIED = 65536     # items taken from a sequence or mapping that has to be iterated by its own methods
    LAST_FIELDS = 1200      # bytes that the fields after the attributes need at most where `fit` is set

cdef Py_ssize_t ALL_ITEMS = <Py_ssize_t> (NO_LIMIT >> 1)


cdef struct Cuts:
    size_t text             # bytes of a string or bytes value; NO_LIMIT: whole
    size_t message          # of exception.message in an event
    size_t stack            # of exception.stacktrace in an event, cut in the middle
    size_t description      # of the status
    size_t name             # of names and keys
    size_t state            # of the trace state
    Py_ssize_t items        # of an array or map
    Py_ssize_t attributes   # of a span, event or link
    Py_ssize_t events
    Py_ssize_t links
    bint fit                # leave out attributes that do not fit instead of overflowing


cdef struct Encoder:
    Writer* w
    const Cuts* cuts
    bint in_event
    bint watching           # what is written is shown to the scrubber first
    PyObject* bare          # attributes of the event of which the stack text is on another span, or NULL
    bint stack_elsewhere    # the event being written is that one
    uint32_t repaired       # values that could not be written as they are
    bint unread             # reading a field raised
    PyObject* scrubber      # the Scrubber that looks at what is written, or NULL
    bint secret             # it found something: what was written is worth nothing
    PyObject* message       # ErrorFacts.message, or NULL
    bint message_clean      # which holds no secret
    uint64_t place          # of the stack among those that are remembered
    PyObject* stack         # the stack text that classify knows, or None
    PyObject* known         # the KnownStack it begins as
    Py_ssize_t scrubbed     # characters looked at


cdef struct Scalar:
    uint8_t tag
    size_t size             # of the AnyValue message
    uint64_t bits           # of a bool, int or double
    Utf8 text               # of a string or bytes


cdef inline void measure_bytes(const char* data, Py_ssize_t size, size_t limit, Utf8* t) noexcept:
    t.kind = 0
    t.data = data
    t.size = min(<size_t> size, limit)
    t.units = t.size


cdef inline bint read_scalar(Encoder* e, object value, size_t limit, Scalar* s) noexcept:
    """Size up a value that needs no nested message; False for any other."""
    cdef int too_wide = 0
    cdef double number
    if PyUnicode_Check(value):
        measure(e.w, value, limit, &s.text)
        s.tag = STRING_VALUE
        s.size = 1 + varint_size(s.text.size) + s.text.size
    elif value is True or value is False:
        s.tag = BOOL_VALUE
        s.bits = value is True
        s.size = 2
    elif PyLong_Check(value):
        s.bits = <uint64_t> PyLong_AsLongLongAndOverflow(value, &too_wide)
        s.tag = INT_VALUE
        s.size = 1 + varint_size(s.bits)
        return too_wide == 0
    elif PyFloat_Check(value):
        number = PyFloat_AS_DOUBLE(value)
        memcpy(&s.bits, &number, 8)
        s.tag = DOUBLE_VALUE
        s.size = 9
    elif value is None:
        s.tag = NO_VALUE
        s.size = 0
    elif PyBytes_Check(value):
        measure_bytes(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), limit, &s.text)
        s.tag = BYTES_VALUE
        s.size = 1 + varint_size(s.text.size) + s.text.size
    elif PyByteArray_Check(value):
        measure_bytes(PyByteArray_AS_STRING(value), PyByteArray_GET_SIZE(value), limit, &s.text)
        s.tag = BYTES_VALUE
        s.size = 1 + varint_size(s.text.size) + s.text.size
    else:
        return False
    return True


cdef inline char* store_scalar(Encoder* e, char* p, const Scalar* s) noexcept:
    """The content of the AnyValue. Oneof: a default value is written too."""
    if s.tag == STRING_VALUE or s.tag == BYTES_VALUE:
        return store_text(store_head(p, s.tag, s.text.size), &s.text, &e.repaired)
    if s.tag == NO_VALUE:
        return p
    p[0] = <char> s.tag
    if s.tag == DOUBLE_VALUE:
        return store_fixed64(p + 1, s.bits)
    return store_varint(p + 1, s.bits)


cdef void put_value(Encoder* e, uint8_t tag, object value, int depth) noexcept:
    """A field holding an AnyValue."""
    cdef Scalar s
    cdef size_t content
    cdef char* p
    if e.watching:
        watch_value(e, value)
    if not read_scalar(e, value, e.cuts.text, &s):
        value = stand_in(e, value, depth)
        if e.watching:
            watch_value(e, value)
        if not read_scalar(e, value, e.cuts.text, &s):
            content = open_message(e.w, tag, 1)
            put_container(e, value, depth)
            close_message(e.w, content, 1)
            return
    if make_room(e.w, 11 + s.size):
        p = store_head(e.w.start + e.w.size, tag, s.size)
        e.w.size = store_scalar(e, p, &s) - e.w.start


cdef inline char* store_key(Encoder* e, char* p, const Utf8* k) noexcept:
    """The key of a KeyValue; an empty one is the default and not written."""
    if k.size:
        p = store_text(store_head(p, KEY, k.size), k, &e.repaired)
    return p


cdef inline bint is_plain(PyObject* key) noexcept:
    """Whether an attribute of an event is neither cut by a bound of its own nor shown to the scrubber."""
    return errsample_ascii(key) and (
        is_named(key, b"exception.type", 14) or is_named(key, b"exception.escaped", 17)
    )


cdef inline bint put_short(Writer* w, uint8_t tag, PyObject* key, PyObject* value) noexcept:
    """A KeyValue of a key of ASCII and such a text or a number, if its lengths take one byte each; False for any other.

    Most are: 60 instructions and the copying; the general way takes 140 more.
    """
    cdef uint64_t high = 0, number = 0
    cdef bint text = errsample_ascii(value)
    cdef Py_ssize_t k, v
    cdef char* p
    if not errsample_ascii(key):
        return False
    k = errsample_ascii_length(key)
    if text:
        v = errsample_ascii_length(value)
    elif PyLong_CheckExact(<object> value) and errsample_unsigned(<object> value, &high, &number) and high == 0:
        v = varint_size(number) - 1     # its length is not written
    else:
        return False
    if k == 0 or k + v > LONGEST_SHORT or number >> 63 or not make_room(w, k + v + 8):
        return False
    p = w.start + w.size
    w.size += k + v + 8
    p[0] = <char> tag
    p[1] = <char> (k + v + 6)
    p[2] = KEY
    p[3] = <char> k
    memcpy(p + 4, errsample_ascii_data(key), k)
    p += 4 + k
    p[0] = VALUE
    p[1] = <char> (v + 2)
    if text:
        p[2] = STRING_VALUE
        p[3] = <char> v
        memcpy(p + 4, errsample_ascii_data(value), v)
    else:
        p[2] = INT_VALUE
        store_varint(p + 3, number)
    return True


cdef void put_attribute(Encoder* e, uint8_t tag, object key, object value, int depth) noexcept:
    """A field holding a KeyValue. Nothing is copied before the whole of a scalar is known to fit."""
    cdef Utf8 k
    cdef Scalar s
    cdef size_t content, inner, length, limit
    cdef char* p
    if not PyUnicode_Check(key):
        key = text_of(key, &e.repaired)
    measure(e.w, key, e.cuts.name, &k)
    limit = e.cuts.text
    if e.watching:
        watch_attribute(e, key, &k, value)
    if e.in_event and k.kind == 0:
        if k.size == 17 and memcmp(k.data, b"exception.message", 17) == 0:
            limit = e.cuts.message
        elif k.size == 20 and memcmp(k.data, b"exception.stacktrace", 20) == 0 and PyUnicode_Check(value):
            if e.stack_elsewhere:
                return
            limit = e.cuts.stack
            shortened = without_middle(e.w, value, limit)
            if shortened is not value and is_unplaced(&e.w.gap):
                close_gap(&e.w.gap)
            value = shortened
    if not read_scalar(e, value, limit, &s):
        value = stand_in(e, value, depth)
        if e.watching:
            watch_value(e, value)
        if not read_scalar(e, value, limit, &s):
            content = open_message(e.w, tag, 1)
            if make_room(e.w, 11 + k.size):
                e.w.size = store_key(e, e.w.start + e.w.size, &k) - e.w.start
            inner = open_message(e.w, VALUE, 1)
            put_container(e, value, depth)
            close_message(e.w, inner, 1)
            close_message(e.w, content, 1)
            return
    length = 1 + varint_size(s.size) + s.size
    if k.size:
        length += 1 + varint_size(k.size) + k.size
    if make_room(e.w, 11 + length):
        p = store_head(e.w.start + e.w.size, tag, length)
        p = store_key(e, p, &k)
        p = store_scalar(e, store_head(p, VALUE, s.size), &s)
        e.w.size = p - e.w.start
        if is_unplaced(&e.w.gap):
            place_gap(&e.w.gap, e.w.size, s.text.size)


cdef Py_ssize_t put_attributes(Encoder* e, uint8_t tag, object attributes, Py_ssize_t most, int depth) noexcept:
    """The first `most` items of a dict as KeyValue fields; returns how many were left out."""
    cdef PyObject* borrowed_key
    cdef PyObject* borrowed_value
    cdef Py_ssize_t position = 0
    cdef Py_ssize_t left_out = PyDict_Size(attributes)
    cdef Py_ssize_t wanted = min(left_out, most)
    cdef bint fit = e.cuts.fit and depth == 0
    cdef bint whole = e.cuts.text == NO_LIMIT
    cdef size_t size
    if not fit and <size_t> wanted > e.w.cap - e.w.size:
        e.w.overflow = True
    while wanted and not e.w.overflow and errsample_next(attributes, &position, &borrowed_key, &borrowed_value):
        size = e.w.size
        wanted -= 1
        left_out -= 1
        if whole and (not e.in_event or is_plain(borrowed_key)) and put_short(e.w, tag, borrowed_key, borrowed_value):
            continue
        # Owned, because encoding a value may run user code that changes the dict.
        key = <object> borrowed_key
        value = <object> borrowed_value
        put_attribute(e, tag, key, value, depth)
        if fit and (e.w.overflow or not make_room(e.w, LAST_FIELDS)):
            e.w.size = size
            e.w.overflow = False
            left_out += 1
    return left_out


cdef void put_container(Encoder* e, object value, int depth) noexcept:
    """The content of the AnyValue of a dict, list or tuple."""
    cdef size_t content
    cdef Py_ssize_t i = 0
    if PyDict_CheckExact(value):
        content = open_message(e.w, KVLIST_VALUE, 1)
        put_attributes(e, REPEATED_VALUES, value, e.cuts.items, depth + 1)
    else:
        content = open_message(e.w, ARRAY_VALUE, 1)
        if <size_t> min(PySequence_Fast_GET_SIZE(value), e.cuts.items) > e.w.cap - e.w.size:
            e.w.overflow = True
        # The size is read each time: user code run for one element may shorten the list.
        while i < PySequence_Fast_GET_SIZE(value) and i < e.cuts.items and not e.w.overflow:
            item = <object> PySequence_Fast_GET_ITEM(value, i)
            put_value(e, REPEATED_VALUES, item, depth + 1)
            i += 1
    close_message(e.w, content, 1)


cdef inline bint is_container(object value) noexcept:
    return PyDict_CheckExact(value) or PyList_CheckExact(value) or PyTuple_CheckExact(value)


cdef object stand_in(Encoder* e, object value, int depth):
    """A dict, list, tuple, str or bytes for a value that is no scalar."""
    found = value
    if not is_container(value):
        try:
            found = snapshot(e, value)
        except BaseException as error:
            swallowed(None, "", error)
            found = None
    if found is None or (depth >= DEEPEST and is_container(found)):
        e.repaired += 1
        found = type_label(value)
    return found


cdef object snapshot(Encoder* e, object value):
    """What a value of an uncommon type holds, in a common type; None where it holds nothing that can be written.

    Raises what the value's own methods raise.
    """
    cdef Py_ssize_t most = min(e.cuts.items, MOST_COPIED)
    if PyLong_Check(value):
        text = decimal(value)
        e.repaired += text is not None
        return text
    if PyMemoryView_Check(value):
        return view_bytes(value, min(e.cuts.text, e.w.cap - e.w.size))
    if isinstance(value, Mapping):
        taken = {}
        for key, item in value.items():
            if len(taken) == most:
                e.repaired += most == MOST_COPIED
                break
            taken[key] = item
        return taken
    if isinstance(value, Sequence):
        items = []
        for item in value:
            if len(items) == most:
                e.repaired += most == MOST_COPIED
                break
            items.append(item)
        return items
    return None


cdef object view_bytes(object view, size_t limit):
    """The bytes of a memoryview, one more than the limit of them where it is longer."""
    if view.nbytes <= limit:
        return view.tobytes()
    return view.cast("B")[:limit + 1].tobytes()
