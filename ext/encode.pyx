"""OTLP protobuf bytes of a span and its extra attributes, written once and directly.

The bytes are those the official encoder serialises, in the same order; what that one refuses is repaired and counted,
and what does not fit the cap is cut, level by level, until it does. One span never costs its neighbours anything.
"""

from collections import deque

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_CheckExact
from cpython.object cimport PyObject, PyObject_Size
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_TYPE
from cpython.sequence cimport PySequence_Fast_GET_ITEM, PySequence_Fast_GET_SIZE
from cpython.tuple cimport PyTuple_CheckExact
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from wire cimport Writer, close_message, make_room, open_message, put_fixed32, put_fixed64, put_varint

cdef extern from "Python.h":
    # Cython's own declaration turns an error into an exception, which here is only another way of being missing.
    PyObject* item_quietly "PySequence_GetItem"(object items, Py_ssize_t at) noexcept

cdef enum:
    SCOPE_SPANS_SPANS = 0x12        # trace.proto: ScopeSpans field 2
    SPAN_STATE = 0x1A
    SPAN_PARENT_ID = 0x22
    SPAN_NAME = 0x2A
    SPAN_KIND = 0x30
    SPAN_START = 0x39
    SPAN_END = 0x41
    SPAN_ATTRIBUTES = 0x4A
    SPAN_DROPPED_ATTRIBUTES = 0x50
    SPAN_EVENTS = 0x5A
    SPAN_DROPPED_EVENTS = 0x60
    SPAN_LINKS = 0x6A
    SPAN_DROPPED_LINKS = 0x70
    SPAN_STATUS = 0x7A
    SPAN_FLAGS = 0x85               # field 16: a tag of two bytes, the second 1
    EVENT_TIME = 0x09
    EVENT_NAME = 0x12
    EVENT_ATTRIBUTES = 0x1A
    EVENT_DROPPED_ATTRIBUTES = 0x20
    LINK_ATTRIBUTES = 0x22
    LINK_DROPPED_ATTRIBUTES = 0x28
    LINK_FLAGS = 0x35
    STATUS_MESSAGE = 0x12
    STATUS_CODE = 0x18
    LEVELS = 4
    BLOCK = 65536                   # bytes of a scratch block: all but the rarest spans fit
    MOST_SPARE = 4                  # more are in use at once only when spans end inside one another

# The texts of an error are bounded on every span: a long message repeats itself, the middle of a deep stack is
# recursion. Level by level then, what explains a failure least goes first; only the last level gives up attributes,
# events and links, and then fits 4 KiB whatever the span holds.
cdef Cuts[LEVELS] CUTS
CUTS[0] = Cuts(
    text=NO_LIMIT, message=1024, stack=8192, description=256, name=NO_LIMIT, state=NO_LIMIT,
    items=ALL_ITEMS, attributes=ALL_ITEMS, events=ALL_ITEMS, links=ALL_ITEMS, fit=False,
)
CUTS[1] = CUTS[0]
CUTS[1].text = CUTS[1].stack = 1024
CUTS[1].name = 256
CUTS[1].state = 512                 # what W3C Trace Context asks everyone to carry at least
CUTS[1].items = 64
CUTS[2] = CUTS[1]
CUTS[2].attributes = 32
CUTS[2].events = 4
CUTS[2].links = 8
CUTS[3] = CUTS[2]
CUTS[3].attributes = CUTS[3].events = CUTS[3].links = 0
CUTS[3].fit = True

cdef PyObject* DEQUE = <PyObject*> deque

cdef char* SPARE_BLOCKS[MOST_SPARE]
cdef int spare_blocks = 0


cdef int writer_open(Writer* w, size_t cap) except -1:
    """Scratch memory of the call's own, so that a span may end while another is being encoded."""
    global spare_blocks
    if spare_blocks:
        spare_blocks -= 1
        w.start = SPARE_BLOCKS[spare_blocks]
    else:
        w.start = <char*> malloc(BLOCK)
        if w.start is NULL:
            raise MemoryError("no scratch memory to encode a span")
    w.size = 0
    w.room = min(<size_t> BLOCK, cap)
    w.cap = cap
    w.overflow = False
    w.gap.common = NULL
    return 0


cdef void writer_close(Writer* w) noexcept:
    global spare_blocks
    if w.room <= BLOCK and spare_blocks < MOST_SPARE:
        SPARE_BLOCKS[spare_blocks] = w.start
        spare_blocks += 1
    else:
        free(w.start)
    w.start = NULL
    w.size = w.room = 0
    close_gap(&w.gap)


cdef object iterable_items(Encoder* e, object items):
    """Events or links as a list, tuple or deque; None where there are none or they cannot be read."""
    if items is None:
        return None
    if <PyObject*> Py_TYPE(items) == DEQUE:
        return items if PyObject_Size(items) else None
    if PyTuple_CheckExact(items) or PyList_CheckExact(items):
        return items
    taken = []
    try:
        for item in items:
            if len(taken) == MOST_COPIED:
                e.repaired += 1
                break
            taken.append(item)
    except BaseException as error:
        swallowed(None, "", error)
        e.repaired += 1
    return taken


cdef inline object item_of(object items, Py_ssize_t at, bint* gone):
    """An event or link; user code run for one before it may have shortened what holds them: then None, and `gone`."""
    cdef PyObject* found = NULL
    if <PyObject*> Py_TYPE(items) == DEQUE:
        found = item_quietly(items, at)
        if found == NULL:
            PyErr_Clear()
    elif at < PySequence_Fast_GET_SIZE(items):
        found = PySequence_Fast_GET_ITEM(items, at)
        Py_INCREF(<object> found)
    gone[0] = found == NULL
    if found == NULL:
        return None
    item = <object> found
    Py_DECREF(item)
    return item


cdef void put_piece(Encoder* e, object text) noexcept:
    """A part of the trace state: text without a head."""
    cdef Utf8 t
    if not PyUnicode_Check(text):
        text = text_of(text, &e.repaired)
    measure(e.w, text, e.cuts.state, &t)
    if make_room(e.w, t.size):
        e.w.size = store_text(e.w.start + e.w.size, &t, &e.repaired) - e.w.start


cdef void put_members(Encoder* e, object members) noexcept:
    """A dict as a trace state header, as many of its first members as the limit allows."""
    cdef PyObject* borrowed_key
    cdef PyObject* borrowed_value
    cdef Py_ssize_t position = 0
    cdef size_t before = e.w.size
    cdef size_t content = open_message(e.w, SPAN_STATE, 1)
    cdef size_t size
    while not e.w.overflow and PyDict_Next(members, &position, &borrowed_key, &borrowed_value):
        key = <object> borrowed_key
        value = <object> borrowed_value
        size = e.w.size
        if size > content:
            put_piece(e, ",")
        put_piece(e, key)
        put_piece(e, "=")
        put_piece(e, value)
        if e.w.size - content > e.cuts.state:
            e.w.size = size
            break
    if e.w.size == content:
        e.w.size = before
    else:
        close_message(e.w, content, 1)


cdef void put_state(Encoder* e, object context, object header) noexcept:
    """The header given, or the span's own trace state. It is cut between members, since half a member is invalid."""
    if header is None:
        state = peek(e, <Accessor> context_state, context)
        if state is not None and not PyDict_Check(state):
            state = stand_in(e, state, 0)
        if PyDict_Check(state) and PyDict_Size(state):
            put_members(e, state)
        return
    if <size_t> PyUnicode_GET_LENGTH(header) > e.cuts.state:
        try:
            header = PyUnicode_Substring(header, 0, e.cuts.state).rpartition(",")[0]
        except BaseException:
            header = ""
    put_text(e.w, SPAN_STATE, header, e.cuts.state, &e.repaired)


cdef void put_status(Encoder* e, object status) noexcept:
    cdef size_t content
    if status is None:
        return
    content = open_message(e.w, SPAN_STATUS, 1)
    description = peek(e, <Accessor> status_description, status)
    if e.scrubber != NULL and description is not None:
        watch_description(e, description)
    put_text(e.w, STATUS_MESSAGE, description, e.cuts.description, &e.repaired)
    code = peek(e, <Accessor> status_code, status)
    put_varint(e.w, STATUS_CODE, member_position(e, STATUS_MEMBERS, code))
    close_message(e.w, content, 1)


cdef void put_event(Encoder* e, object event) noexcept:
    cdef size_t content = open_message(e.w, SPAN_EVENTS, 2)
    cdef Py_ssize_t left_out = 0
    put_fixed64(e.w, EVENT_TIME, nanoseconds(e, peek(e, <Accessor> event_time, event)))
    name = peek(e, <Accessor> event_name, event)
    if e.scrubber != NULL and not (type(name) is str and <str> name == "exception"):
        watch_text(e, name)
    put_text(e.w, EVENT_NAME, name, e.cuts.name, &e.repaired)
    attributes = peek(e, <Accessor> event_attributes, event)
    if attributes is not None:
        e.in_event = True
        e.watching = e.scrubber != NULL
        e.stack_elsewhere = <PyObject*> attributes == e.bare
        left_out = put_attributes(e, EVENT_ATTRIBUTES, attributes, e.cuts.attributes, 0)
        e.in_event = e.watching = False
    dropped = peek(e, <Accessor> event_dropped_attributes, event)
    put_varint(e.w, EVENT_DROPPED_ATTRIBUTES, dropped_count(e, dropped, left_out))
    close_message(e.w, content, 2)


cdef void put_link(Encoder* e, object link) noexcept:
    cdef size_t content
    cdef Py_ssize_t left_out = 0
    context = peek(e, <Accessor> link_context, link)
    if context is None:
        return
    content = open_message(e.w, SPAN_LINKS, 1)
    put_trace_id(e, peek(e, <Accessor> context_trace_id, context))
    put_span_id(e, SPAN_ID, peek(e, <Accessor> context_span_id, context))
    attributes = peek(e, <Accessor> link_attributes, link)
    if attributes is not None:
        left_out = put_attributes(e, LINK_ATTRIBUTES, attributes, e.cuts.attributes, 0)
    dropped = peek(e, <Accessor> link_dropped_attributes, link)
    put_varint(e.w, LINK_DROPPED_ATTRIBUTES, dropped_count(e, dropped, left_out))
    put_fixed32(e.w, LINK_FLAGS, flags_of(e, context))
    close_message(e.w, content, 1)


cdef object most_telling(Encoder* e, object events):
    """The events to keep when only a few may stay: the last exceptions, then the last others; in their order."""
    cdef Py_ssize_t i
    cdef list kept = []
    try:
        names = [peek(e, <Accessor> event_name, event) for event in events]
        for wanted in (True, False):
            for i in range(len(names) - 1, -1, -1):
                if len(kept) < e.cuts.events and (type(names[i]) is str and names[i] == "exception") is wanted:
                    kept.append(i)
        kept.sort()
        return [events[i] for i in kept]
    except BaseException:
        e.repaired += 1
    return []


cdef Py_ssize_t put_events(Encoder* e, object events) noexcept:
    """Returns how many were left out."""
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t total
    cdef bint gone
    items = iterable_items(e, events)
    if items is None:
        return 0
    total = PyObject_Size(items)
    if total > e.cuts.events:
        items = most_telling(e, items)
    while i < total and not e.w.overflow:
        event = item_of(items, i, &gone)
        if gone:
            break
        put_event(e, event)
        i += 1
    return total - i


cdef Py_ssize_t put_links(Encoder* e, object links) noexcept:
    """Returns how many were left out."""
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t total
    cdef bint gone
    items = iterable_items(e, links)
    if items is None:
        return 0
    total = PyObject_Size(items)
    while i < min(total, e.cuts.links) and not e.w.overflow:
        link = item_of(items, i, &gone)
        if gone:
            break
        put_link(e, link)
        i += 1
    return total - i


cdef inline void put_ready(Writer* w, object encoded) noexcept:
    """Fields that were encoded before."""
    cdef size_t size = PyBytes_GET_SIZE(encoded)
    if make_room(w, size):
        memcpy(w.start + w.size, PyBytes_AS_STRING(encoded), size)
        w.size += size


cdef bytes extra_fields(dict extra):
    """Extra attributes as fields of a span, uncut (they are short); None where one would have to be repaired."""
    cdef Writer w
    cdef Encoder e
    writer_open(&w, BLOCK)
    try:
        e.w = &w
        e.in_event = False
        e.bare = e.scrubber = NULL
        e.watching = False
        e.repaired = 0
        e.cuts = &CUTS[0]
        put_attributes(&e, SPAN_ATTRIBUTES, extra, ALL_ITEMS, 0)
        return None if e.repaired or w.overflow else w.start[:w.size]
    finally:
        writer_close(&w)


cdef bytes ORIGIN_FIELDS = extra_fields({"errsample.origin.span_id": "0" * 16})
cdef bytes PROPAGATED_FIELDS = extra_fields({"errsample.origin.span_id": "0" * 16, "errsample.propagated": True})
cdef Py_ssize_t ORIGIN_DIGITS = ORIGIN_FIELDS.index(b"0" * 16)
cdef const char *HEX_DIGITS = b"0123456789abcdef"


cdef void put_span(
    Encoder* e, object span, object context, object attributes, object events, object status, object trace_state,
    object extra, object encoded
) noexcept:
    cdef size_t content = open_message(e.w, SCOPE_SPANS_SPANS, 2)
    cdef Py_ssize_t left_out = 0
    put_trace_id(e, peek(e, <Accessor> context_trace_id, context))
    put_span_id(e, SPAN_ID, peek(e, <Accessor> context_span_id, context))
    put_state(e, context, trace_state)
    parent = peek(e, <Accessor> span_parent, span)
    if parent is not None:
        put_span_id(e, SPAN_PARENT_ID, peek(e, <Accessor> context_span_id, parent))
    name = peek(e, <Accessor> span_name, span)
    if e.scrubber != NULL:
        watch_name(e, name)
    put_text(e.w, SPAN_NAME, name, e.cuts.name, &e.repaired)
    put_varint(e.w, SPAN_KIND, member_position(e, KIND_MEMBERS, peek(e, <Accessor> span_kind, span)))
    put_fixed64(e.w, SPAN_START, nanoseconds(e, peek(e, <Accessor> span_start, span)))
    put_fixed64(e.w, SPAN_END, nanoseconds(e, peek(e, <Accessor> span_end, span)))
    if attributes is not None:
        left_out = put_attributes(e, SPAN_ATTRIBUTES, attributes, e.cuts.attributes, 0)
    if encoded is not None and not e.cuts.fit:
        put_ready(e.w, encoded)
    elif extra is not None:
        left_out += put_attributes(e, SPAN_ATTRIBUTES, extra, ALL_ITEMS, 0)
    dropped = peek(e, <Accessor> span_dropped_attributes, span)
    put_varint(e.w, SPAN_DROPPED_ATTRIBUTES, dropped_count(e, dropped, left_out))
    left_out = put_events(e, events)
    dropped = peek(e, <Accessor> span_dropped_events, span)
    put_varint(e.w, SPAN_DROPPED_EVENTS, dropped_count(e, dropped, left_out))
    held = peek(e, <Accessor> held_links, span)
    left_out = put_links(e, peek(e, <Accessor> plain_list, held))
    if <PyObject*> Py_TYPE(span) == READABLE and <PyObject*> Py_TYPE(held) == LIST:
        dropped = peek(e, <Accessor> list_dropped, held)
    else:
        dropped = peek(e, <Accessor> span_dropped_links, span)
    put_varint(e.w, SPAN_DROPPED_LINKS, dropped_count(e, dropped, left_out))
    put_status(e, status)
    if make_room(e.w, 1):
        e.w.start[e.w.size] = <char> SPAN_FLAGS
        e.w.size += 1
    put_fixed32(e.w, 1, flags_of(e, parent))
    close_message(e.w, content, 2)


cdef int encode_span(
    Writer* w, object span, object context, object attributes, object events, object status, object trace_state,
    object extra, object encoded, PyObject* bare, uint32_t* repaired, Scrubber scrubber, ErrorFacts facts
) except -1:
    """Write the span as a field of ScopeSpans.spans; returns the level of cuts it took, 0 for none.

    `bare` are the attributes of the event of which the stack text is on another span, or NULL. Where a `scrubber` is
    given and finds something the answer is SECRETS, and nothing was written, as always in strict mode; `facts` spare it
    a second look at the message.

    `trace_state` replaces the span's own unless None; `extra` follows the attributes, and `encoded` is what
    `extra_fields` made of it, or None. `w.gap` tells where a text stands that many errors have in common. Raises
    ValueError where there is no context to read the ids from.
    """
    cdef Encoder e
    cdef int level
    if context is None or not readable_context(context):
        raise ValueError("the span has no readable context")
    if scrubber is not None and scrubber.mode == SCRUB_STRICT:
        return SECRETS
    e.w = w
    e.in_event = False
    e.bare = bare
    e.scrubber = NULL if scrubber is None or scrubber.mode == SCRUB_OFF else <PyObject*> scrubber
    e.message = NULL if facts is None or facts.message is None else <PyObject*> facts.message
    e.place = 0 if facts is None else facts.fingerprint_hash
    e.stack = <PyObject*> (None if facts is None else facts.stack)
    e.known = <PyObject*> (None if facts is None else facts.known)
    e.secret = e.message_clean = e.watching = False
    e.scrubbed = 0
    for level in range(LEVELS):
        e.cuts = &CUTS[level]
        e.repaired = 0
        w.size = 0
        w.overflow = False
        close_gap(&w.gap)
        put_span(&e, span, context, attributes, events, status, trace_state, extra, encoded)
        if e.secret:
            w.size = 0
            w.overflow = False
            return SECRETS
        if not w.overflow:
            break
    repaired[0] = e.repaired
    return level


cdef bint readable_context(object context) noexcept:
    if <PyObject*> Py_TYPE(context) == CONTEXT:
        return True
    try:
        context_trace_id(context)
        context_span_id(context)
        return True
    except BaseException:
        pass
    return False
