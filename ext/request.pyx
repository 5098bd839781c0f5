"""What surrounds the spans of a request: resource and scope, encoded once and repeated for each batch."""

from libc.stdint cimport uint32_t

from wire cimport Writer, close_message, open_message, put_varint

cdef enum:
    RESOURCE = 0x0A                     # trace.proto ResourceSpans field 1
    RESOURCE_ATTRIBUTES = 0x0A
    RESOURCE_DROPPED_ATTRIBUTES = 0x10
    SCOPE = 0x0A                        # ScopeSpans field 1
    SCOPE_NAME = 0x0A
    SCOPE_VERSION = 0x12
    SCOPE_ATTRIBUTES = 0x1A
    SCOPE_DROPPED_ATTRIBUTES = 0x20
    SCHEMA_URL = 0x1A                   # field 3 of both
    HEAD_CAP = 65536                    # bytes of an encoded resource, and of a scope


cdef Cuts HEAD_CUTS = CUTS[1]
HEAD_CUTS.fit = True


cdef object public_name(object owner):
    return owner.name


cdef object public_version(object owner):
    return owner.version


cdef object public_schema_url(object owner):
    return owner.schema_url


cdef object public_attributes(object owner):
    return plain_dict(owner.attributes)


cdef void put_resource(Encoder* e, object resource) noexcept:
    cdef size_t content = open_message(e.w, RESOURCE, 2)
    cdef Py_ssize_t left_out
    if resource is not None:
        attributes = peek(e, <Accessor> public_attributes, resource)
        if attributes is not None:
            left_out = put_attributes(e, RESOURCE_ATTRIBUTES, attributes, ALL_ITEMS, 0)
            put_varint(e.w, RESOURCE_DROPPED_ATTRIBUTES, left_out)
    close_message(e.w, content, 2)


cdef void put_scope(Encoder* e, object scope) noexcept:
    cdef size_t content = open_message(e.w, SCOPE, 1)
    cdef Py_ssize_t left_out
    if scope is not None:
        put_text(e.w, SCOPE_NAME, peek(e, <Accessor> public_name, scope), e.cuts.text, &e.repaired)
        put_text(e.w, SCOPE_VERSION, peek(e, <Accessor> public_version, scope), e.cuts.text, &e.repaired)
        attributes = peek(e, <Accessor> public_attributes, scope)
        if attributes is not None:
            left_out = put_attributes(e, SCOPE_ATTRIBUTES, attributes, ALL_ITEMS, 0)
            put_varint(e.w, SCOPE_DROPPED_ATTRIBUTES, left_out)
    close_message(e.w, content, 1)


cdef void put_schema_url(Encoder* e, object owner) noexcept:
    if owner is not None:
        put_text(e.w, SCHEMA_URL, peek(e, <Accessor> public_schema_url, owner), e.cuts.text, &e.repaired)


ctypedef void (*Part)(Encoder*, object) noexcept


cdef bytes bounded_field(Part part, object owner, bint* unread):
    """The bytes of one part; `unread` is set where not all of it could be read.

    Python code reads it, where signals are handled: what a handler raises costs a second reading and not the part.
    """
    cdef Writer w
    cdef Encoder e
    writer_open(&w, HEAD_CAP)
    try:
        e.w = &w
        e.in_event = False
        e.scrubber = NULL
        e.watching = False
        e.repaired = 0
        put_part(&e, part, owner)
        if e.unread:
            put_part(&e, part, owner)
        unread[0] |= e.unread
        return w.start[:w.size]
    finally:
        writer_close(&w)


cdef void put_part(Encoder* e, Part part, object owner) noexcept:
    """Whole, or cut to HEAD_CAP with the attributes left out that do not fit."""
    cdef bint cut
    e.unread = False
    for cut in range(2):
        e.cuts = &HEAD_CUTS if cut else &CUTS[0]
        e.w.size = 0
        e.w.overflow = False
        part(e, owner)
        if not e.w.overflow:
            break


cdef bytes resource_field(object resource, bint* unread):
    """ResourceSpans field 1, complete with tag and length; at most 64 KiB."""
    return bounded_field(put_resource, resource, unread)


cdef bytes scope_field(object scope, bint* unread):
    """ScopeSpans field 1, complete with tag and length; at most 64 KiB; an empty message for None."""
    return bounded_field(put_scope, scope, unread)


cdef bytes schema_url_field(object owner, bint* unread):
    """Field 3 of ResourceSpans or ScopeSpans, of a resource or scope; no bytes where it has no schema URL."""
    return bounded_field(put_schema_url, owner, unread)


def encode_counted(span, str trace_state=None, dict extra=None, cap=1 << 21):
    """A span as one field of ScopeSpans.spans: (its bytes, the level of cuts 0 to 5, the number of repaired values).

    `trace_state` is a header that replaces the span's own, `extra` are attributes behind its own, `cap` limits the
    bytes (at least 4096). Raises ValueError for a span without a readable context and for a cap out of range; repairs
    or cuts anything else.
    """
    cdef Writer w
    cdef Encoder e
    cdef uint32_t repaired = 0
    if not 4096 <= cap <= 1 << 30:
        raise ValueError(f"expected a cap from 4096 to 2**30 bytes, got {cap}")
    e.repaired = 0
    context = peek(&e, <Accessor> span_context, span)
    attributes = peek(&e, <Accessor> span_attributes, span)
    events = peek(&e, <Accessor> span_events, span)
    status = peek(&e, <Accessor> span_status, span)
    writer_open(&w, cap)
    try:
        level = encode_span(
            &w, span, context, attributes, events, status, trace_state, extra, None, NULL, &repaired, None, None
        )
        return w.start[:w.size], level, e.repaired + repaired
    finally:
        writer_close(&w)


def encode(span, trace_state=None, extra=None, cap=1 << 21):
    """The bytes of `encode_counted` alone."""
    return encode_counted(span, trace_state, extra, cap)[0]
