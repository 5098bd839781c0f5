"""What failed, if anything.

A healthy span leaves after its status, the length of its events, the live exception and five look-ups for codes,
without allocating: 0.18 us with the reading of its fields. A live error of 15 frames takes 1.1 us. The exception that
is live while the span ends is preferred to the strings of its event: it has class, chain, codes and frames. It is used
within the call and never kept. Entered under the GIL; user objects are touched only through the guarded readers of
codes.pyx, which let a KeyboardInterrupt pass.
"""

from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import StatusCode

cdef enum:              # places in SOURCES
    SOURCE_LIVE
    SOURCE_EVENT
    SOURCE_PARTIAL
    SOURCE_STATUS
    SOURCE_CODE

cdef enum:
    EVENTS_SEEN = 128   # events looked at from the last; the SDK's default limit of events per span

cdef object EXCEPTION = "exception"      # interned, as the SDK's
cdef object CODE_OK = StatusCode.OK
cdef object CODE_ERROR = StatusCode.ERROR
cdef object KIND_OF_SERVER = SpanKind.SERVER
cdef object KIND_OF_CLIENT = SpanKind.CLIENT
cdef object KIND_OF_PRODUCER = SpanKind.PRODUCER
cdef object KIND_OF_CONSUMER = SpanKind.CONSUMER


cdef inline int status_number(object status) except -1:
    cdef object code
    if status is None:
        return STATUS_UNSET
    code = status_code(status)
    if code is CODE_ERROR:
        return STATUS_ERROR
    return STATUS_OK if code is CODE_OK else STATUS_UNSET


cdef inline int kind_number(object kind) noexcept:
    if kind is KIND_OF_SERVER:
        return SPAN_SERVER
    if kind is KIND_OF_CLIENT:
        return SPAN_CLIENT
    if kind is KIND_OF_CONSUMER:
        return SPAN_CONSUMER
    return SPAN_PRODUCER if kind is KIND_OF_PRODUCER else SPAN_INTERNAL


cdef object exception_event(object events, int skip):
    """The attributes of the last event named "exception" as a dict, after leaving out `skip` of them; or None."""
    cdef Py_ssize_t at = len(events)
    cdef Py_ssize_t end = max(at - EVENTS_SEEN, 0)
    while at > end:
        at -= 1
        event = events[at]
        name = event_name(event)
        if name is not EXCEPTION and name != EXCEPTION:
            continue
        if skip == 0:
            return event_attributes(event) or {}
        skip -= 1
    return None


cdef bint escaped(object event):
    """Whether the event says that the exception left the span; the SDK writes a str."""
    cdef PyObject *found = find_quietly(event, "exception.escaped")
    value = None if found == NULL else <object> found
    return value is True or (
        PyUnicode_CheckExact(value) and text_length(value) == len("True") and <str> value in ("True", "true")
    )


cdef bint recorded_twice(object events, object event):
    """Whether the last two exception events tell of the same exception, as the gRPC server instrumentation does."""
    before = exception_event(events, 1)
    return before is not None and (
        event_text(before, "exception.type") == event_text(event, "exception.type")
        and event_text(before, "exception.message") == event_text(event, "exception.message")
    )


cdef struct Said:
    # Texts of an exception event, borrowed from its attributes; NULL where there is none.
    PyObject* type
    PyObject* message
    PyObject* stack


cdef void event_says(object attributes, Said* said) noexcept:
    """The texts of an event, a dict or None: one walk of its four attributes for three look-ups of 110 instructions."""
    cdef PyObject* key
    cdef PyObject* value
    cdef Py_ssize_t position = 0
    cdef Py_ssize_t entries = -1 if attributes is None else errsample_entries(attributes)
    said.type = said.message = said.stack = NULL
    if attributes is None:
        return
    if not 0 <= entries <= MOST_WALKED:
        said.type = find_quietly(attributes, "exception.type")
        said.message = find_quietly(attributes, "exception.message")
        said.stack = find_quietly(attributes, "exception.stacktrace")
        return
    while errsample_next(attributes, &position, &key, &value):
        if not errsample_ascii(key):
            continue
        if is_named(key, b"exception.type", 14):
            said.type = value
        elif is_named(key, b"exception.message", 17):
            said.message = value
        elif is_named(key, b"exception.stacktrace", 20):
            said.stack = value


cdef inline str said_text(PyObject* value):
    return None if value == NULL else exact_text(<object> value)


cdef str event_text(object attributes, str key):
    cdef PyObject *value = NULL if attributes is None else find_quietly(attributes, key)
    return None if value == NULL else exact_text(<object> value)


cdef bint sends(int kind, object attributes) noexcept:
    """Whether a span is but the sending of an answer, which has the status of the answer's own, the SERVER span."""
    return kind == SPAN_INTERNAL and attributes is not None and find_quietly(attributes, "asgi.event.type") != NULL


cdef bint says_the_same(object exception, str message):
    """Whether an exception that was live before the span is the one of its event; only what is certain counts."""
    args = attribute_of(exception, "args")
    if message is None or type(args) is not tuple or len(<tuple> args) > 1:
        return False
    if len(<tuple> args) == 0:
        return message == ""
    return PyUnicode_CheckExact((<tuple> args)[0]) and <str> (<tuple> args)[0] == message


@cython.final
cdef class Classifier:
    """Tells what failed in a span.

    `table` maps full class names to `taxonomy.Row` (default: the table of the package), `in_app_include` lists
    module prefixes that belong to the application although they are installed, `helper_frames` modules and
    functions (`module:function`) that never stand for an error in its fingerprint, `user_rows` are `taxonomy.UserRow`s,
    the first that holds going before everything else; `stack_hashes` asks for a hash of the way to an error too; the
    patterns of `scrubber` hold for messages that have to stand in a fingerprint. Raises ConfigError for a row with an
    unknown kind, recovery or severity, and for more than 1000 rows of the user. What is remembered of classes, code
    objects and stack texts is bounded.
    """
    cdef ClassTable classes
    cdef Fingerprints prints
    cdef Origins origins

    def __init__(self, table=None, in_app_include=(), *, helper_frames=(), user_rows=(), stack_hashes=False,
                 scrubber=None):
        self.classes = ClassTable(taxonomy.load_table() if table is None else table, user_rows)
        self.prints = Fingerprints(in_app_include, helper_frames, stack_hashes, scrubber)
        self.origins = Origins()

    cdef ErrorFacts classify(
        self, object span, object context, object attributes, object events, object status, size_t started_with,
        const Asked* asked
    ):
        """What failed, or None.

        `started_with` is the address of what was live when the span started, or 0, `asked` what was asked of the
        attributes.
        """
        cdef SpanCodes codes = asked.codes
        cdef int state = status_number(status)
        cdef object live = live_exception()
        cdef object passing = live
        cdef object event = exception_event(events, 0) if events is not None and len(events) else None
        cdef int kind
        cdef Failure it
        cdef bint stale, agrees, by_code, left
        if state != STATUS_ERROR and live is None and event is None and codes.http < 400 and codes.rpc <= 0:
            return None
        kind = kind_number(span_kind(span))
        by_code = codes_failed(&codes, kind)
        left = False
        if live is not None:
            stale = <size_t> <PyObject *> live == started_with
            agrees = event is not None and self.classes.of(type(live)).name == event_text(event, "exception.type")
            if stale:
                # the event may tell of another exception of the same class
                if not (agrees and says_the_same(live, event_text(event, "exception.message"))):
                    live = None
            elif agrees:
                left = True
            elif event is None and (
                state == STATUS_ERROR or by_code or not self.classes.of(type(live)).ordinary
            ):
                left = True
            else:
                live = None
        if not left and event is not None:
            left = escaped(event) or (kind == SPAN_SERVER and codes.rpc == 0 and recorded_twice(events, event))
        if not (state == STATUS_ERROR or left or by_code) or (not left and event is None and sends(kind, attributes)):
            if passing is not None:
                self.origins.pass_on(passing, context, span_parent(span))
            return None
        if left and kind == SPAN_SERVER and codes.rpc == 0:
            codes.rpc = GRPC_UNKNOWN    # what grpc answers for an uncaught exception; the instrumentation says OK
        it = Failure.__new__(Failure)
        it.live = live
        it.event = event
        it.attributes = attributes
        it.name = exact_text(span_name(span))
        it.description = exact_text(status_description(status)) if state == STATUS_ERROR else None
        it.state = state
        it.span_kind = kind
        it.codes = codes
        it.database = asked.database
        facts = self.fill(it)
        if live is not None:
            self.look_back(facts, it, span_number(context))
            facts.recorded = event
        elif passing is not None:
            self.origins.pass_on(passing, context, span_parent(span))
        return facts

    cdef int look_back(self, ErrorFacts facts, Failure it, uint64_t span) except -1:
        """Find the span that the exception, or else what led to it, passed before it came to this one.

        What failed for the moment in a call, whatever raised it there, is no fault of the span around the call either.
        """
        cdef list links = it.links
        cdef Link link = links[0]
        cdef Passing *note = self.origins.find(link.exception, span)
        cdef bint called = False
        facts.raised.address = <size_t> <PyObject *> link.exception
        facts.raised.cls = <size_t> Py_TYPE(link.exception)
        facts.raised.place = raise_point(link.exception)
        if note != NULL:
            facts.origin = note.origin
            facts.propagated = note.origin != 0
            facts.shared_verdict, facts.shared_rule = note.verdict, note.rule
            called = note.error.laid_to_dependency
        else:
            others = [link.exception for link in links[1:] if link.exception is not None]
            link = links[len(links) - 1]
            stopped = None if link.exception is None else owned(PyException_GetCause(link.exception))
            if stopped is not None:
                others.append(stopped)      # the cancellation that the chain leaves out
                # Before 3.11 that is made anew each time a task is asked for its result, upon the one that stopped it.
                before = owned(PyException_GetContext(stopped))
                if type(before) is type(stopped):
                    others.append(before)
            if (<Link> links[0]).info.group:
                others += group_leaves((<Link> links[0]).exception)
            for exception in others:
                note = self.origins.find(exception, span)
                if note != NULL:
                    facts.origin = note.origin
                    called = note.error.laid_to_dependency
                    break
        if called and it.fault < 0 and facts.fault_code == FAULT_SELF and failed_elsewhere(it):
            facts.fault_code = FAULT_DEPENDENCY
        facts.raised.laid_to_dependency = facts.fault_code == FAULT_DEPENDENCY
        return 0

    cdef ErrorFacts fill(self, Failure it):
        """Everything that is known about a failure."""
        cdef ErrorFacts facts = ErrorFacts.__new__(ErrorFacts)
        cdef StackNote stack = None
        cdef str name = None
        cdef str text = None
        cdef Link head, root
        cdef Code code
        cdef Print made
        cdef Said said
        it.links = []
        it.members = ()
        event_says(it.event, &said)
        it.message = said_text(said.message)
        name, text = said_text(said.type), said_text(said.stack)
        if it.live is not None:
            facts.source_code = SOURCE_LIVE
            it.links = exception_chain(self.classes, it.live)
            if it.message is None:
                it.message = safe_text(it.live)
            if (<Link> it.links[len(it.links) - 1]).info.quote and len(it.links) > 1:
                self.read_quote(it)
        elif it.event is not None:
            stack = self.read_event(it, name, text)
            facts.source_code = SOURCE_PARTIAL if stack is not None and stack.partial else SOURCE_EVENT
        else:
            facts.source_code = SOURCE_STATUS if it.state == STATUS_ERROR else SOURCE_CODE
            it.message = it.description
        if it.links:
            head = it.links[0]
            # The text of an event is another one each time, the name of a class is not.
            facts.exception = head.info.name if stack is None or head.info.name == name else name
            facts.exception_class = head.info.cls
        if len(it.links) > 1:
            root = it.links[len(it.links) - 1]
            facts.cause = root.info.name
            facts.cause_class = root.info.cls
            if root.info.group and root.exception is not None:
                facts.cause_leaf_classes = leaf_classes_of(group_leaves(root.exception))
            facts.chain = tuple([(<Link> link).info.name for link in it.links])
        code = decide_kind(it, self.classes, self.prints)
        made = self.print_of(it, stack, code)
        facts.error = not downgraded(it)
        facts.kind_code, facts.recovery_code, facts.severity_code = it.kind, it.recovery, it.severity
        facts.fault_code = fault_of(it, code)
        facts.domain = it.domain
        facts.code = None if code is None else code.text
        facts.message = it.message
        facts.fingerprint, facts.fingerprint_hash, facts.culprit = made.text, made.number, made.culprit
        facts.leaf_classes = it.leaves
        if stack is not None:
            facts.group_size, facts.group_types = stack.group_size, stack.group_types
            facts.stack_hash = stack.stack_hash
        elif it.live is not None:
            if head.info.group:
                facts.group_size = group_size(self.classes, it.live)
                facts.group_types = group_types([self.classes.of(cls).name for cls in it.leaves or ()])
            if self.prints.stack_hashes:
                facts.stack_hash = self.prints.live_hash(it.links)
        if it.known is not None:
            facts.known = it.known
            facts.stack = text
        return facts

    cdef int read_quote(self, Failure it) except -1:
        """Put what another process printed in the place of the cause in which a pool brings it along."""
        cdef Link quote = it.links.pop()
        cdef Link link = it.links[len(it.links) - 1]
        cdef str text = exact_text(attribute_of(quote.exception, "tb"))
        cdef str message = it.message if len(it.links) == 1 else safe_text(link.exception)
        if text is None or len(text) > LONGEST_SEARCHED:
            return 0
        blocks = stacktext.parse_quoted(text, link.info.name, message or "")
        if not blocks[0].frames:
            return 0
        link.told = blocks[0]
        for block in blocks[1:]:
            link = make_link(self.classes.named(block.type or "<unknown>"), None, block.relation)
            link.caught_in = self.prints.caught_in(block.frames)
            link.told = block
            it.links.append(link)
        return 0

    cdef StackNote read_event(self, Failure it, str name, str text):
        """Fill the chain from an event; answers what its stack text says, None where there is no text."""
        cdef StackNote stack = None
        cdef ClassInfo info = None
        cdef Link link
        if not name:
            return None
        if text:
            stack = self.prints.stack(it, text, name, it.message or "")
            info = stack.info
        if info is None:
            info = self.classes.named(name)
            if stack is not None and not stack.partial and info.cls is not None:
                stack.info = info       # a class that is loaded stays what it is
        it.links.append(make_link(info, None, ""))
        if stack is not None and stack.members is not None:
            it.members = stack.members
        if stack is not None and len(stack.blocks) > 1:
            for relation, inner, caught_in in stack.blocks[1:]:
                link = make_link(self.classes.named(inner or "<unknown>"), None, relation)
                link.caught_in = caught_in
                it.links.append(link)
        return stack

    cdef Print print_of(self, Failure it, StackNote stack, Code code):
        """The fingerprint; the code takes part where it tells errors of one class apart, or where no class is known.

        An exception passes several spans, whose codes differ: only its own code counts, or that of the RPC, which
        an aborted handler leaves on the span alone, or that of the call, where only the text of the event is left.
        """
        cdef ClassInfo info = (<Link> it.links[0]).info if it.links else None
        cdef Code telling = code if info is None else None
        cdef Print made = None
        if info is not None and info.coded:
            telling = it.own or grpc_code(it.codes.rpc)
            if telling is None and it.live is None and it.span_kind == SPAN_CLIENT:
                telling = http_code(it.codes.http)
        label = None if telling is None else telling.text
        if it.live is not None:
            made = self.prints.live(it.links, label)
        elif stack is not None:
            made = self.prints.parsed(stack, it.links, label)
        if made is not None:
            return made
        message = None if stack is not None and stack.partial else it.message
        peer = called_peer(it.attributes) if it.span_kind == SPAN_CLIENT and it.attributes else None
        return self.prints.plain(
            "" if info is None else info.alias, label, message, endpoint_of(it.attributes, it.name), peer
        )

    def classify_span(self, span, size_t started_with=0):
        """What failed in an ended span: `ErrorFacts`, or None for a span that did not fail.

        To be called where the span ends, while the exception that left it is still being handled. `started_with` is
        what `Tracker.take` answered. Raises nothing but a KeyboardInterrupt that arrived meanwhile.
        """
        cdef Asked asked
        cdef object attributes = span_attributes(span)
        ask_names(attributes, &asked)
        return self.classify(
            span, span_context(span), attributes, span_events(span), span_status(span), started_with, &asked
        )

    def facts(self, exception=None, *, event=None, codes=None, span_kind=None, name=None):
        """What failed, apart from any span: of an exception, of its recorded strings, or of codes.

        `event` is a mapping with `exception.type`, `exception.message` and `exception.stacktrace`, `codes` one with
        attributes such as `http.response.status_code`, `span_kind` a SpanKind (default: INTERNAL), `name` stands for
        the place where neither a frame nor a route is known. The caller has established the failure: `ErrorFacts`
        are made of whatever is given, None of nothing.
        """
        cdef Failure it = Failure.__new__(Failure)
        it.live = exception if PyExceptionInstance_Check(exception) else None
        it.event = None if event is None else dict(event)
        it.attributes = None if codes is None else dict(codes)
        if it.live is None and it.event is None and it.attributes is None:
            return None
        it.name = exact_text(name)
        it.state = STATUS_ERROR
        it.span_kind = kind_number(span_kind)
        read_codes(it.attributes, &it.codes)
        it.database = True
        return self.fill(it)
