"""From what is known about a failure to kind, fault, severity, recovery and code.

The class's row goes first; where it knows less than the instance, the code the exception carries, then its cause,
then the code on the span; at last error.type and the beginning of the status description. Entered under the GIL;
calls into user objects only through the guarded readers of codes.pyx.
"""

cdef enum:
    STATUS_UNSET
    STATUS_OK
    STATUS_ERROR

cdef enum:
    LEAVES = 64         # exceptions of a group looked at,
    MOST_JUDGED = 128   # and of all groups inside each other: the same cause of every leaf may be a group again
    LONGEST_HEAD = 301  # characters of a description in which a class is looked for; one that is all name is none
    DEPTH = 8           # wrappers and groups inside each other looked into

cdef int KIND_AUTH = KINDS.index("auth")
cdef int KIND_BUSINESS = KINDS.index("business")
cdef int KIND_CONFIG = KINDS.index("config")
cdef int KIND_RESOURCE = KINDS.index("resource")
cdef int RECOVERY_NONE = RECOVERIES.index("none")
cdef int FAULT_CALLER = FAULTS.index("caller")
cdef int FAULT_SELF = FAULTS.index("self")
cdef int FAULT_DEPENDENCY = FAULTS.index("dependency")
cdef int FAULT_UNKNOWN = FAULTS.index("unknown")
cdef unsigned int TRANSIENT_BITS = sum([1 << KINDS.index(kind) for kind in taxonomy.VIEWS["transient"]])


cdef str HUNG_UP = taxonomy.HUNG_UP
cdef frozenset NOT_REACHED = errnos.NOT_REACHED
cdef tuple WRAPPED_PATHS = tuple([tuple(path.split(".")) for path in taxonomy.WRAPPED])


@cython.final
@cython.freelist(8)
cdef class Failure:
    """A failing span or log record as classify found it, and what is judged of it; lives for one call."""
    cdef object live            # the exception that left, or None
    cdef object event           # attributes of its event as a dict, or None
    cdef object attributes      # dict or None
    cdef str name               # of the span
    cdef str message
    cdef str description        # of the status
    cdef int state              # STATUS_ERROR, STATUS_OK or STATUS_UNSET
    cdef int span_kind
    cdef SpanCodes codes
    cdef bint database          # the attributes may have db.response.status_code
    cdef Code on_span           # the code they make
    cdef list links             # the chain of exceptions, empty where none is known
    cdef int kind, recovery, severity
    cdef bint library           # what decided was raised by a client library
    cdef bint answer            # what decided is a framework's way to answer
    cdef bint peer              # what decided is a class for what a peer ran out of
    cdef Code own               # the first code found on the exception or what it wraps
    cdef Code beneath           # that of what a client library put its exception in the place of
    cdef Code decided           # the code that gave the kind
    cdef Stated stated          # by the user about the outermost exception, or None
    cdef str domain             # the only axis that users alone fill
    cdef int fault              # NOT_SAID unless a user stated it
    cdef bint kind_stated, severity_stated
    cdef int judged             # exceptions asked for what they are, so far
    cdef tuple leaves           # classes of a group's leaves, or None
    cdef tuple members          # names of theirs where only a text tells of the group
    cdef KnownStack known       # what its stack text begins as, or None


cdef bint take_row(Failure it, ClassInfo info) except -1:
    if info is None or info.kind < 0 or info.kind == KIND_UNKNOWN:
        return False
    it.kind, it.recovery, it.severity = info.kind, info.recovery, info.severity
    it.library, it.peer = info.library, info.peer
    return True


cdef bint take_code(Failure it, ClassInfo info, Code code) except -1:
    """Let a code decide; the severity it does not say, the row of the class says."""
    if code is None or code.kind == KIND_UNKNOWN:
        return False
    it.kind, it.recovery, it.severity = code.kind, code.recovery, code.severity
    it.decided, it.peer = code, False
    if info is not None:
        it.library, it.answer = info.library, info.answer
        if code.severity == NOT_SAID:
            it.severity = info.severity
    return True


cdef int take_stated(Failure it, Stated stated) except -1:
    """Let what a user stated count; what is usual for a kind fills the axes that come with one."""
    if stated.kind >= 0:
        it.kind = stated.kind
        it.recovery, it.severity = USUAL_RECOVERIES[stated.kind], USUAL_SEVERITIES[stated.kind]
        it.decided, it.peer = None, False
        it.kind_stated, it.severity_stated = True, False
        it.fault, it.domain = NOT_SAID, None
    if stated.recovery >= 0:
        it.recovery = stated.recovery
    if stated.severity >= 0:
        it.severity = stated.severity
        it.severity_stated = True
    if stated.fault >= 0:
        it.fault = stated.fault
    if stated.domain is not None:
        it.domain = stated.domain
    return 0


cdef object wrapped(object exception):
    """The exception a wrapper holds in an attribute, None where it holds none."""
    for path in WRAPPED_PATHS:
        found = follow(exception, path)
        if PyExceptionInstance_Check(found):
            return found
    return None


cdef bint judge(
    Failure it, ClassTable classes, Fingerprints prints, list links, Py_ssize_t at, int depth
) except -1:
    """Whether the exception at that place of a chain tells the kind of the failure; if so it is noted."""
    cdef Link link = links[at]
    cdef bint outermost = depth == 0 and at == 0
    cdef bint told = False
    cdef Stated stated
    cdef Code own = None
    cdef Code named
    if link.exception is not None:
        own = own_code(link.exception, link.info)
    else:
        own = written_code(link.info, it.message) if outermost else link_code(link)
    if it.own is None:
        it.own = own
    it.judged += 1
    if depth > DEPTH:
        return False
    named = own
    if own is None and it.beneath is None and may_stand_for_another(link.info):
        named = it.beneath = code_beneath(classes, prints, links, at)
    stated = stated_of(link.info, link.exception, named, it.on_span if outermost else None)
    if outermost:
        it.stated = stated
    if stated is None or stated.kind < 0 or (link.info.group and outermost):
        told = judge_unstated(it, classes, prints, links, at, depth, own)
    if stated is not None and (told or stated.kind >= 0):
        if not told:
            it.library = link.info.library  # who raised it does not depend on what it is called
        take_stated(it, stated)
        return True
    return told


cdef bint judge_unstated(
    Failure it, ClassTable classes, Fingerprints prints, list links, Py_ssize_t at, int depth, Code own
) except -1:
    """The class's row, the exception's own code, what it wraps or was caused by, last a row that is but a fallback."""
    cdef Link link = links[at]
    cdef ClassInfo info = link.info
    cdef bint wrapper = info.kind == LOOK_AT_CAUSE
    if info.group and link.exception is not None:
        leaves = group_leaves(link.exception)
        if depth == 0:
            it.leaves = leaf_classes_of(leaves)
        return judge_group(it, classes, prints, leaves, depth)
    if info.group and at == 0:
        leaves = [[make_link(classes.named(name), None, "")] for name in it.members]
        return judge_group(it, classes, prints, leaves, depth)
    if it.beneath is not None and it.beneath.scheme == SCHEME_SSL and take_code(it, info, it.beneath):
        return True     # where a library has one class for whatever becomes of connecting
    if not info.refined and take_row(it, info):
        return True
    if take_code(it, info, own):
        return True
    if link.exception is not None and (wrapper or info.refined == LOOK_AT_CAUSE):
        inner = wrapped(link.exception)
        if inner is not None and judge(it, classes, prints, exception_chain(classes, inner), 0, depth + 1):
            # A builtin that a client library wrapped (urllib's URLError) was met on the way to a dependency.
            it.library |= info.library
            return True
    if at + 1 < len(links) and (wrapper or (<Link> links[at + 1]).relation == "cause"):
        if judge(it, classes, prints, links, at + 1, depth + 1):
            it.library |= info.library
            return True
    return take_row(it, info)


cdef list group_leaves(object group):
    """The exceptions of a group that are not groups themselves, of at most 64 looked at."""
    cdef list found = []
    cdef list waiting = [group]
    cdef int seen = 0
    while waiting and seen < LEAVES:
        exception = waiting.pop(0)
        seen += 1
        parts = attribute_of(exception, "exceptions")
        if type(parts) is tuple:
            waiting[:0] = [part for part in (<tuple> parts)[:LEAVES] if PyExceptionInstance_Check(part)]
        else:
            found.append(exception)
    return found


cdef tuple leaf_classes_of(list leaves):
    """The classes of exceptions, each once."""
    cdef dict types = {}    # by address: a metaclass may define ==
    for exception in leaves:
        types[<size_t> Py_TYPE(exception)] = type(exception)
    return tuple(types.values())


cdef bint judge_group(Failure it, ClassTable classes, Fingerprints prints, list leaves, int depth) except -1:
    """By the worst leaf, each an exception or the chain of one; cancelled only where every leaf was."""
    cdef Failure leaf
    cdef Failure worst = None
    for member in leaves:
        if it.judged >= MOST_JUDGED:
            break
        chain = member if type(member) is list else exception_chain(classes, member)
        leaf = Failure.__new__(Failure)
        leaf.judged = it.judged
        leaf.kind, leaf.recovery, leaf.severity, leaf.fault = KIND_UNKNOWN, NOT_SAID, NOT_SAID, NOT_SAID
        leaf.members = ()
        judge(leaf, classes, prints, chain, 0, depth + 1)
        it.judged = leaf.judged
        if leaf.severity < 0:
            leaf.severity = SEVERITY_ERROR
        if worst is None or badness(leaf) > badness(worst):
            worst = leaf
    if worst is None or worst.kind == KIND_UNKNOWN:
        return False
    it.kind, it.recovery, it.severity = worst.kind, worst.recovery, worst.severity
    it.library, it.answer, it.peer = worst.library, worst.answer, worst.peer
    it.own, it.beneath, it.decided = worst.own, worst.beneath, worst.decided
    it.fault, it.domain = worst.fault, worst.domain
    it.kind_stated, it.severity_stated = worst.kind_stated, worst.severity_stated
    return True


cdef inline int badness(Failure leaf):
    """By severity, and where that is the same by kind: the order of members is a matter of timing."""
    if leaf.kind == KIND_CANCELLED:
        return -1
    return leaf.severity * len(KINDS) + (0 if leaf.kind == KIND_UNKNOWN else leaf.kind)


cdef bint take_span_code(Failure it, ClassInfo info, Code code) except -1:
    if code is not None and code.scheme == SCHEME_GRPC and code.number == GRPC_UNKNOWN and it.span_kind == SPAN_SERVER:
        it.kind, it.recovery, it.severity = KIND_BUG, code.recovery, SEVERITY_ERROR
        it.decided = code
        return True
    return take_code(it, info, code)


cdef inline bint is_name_of(str word, ClassInfo info) except -1:
    """Whether a word is the name, with or without its module, of a class that is known by its full name."""
    cdef Py_ssize_t before
    if info is None or (info.cls is None and "." not in info.name):
        return False
    before = len(info.name) - len(word)
    return info.name.endswith(word) and (before == 0 or (before > 0 and info.name[before - 1] == "."))


cdef bint take_hint(Failure it, ClassTable classes, ClassInfo thrown, object text, bint prose) except -1:
    """Let error.type or the beginning of a status description decide: a number, a name of a code, a class.

    In `prose` a word may be no more than that: "Retry: three times in vain" must not hide an error as cancelled. Nor is
    the name of what was `thrown` that of a library's class of the same name: a shop's CancelledError is an error.
    """
    cdef str word
    cdef Code code
    cdef ClassInfo info
    cdef Stated stated
    if not PyUnicode_CheckExact(text) or not 0 < text_length(text) <= 300:
        return False
    word = (<str> text).removeprefix("StatusCode.")
    prose = prose and len(word) == len(<str> text)
    if word in GRPC_NUMBERS:
        code = grpc_code(GRPC_NUMBERS[word])
    else:
        code = http_code(http_number(word)) if word.isdigit() else None
    if prose and code is not None and code.kind == KIND_CANCELLED:
        return False
    if take_code(it, None, code):
        return True
    if is_name_of(word, thrown):
        return False
    info = classes.hinted(word)
    if info is None or (prose and info.kind == KIND_CANCELLED and info.row not in taxonomy.EXITS):
        return False
    stated = stated_of(info, None, code, it.on_span)
    if stated is not None and stated.kind >= 0:
        it.stated = stated
        take_stated(it, stated)
        return True
    return take_row(it, info)


cdef bint take_by_code(Failure it, list rows) except -1:
    """Let the user's rows about codes decide where no class is known."""
    cdef Stated stated = None if rows is None or it.on_span is None else first_row(rows, it.on_span, None)
    if stated is not None:
        it.stated = stated
        take_stated(it, stated)
    return stated is not None


cdef Code decide_kind(Failure it, ClassTable classes, Fingerprints prints):
    """Fill kind, recovery and severity; answers the code of the failure or None."""
    cdef ClassInfo info = (<Link> it.links[0]).info if it.links else None
    it.on_span = span_code(it.attributes, &it.codes, it.database)
    it.kind, it.recovery, it.severity, it.fault = KIND_UNKNOWN, NOT_SAID, NOT_SAID, NOT_SAID
    if not (
        (judge(it, classes, prints, it.links, 0, 0) if info is not None else take_by_code(it, classes.by_code))
        or take_span_code(it, info, it.on_span)
        or (it.attributes is not None and take_hint(it, classes, info, it.attributes.get("error.type"), False))
        or take_hint(it, classes, info, (it.description or "")[:LONGEST_HEAD].partition(":")[0], True)
    ) and info is not None:
        it.recovery, it.severity, it.library = info.recovery, info.severity, info.library
    if answered_otherwise(it, info):
        take_code(it, None, http_code(it.codes.http))
    if it.stated is not None:
        take_stated(it, it.stated)
    adjust(it, info)
    for code in (it.decided, it.own, it.beneath, it.on_span):
        if code is not None and (<Code> code).text is not None:
            return code
    return None


cdef inline bint failed_itself(Failure it) noexcept:
    """Whether a server answered 5xx: the error is its own, whatever the exception says of callers."""
    return it.span_kind == SPAN_SERVER and it.codes.http >= 500


cdef bint answered_otherwise(Failure it, ClassInfo info) except -1:
    """Whether a server failed where the exception stands for an answer that nobody got, or for a cancellation.

    A framework's answer is one only where the framework handles it: not in a middleware, nor in another framework.
    """
    if it.kind_stated or not failed_itself(it):
        return False
    return it.answer or (it.kind == KIND_CANCELLED and (info is None or info.row not in taxonomy.CALLER_LEFT))


cdef adjust(Failure it, ClassInfo info):
    """What depends on the span's side of the call, and the limits of severity."""
    cdef bint caller_error = it.span_kind == SPAN_SERVER and (
        400 <= it.codes.http < 500 or (it.codes.rpc > 0 and not (GRPC_SERVER_BITS >> it.codes.rpc) & 1)
    )
    if not it.kind_stated:
        # a handler that answers 500 has written to somebody else: a child process, a peer
        if info is not None and info.row == HUNG_UP and it.span_kind == SPAN_SERVER and it.codes.http < 500:
            it.kind, it.recovery, it.severity = KIND_CANCELLED, RECOVERY_NONE, SEVERITY_DEBUG
        if caller_error and it.kind == KIND_DATA:
            it.kind = KIND_CLIENT
    if it.recovery < 0:
        it.recovery = RECOVERY_NONE
    if it.severity < 0:
        it.severity = SEVERITY_ERROR
    if it.severity_stated:
        return      # whoever states a severity means it, whichever side of a call the span is on
    if blames_caller(it) and failed_itself(it) and not it.kind_stated:
        it.severity = max(it.severity, SEVERITY_ERROR)
    if info is not None and info.leave and not quiet_exit(it):
        it.severity = SEVERITY_FATAL
    if caller_error:
        it.severity = min(it.severity, SEVERITY_INFO)
    if it.span_kind == SPAN_CLIENT or it.span_kind == SPAN_PRODUCER:
        it.severity = min(it.severity, SEVERITY_WARN)


cdef bint quiet_exit(Failure it) except -1:
    """Whether a SystemExit means success: no code, or 0."""
    if it.live is None:
        return it.message is None or it.message in ("", "0", "None")
    code = attribute_of(it.live, "code")
    return code is None or (PyLong_Check(code) and small_int(code) == 0)


cdef bint downgraded(Failure it) except -1:
    """Whether the failure is none to report: a cancellation, a way to answer, a quiet exit, or settled as OK."""
    cdef ClassInfo info = (<Link> it.links[0]).info if it.links else None
    if it.kind == KIND_CANCELLED or it.state == STATUS_OK:
        return True
    if it.kind_stated or failed_itself(it):
        return False
    if info is not None and (info.not_found or (info.leave and quiet_exit(it))):
        return True
    if info is not None and info.answer:
        if it.own is not None and it.own.scheme == SCHEME_HTTP:
            return it.own.number == 404
        return it.span_kind == SPAN_SERVER and it.codes.http == 404
    # a handler that aborts with NOT_FOUND leaves an exception behind, but no error of the server's
    return it.state != STATUS_ERROR and (
        it.span_kind == SPAN_SERVER and it.codes.rpc > 0 and not codes_failed(&it.codes, SPAN_SERVER)
    )


cdef int fault_of(Failure it, Code code) noexcept:
    """Whose fault it is, from the kind, the code and the side of the call the span is on."""
    cdef int kind = it.kind
    if it.fault >= 0:
        return it.fault
    if kind == KIND_CANCELLED or kind == KIND_BUSINESS:
        return FAULT_CALLER
    if it.span_kind == SPAN_CLIENT or it.span_kind == SPAN_PRODUCER:
        if is_transient(kind) or answered_badly(it.decided):
            return FAULT_DEPENDENCY
        if kind == KIND_RESOURCE and (it.peer or (code is not None and code.scheme == SCHEME_SERVER)):
            return FAULT_DEPENDENCY
        if kind == KIND_UNKNOWN:
            return FAULT_DEPENDENCY if answered_badly(code) else FAULT_UNKNOWN
        return FAULT_SELF
    if blames_caller(it) and (kind == KIND_AUTH or it.span_kind != SPAN_INTERNAL):
        # nobody answers 5xx to what he lays to the caller
        return FAULT_SELF if failed_itself(it) and not it.kind_stated else FAULT_CALLER
    if it.library and failed_elsewhere(it):
        return FAULT_DEPENDENCY
    return FAULT_DEPENDENCY if is_transient(kind) and not_reached(code) else FAULT_SELF


cdef inline bint blames_caller(Failure it) noexcept:
    """Whether the kind is a caller's; a client library says it of a call that we made, not of the one we answer."""
    return not it.library and (it.kind == KIND_AUTH or it.kind == KIND_CLIENT)


cdef inline bint is_transient(int kind) noexcept:
    return (TRANSIENT_BITS >> kind) & 1


cdef inline bint failed_elsewhere(Failure it) noexcept:
    """Whether who was called failed, for the moment or as the exception says; what the span says is our own answer."""
    return is_transient(it.kind) or (it.decided is it.own and answered_badly(it.own))


cdef inline bint not_reached(Code code) noexcept:
    """Whether the system could not reach a peer, which only who calls one is told."""
    return code is not None and code.text in NOT_REACHED


cdef inline bint answered_badly(Code code) noexcept:
    """Whether a peer said that it failed itself; 501, 505 and UNIMPLEMENTED say that it was asked wrongly."""
    if code is None or code.kind == KIND_CONFIG:
        return False
    if code.scheme == SCHEME_GRPC:
        return (GRPC_SERVER_BITS >> code.number) & 1
    return code.scheme == SCHEME_HTTP and code.number >= 500
