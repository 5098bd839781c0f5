"""Where a span keeps its fields.

An attribute read through a public property of ReadableSpan costs 60 to 400 ns (`attributes` builds a mapping proxy,
`events` copies a tuple), through the private field 15 ns, from its place 1 ns (`seats.pyx`). The private names and
places are used only for objects whose type is exactly the one that `probe` found to have the expected layout and to
leave the reading of attributes to `object`; anything else is read through the public properties.
"""

from cpython.object cimport PyObject, PyObject_GenericGetAttr, PyObject_GetAttr
from cpython.ref cimport Py_TYPE
from cpython.dict cimport PyDict_Check
from cpython.tuple cimport PyTuple_GET_ITEM
from cpython.type cimport PyType_IsSubtype

cdef PyObject* READABLE = NULL      # the probed type, kept alive by sys.modules; NULL: public properties only
cdef PyObject* ATTRIBUTES = NULL    # BoundedAttributes, whose _dict is a dict
cdef PyObject* LIST = NULL          # BoundedList, whose _dq is a deque
cdef PyObject* CONTEXT = NULL       # SpanContext, a tuple
cdef PyObject* STATE = NULL         # TraceState, whose _dict is a dict
cdef PyObject* NO_STATE = NULL      # the TraceState that every context without one shares; it is empty
cdef PyObject* STATUS = NULL
cdef PyObject* EVENT = NULL
cdef PyObject* LINK = NULL


cdef enum:                          # private fields, as places in SEATS
    AT_CONTEXT, AT_PARENT, AT_ATTRIBUTES, AT_EVENTS, AT_LINKS, AT_STATUS    # of a ReadableSpan
    AT_KIND, AT_NAME, AT_START, AT_END, AT_RESOURCE, AT_SCOPE
    AT_DICT, AT_DICT_DROPPED        # of BoundedAttributes
    AT_DEQUE, AT_DEQUE_DROPPED      # of a BoundedList
    AT_STATE                        # of a TraceState
    AT_STATUS_CODE, AT_DESCRIPTION
    AT_EVENT_NAME, AT_EVENT_TIME, AT_EVENT_ATTRIBUTES
    AT_LINK_CONTEXT, AT_LINK_ATTRIBUTES
    FIELDS

cdef int[FIELDS] SEATS


cdef inline object stored(object owner, int at, str private):
    """A private field of an object whose type was probed."""
    cdef PyObject* found = errsample_seated(owner, SEATS[at])
    if found != NULL:
        return <object> found
    return PyObject_GenericGetAttr(owner, private)


cdef inline object part(object owner, PyObject* known, int at, str private, str public):
    """A field, by its private name or place where the owner is of the known type."""
    if <PyObject*> Py_TYPE(owner) == known:
        return stored(owner, at, private)
    return PyObject_GetAttr(owner, public)


cdef inline object started_part(object span, str private, str public):
    """A field of a span that starts; what the SDK's own class has of a ReadableSpan is where that one has it."""
    if READABLE != NULL and PyType_IsSubtype(<object> Py_TYPE(span), <object> READABLE):
        return PyObject_GenericGetAttr(span, private)
    return PyObject_GetAttr(span, public)


cdef inline object span_context(object span):
    """The SpanContext, a tuple (trace_id, span_id, is_remote, flags, trace_state, is_valid), or None."""
    return part(span, READABLE, AT_CONTEXT, "_context", "context")


cdef inline object plain_dict(object attributes):
    """The dict behind span, event, link or resource attributes; None where there is none."""
    if attributes is None:
        return None
    if <PyObject*> Py_TYPE(attributes) == ATTRIBUTES:
        return stored(attributes, AT_DICT, "_dict")
    if PyDict_Check(attributes):
        return attributes
    return dict(attributes)


cdef inline object span_attributes(object span):
    """The attributes as a dict (not to be changed), or None."""
    return plain_dict(part(span, READABLE, AT_ATTRIBUTES, "_attributes", "attributes"))


cdef inline object plain_list(object items):
    """The deque, list or tuple behind events or links; None where there is none."""
    if items is None:
        return None
    if <PyObject*> Py_TYPE(items) == LIST:
        return stored(items, AT_DEQUE, "_dq")
    return items


cdef inline object span_events(object span):
    return plain_list(part(span, READABLE, AT_EVENTS, "_events", "events"))


cdef inline object held_links(object span):
    """The links with what counts those left out, or what the public property answers."""
    return part(span, READABLE, AT_LINKS, "_links", "links")


cdef inline object span_status(object span):
    return part(span, READABLE, AT_STATUS, "_status", "status")


cdef inline object span_kind(object span):
    """The SpanKind member."""
    return part(span, READABLE, AT_KIND, "_kind", "kind")


cdef inline object span_name(object span):
    return part(span, READABLE, AT_NAME, "_name", "name")


cdef inline object span_parent(object span):
    """The parent's SpanContext, or None for a root."""
    return part(span, READABLE, AT_PARENT, "_parent", "parent")


cdef inline object span_start(object span):
    """Start in ns since the epoch, or None."""
    return part(span, READABLE, AT_START, "_start_time", "start_time")


cdef inline object span_end(object span):
    return part(span, READABLE, AT_END, "_end_time", "end_time")


cdef inline object span_resource(object span):
    return part(span, READABLE, AT_RESOURCE, "_resource", "resource")


cdef inline object span_scope(object span):
    """The InstrumentationScope, or None."""
    return part(span, READABLE, AT_SCOPE, "_instrumentation_scope", "instrumentation_scope")


cdef inline object context_item(object context, Py_ssize_t index, str public):
    # A subscript of a subclass of tuple goes through the type's slots: 450 instructions instead of 10.
    if <PyObject*> Py_TYPE(context) == CONTEXT:
        return <object> PyTuple_GET_ITEM(context, index)
    return PyObject_GetAttr(context, public)


cdef inline object context_trace_id(object context):
    return context_item(context, 0, "trace_id")


cdef inline object context_span_id(object context):
    return context_item(context, 1, "span_id")


cdef inline object context_is_remote(object context):
    return context_item(context, 2, "is_remote")


cdef inline object context_flags(object context):
    """The TraceFlags, an int."""
    return context_item(context, 3, "trace_flags")


cdef inline object context_trace_state(object context):
    """The TraceState itself, or None."""
    return context_item(context, 4, "trace_state")


cdef inline object context_state(object context):
    """The trace state as a dict (not to be changed), another mapping, or None."""
    state = context_trace_state(context)
    if <PyObject*> state == NO_STATE:
        return None
    if <PyObject*> Py_TYPE(state) == STATE:
        return stored(state, AT_STATE, "_dict")
    return state


cdef inline object status_code(object status):
    """The StatusCode member."""
    return part(status, STATUS, AT_STATUS_CODE, "_status_code", "status_code")


cdef inline object status_description(object status):
    return part(status, STATUS, AT_DESCRIPTION, "_description", "description")


cdef inline object event_name(object event):
    return part(event, EVENT, AT_EVENT_NAME, "_name", "name")


cdef inline object event_time(object event):
    """Time in ns since the epoch."""
    return part(event, EVENT, AT_EVENT_TIME, "_timestamp", "timestamp")


cdef inline object event_attributes(object event):
    """The attributes as a dict (not to be changed), or None."""
    return plain_dict(part(event, EVENT, AT_EVENT_ATTRIBUTES, "_attributes", "attributes"))


cdef inline object link_context(object link):
    return part(link, LINK, AT_LINK_CONTEXT, "_context", "context")


cdef inline object link_attributes(object link):
    """The attributes as a dict (not to be changed), or None."""
    return plain_dict(part(link, LINK, AT_LINK_ATTRIBUTES, "_attributes", "attributes"))


cdef inline object dropped_of(object owner, PyObject* known, int at):
    """How many attributes the SDK's limits cost: counted by the private container, or by the public property."""
    if <PyObject*> Py_TYPE(owner) == known:
        held = stored(owner, at, "_attributes")
        if <PyObject*> Py_TYPE(held) == ATTRIBUTES:
            return stored(held, AT_DICT_DROPPED, "dropped")
    return PyObject_GetAttr(owner, "dropped_attributes")


cdef inline object span_dropped_attributes(object span):
    return dropped_of(span, READABLE, AT_ATTRIBUTES)


cdef inline object span_dropped_events(object span):
    if <PyObject*> Py_TYPE(span) == READABLE:
        held = stored(span, AT_EVENTS, "_events")
        if <PyObject*> Py_TYPE(held) == LIST:
            return list_dropped(held)
    return PyObject_GetAttr(span, "dropped_events")


cdef inline object span_dropped_links(object span):
    return PyObject_GetAttr(span, "dropped_links")


cdef inline object list_dropped(object held):
    return stored(held, AT_DEQUE_DROPPED, "dropped")


cdef inline object event_dropped_attributes(object event):
    return dropped_of(event, EVENT, AT_EVENT_ATTRIBUTES)


cdef inline object link_dropped_attributes(object link):
    return dropped_of(link, LINK, AT_LINK_ATTRIBUTES)


cdef bint generic(cls) except -1:
    """Whether a class leaves the reading of attributes to `object`."""
    return cls.__getattribute__ is object.__getattribute__ and not hasattr(cls, "__getattr__")


def probe():
    """Look once whether the installed SDK keeps its fields where this extension reads them.

    Returns the answer as a bool; False means every field is read through the public properties.
    """
    global READABLE, ATTRIBUTES, LIST, CONTEXT, STATE, NO_STATE, STATUS, EVENT, LINK
    cdef int at
    READABLE = ATTRIBUTES = LIST = CONTEXT = STATE = NO_STATE = STATUS = EVENT = LINK = NULL
    from opentelemetry.sdk import trace as sdk_trace
    from opentelemetry.sdk.util import BoundedList
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.attributes import BoundedAttributes
    from opentelemetry.trace import DEFAULT_TRACE_STATE, Link, SpanContext, SpanKind
    from opentelemetry.trace import Status, StatusCode, TraceFlags, TraceState
    known = False
    try:
        state = TraceState([("k", "v")])
        context = SpanContext(3, 5, False, TraceFlags(1), state)
        attributes = BoundedAttributes(8, {"a": 1})
        event = sdk_trace.Event("e", attributes, 7)
        events = BoundedList.from_seq(8, [event])
        link = Link(context, attributes)
        status = Status(StatusCode.ERROR, "d")
        parent = SpanContext(3, 7, False)
        links = BoundedList.from_seq(8, [link])
        scope = InstrumentationScope("s")
        # No two fields alike: that is how their places are found.
        span = sdk_trace.ReadableSpan(
            "n", context=context, parent=parent, attributes=attributes, events=events, links=links,
            kind=SpanKind.SERVER, status=status, start_time=11, end_time=13, instrumentation_scope=scope,
        )
        known = (
            type(span) is sdk_trace.ReadableSpan
            and span._name == "n" and span._context is context and span._parent is parent
            and span._attributes is attributes and span._events is events and span._links is links
            and span._kind is SpanKind.SERVER and span._status is status
            and span._start_time == 11 and span._end_time == 13
            and span._resource is span.resource and span._instrumentation_scope is scope
            and isinstance(attributes._dict, dict) and attributes._dict["a"] == 1
            and len(events._dq) == 1 and events._dq[0] is event and event._attributes is attributes
            and event._name == "e" and event._timestamp == 7
            and isinstance(context, tuple) and context[0] == 3 and context[1] == 5 and context[2] is False
            and context[3] == 1 and context[4] is state and isinstance(state._dict, dict) and state._dict["k"] == "v"
            and status._status_code is StatusCode.ERROR and status._description == "d"
            and link._context is context and link._attributes is attributes
            and len(DEFAULT_TRACE_STATE) == 0
            and attributes.dropped == 0 and events.dropped == 0
            and all([generic(type(owner)) for owner in (span, attributes, events, state, status, event, link)])
        )
    except Exception:
        pass
    if known:
        READABLE = <PyObject*> sdk_trace.ReadableSpan
        ATTRIBUTES = <PyObject*> BoundedAttributes
        LIST = <PyObject*> BoundedList
        CONTEXT = <PyObject*> SpanContext
        STATE = <PyObject*> TraceState
        NO_STATE = <PyObject*> DEFAULT_TRACE_STATE
        STATUS = <PyObject*> Status
        EVENT = <PyObject*> sdk_trace.Event
        LINK = <PyObject*> Link
        owners = (
            (span, ("_context", "_parent", "_attributes", "_events", "_links", "_status")),
            (span, ("_kind", "_name", "_start_time", "_end_time", "_resource", "_instrumentation_scope")),
            (attributes, ("_dict", "dropped")), (events, ("_dq", "dropped")), (state, ("_dict",)),
            (status, ("_status_code", "_description")),
            (event, ("_name", "_timestamp", "_attributes")), (link, ("_context", "_attributes")),
        )
        for at, (owner, private) in enumerate([(owner, private) for owner, names in owners for private in names]):
            SEATS[at] = errsample_seat_of(owner, getattr(owner, private))
    return known


def seats():
    """The places of the private fields that `probe` found, -1 for one that is read by its name. For tests."""
    return [SEATS[at] for at in range(FIELDS)]
