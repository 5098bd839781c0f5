"""Where a span keeps its fields.

An attribute read through a public property of ReadableSpan costs 60 to 400 ns (`attributes` builds a mapping proxy,
`events` copies a tuple), through the private field 15 ns. The private names are used only for objects whose type is
exactly the ReadableSpan that `probe` found to have the expected layout; anything else is read through the public
properties.
"""

from cpython.object cimport PyObject, PyObject_GetAttr
from cpython.ref cimport Py_TYPE
from cpython.dict cimport PyDict_Check
from cpython.tuple cimport PyTuple_CheckExact

cdef PyObject* READABLE = NULL      # the probed type, kept alive by sys.modules; NULL: public properties only
cdef PyObject* ATTRIBUTES = NULL    # BoundedAttributes, whose _dict is a dict
cdef PyObject* LIST = NULL          # BoundedList, whose _dq is a deque


cdef inline object field(object span, str private, str public):
    """One field of a span, through the private name where the layout is known."""
    if <PyObject*> Py_TYPE(span) == READABLE:
        return PyObject_GetAttr(span, private)
    return PyObject_GetAttr(span, public)


cdef inline object span_context(object span):
    """The SpanContext, a tuple (trace_id, span_id, is_remote, flags, trace_state, is_valid), or None."""
    return field(span, "_context", "context")


cdef inline object plain_dict(object attributes):
    """The dict behind span, event, link or resource attributes; None where there is none."""
    if attributes is None:
        return None
    if <PyObject*> Py_TYPE(attributes) == ATTRIBUTES:
        return PyObject_GetAttr(attributes, "_dict")
    if PyDict_Check(attributes):
        return attributes
    return dict(attributes)


cdef inline object span_attributes(object span):
    """The attributes as a dict (not to be changed), or None."""
    return plain_dict(field(span, "_attributes", "attributes"))


cdef inline object plain_list(object items):
    """The deque, list or tuple behind events or links; None where there is none."""
    if items is None:
        return None
    if <PyObject*> Py_TYPE(items) == LIST:
        return PyObject_GetAttr(items, "_dq")
    return items


cdef inline object span_events(object span):
    return plain_list(field(span, "_events", "events"))


cdef inline object span_links(object span):
    return plain_list(field(span, "_links", "links"))


cdef inline object span_status(object span):
    return field(span, "_status", "status")


cdef inline object span_kind(object span):
    """The SpanKind member."""
    return field(span, "_kind", "kind")


cdef inline object span_name(object span):
    return field(span, "_name", "name")


cdef inline object span_parent(object span):
    """The parent's SpanContext, or None for a root."""
    return field(span, "_parent", "parent")


cdef inline object span_start(object span):
    """Start in ns since the epoch, or None."""
    return field(span, "_start_time", "start_time")


cdef inline object span_end(object span):
    return field(span, "_end_time", "end_time")


cdef inline object span_resource(object span):
    return field(span, "_resource", "resource")


cdef inline object span_scope(object span):
    """The InstrumentationScope, or None."""
    return field(span, "_instrumentation_scope", "instrumentation_scope")


def probe():
    """Look once whether the installed SDK keeps its fields where this extension reads them.

    Returns the answer as a bool; False means every field is read through the public properties.
    """
    global READABLE, ATTRIBUTES, LIST
    READABLE = ATTRIBUTES = LIST = NULL
    from opentelemetry.sdk import trace as sdk_trace
    from opentelemetry.sdk.util import BoundedList
    from opentelemetry.attributes import BoundedAttributes
    from opentelemetry.trace import SpanContext, SpanKind, Status, TraceFlags
    try:
        context = SpanContext(3, 5, False, TraceFlags(1))
        attributes = BoundedAttributes(8, {"a": 1})
        events = BoundedList.from_seq(8, [sdk_trace.Event("e", attributes, 7)])
        status = Status()
        span = sdk_trace.ReadableSpan(
            "n", context=context, parent=context, attributes=attributes, events=events, links=events,
            kind=SpanKind.SERVER, status=status, start_time=11, end_time=13,
        )
        known = (
            type(span) is sdk_trace.ReadableSpan
            and span._name == "n" and span._context is context and span._parent is context
            and span._attributes is attributes and span._events is events and span._links is events
            and span._kind is SpanKind.SERVER and span._status is status
            and span._start_time == 11 and span._end_time == 13
            and span._resource is span.resource and span._instrumentation_scope is None
            and isinstance(attributes._dict, dict) and attributes._dict["a"] == 1
            and len(events._dq) == 1 and events._dq[0]._attributes is attributes
            and events._dq[0]._name == "e" and events._dq[0]._timestamp == 7
            and isinstance(context, tuple) and context[0] == 3 and context[1] == 5 and context[3] == 1
            and context[4] is context.trace_state
        )
    except Exception:
        return False
    if known:
        READABLE = <PyObject*> sdk_trace.ReadableSpan
        ATTRIBUTES = <PyObject*> BoundedAttributes
        LIST = <PyObject*> BoundedList
    return known
