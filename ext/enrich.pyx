"""Extra attributes for kept spans: what failed, which rule kept it, how many like it were suppressed.

The span is frozen by now, so they ride along in a dict of their own. Most important first; what does not fit 16
attributes or 1 KiB is left out from the end. Entered under the GIL; user values pass only `merge_user`.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.unicode cimport PyUnicode_Check, PyUnicode_Substring

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)

cdef enum:
    MOST_ATTRIBUTES = 16
    MOST_BYTES = 1024       # of keys and values together
    TYPE_LENGTH = 200       # characters, as the other lengths
    CODE_LENGTH = 64
    RULE_LENGTH = 64
    CULPRIT_LENGTH = 160
    NAMES_LENGTH = 512
    CHAIN_NAMES = 4
    USER_ATTRIBUTES = 16
    USER_KEY = 128
    USER_TEXT = 1024
    ORIGIN_BYTES = 68       # errsample.origin.span_id and errsample.propagated, which are added to what is remembered
    REMEMBERED = 256        # enrichments; `brief` bounds each
    WAYS = 4                # places that an error may be remembered at


cdef inline Py_ssize_t text_bytes(str text) noexcept:
    """An upper bound of the UTF-8 size: 1 byte for a character of ASCII, else 4."""
    return len(text) if PyUnicode_IS_ASCII(text) else 4 * len(text)


cdef inline Py_ssize_t put(dict extra, object attributes, str key, str value, Py_ssize_t longest, Py_ssize_t room):
    """Add one text if the span has none of that name and it fits; answers the room that is left."""
    cdef Py_ssize_t size
    if value is None or len(extra) >= MOST_ATTRIBUTES or (attributes is not None and key in attributes):
        return room
    if len(value) > longest:
        value = value[:longest]
    size = len(key) + text_bytes(value)
    if size > room:
        return room
    extra[key] = value
    return room - size


cdef str error_type(ErrorFacts facts):
    """What the semantic conventions want in error.type: the class, else the code without its scheme."""
    if facts.exception is not None:
        return facts.exception
    return None if facts.code is None else (<str> facts.code).partition(":")[2]


cdef tuple names_that_fit(tuple several):
    """The first names, as many as fit 512 characters."""
    cdef list names = []
    cdef Py_ssize_t room = NAMES_LENGTH
    for name in several:
        room -= len(name)
        if room < 0:
            break
        names.append(name)
    return tuple(names)


cpdef dict enrich(
    ErrorFacts facts, object attributes, object rule_name, object scope_name, uint64_t carried, bint kept_by_processor,
    tuple fingerprint_aliases=()
):
    """The attributes to add to a kept span, or None.

    An error gets its facts; a span without one gets rule and scope, and only if the processor kept it rather than the
    head sampler. `carried`, the number suppressed since the last kept span of the same rule and key, is
    always written, since estimates rest on it. `attributes` are the span's own (a dict or None), which win.
    `fingerprint_aliases` are names of attributes that have the fingerprint too.
    """
    cdef dict extra
    cdef Py_ssize_t room = MOST_BYTES
    cdef bint failed = facts is not None and facts.error
    if facts is None and not carried and not kept_by_processor:
        return None     # a healthy span of the head sample
    extra = {}
    if carried:
        extra["errsample.suppressed"] = min(carried, <uint64_t> 0x7FFFFFFFFFFFFFFF)     # int64 on the wire
        room -= len("errsample.suppressed") + 8
    if failed:
        room -= ORIGIN_BYTES
        room = put(extra, attributes, "error.type", error_type(facts), TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.fingerprint", facts.fingerprint, TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.kind", <str> KINDS[facts.kind_code], TYPE_LENGTH, room)
        if facts.origin:
            put_origin(extra, attributes, facts)
    if failed or kept_by_processor:
        room = put(extra, attributes, "errsample.rule", rule_name, RULE_LENGTH, room)
        room = put(extra, attributes, "errsample.scope", scope_name, RULE_LENGTH, room)
    if failed:
        room = put(extra, attributes, "errsample.severity", <str> SEVERITIES[facts.severity_code], TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.fault", <str> FAULTS[facts.fault_code], TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.code", facts.code, CODE_LENGTH, room)
        room = put(extra, attributes, "errsample.domain", facts.domain, TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.recovery", <str> RECOVERIES[facts.recovery_code], TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.source", <str> SOURCES[facts.source_code], TYPE_LENGTH, room)
        for alias in fingerprint_aliases:
            room = put(extra, attributes, alias, facts.fingerprint, TYPE_LENGTH, room)
        room = put(extra, attributes, "errsample.culprit", facts.culprit, CULPRIT_LENGTH, room)
        room = put(extra, attributes, "errsample.stack_hash", facts.stack_hash, TYPE_LENGTH, room)
        if facts.group_types is not None:
            room = put_group(extra, attributes, facts, room)
        room = put(extra, attributes, "errsample.root.type", facts.cause, TYPE_LENGTH, room)
        put_chain(extra, attributes, facts, room)
    return extra or None


cdef put_origin(dict extra, object attributes, ErrorFacts facts):
    """Where the error, or what led to it, was first; there is room for both."""
    if attributes is None or "errsample.origin.span_id" not in attributes:
        extra["errsample.origin.span_id"] = facts.origin_span_id
    if facts.propagated and (attributes is None or "errsample.propagated" not in attributes):
        extra["errsample.propagated"] = True


cdef dict note_handled(dict extra, object attributes, object events):
    """With a note, where an exception was recorded on the span although it did not fail."""
    if events is None or exception_event(events, 0) is None:
        return extra
    if attributes is not None and "errsample.handled" in attributes:
        return extra
    return {**(extra or {}), "errsample.handled": True}


cdef Py_ssize_t put_group(dict extra, object attributes, ErrorFacts facts, Py_ssize_t room) except -1:
    """How many errors a group holds, and of which classes: as many as fit 512 characters."""
    cdef tuple names = names_that_fit(facts.group_types)
    cdef Py_ssize_t size = len("errsample.group.size") + 8
    if "errsample.group.size" not in (attributes or ()) and size <= room and len(extra) < MOST_ATTRIBUTES:
        extra["errsample.group.size"] = facts.group_size
        room -= size
    size = len("errsample.group.types") + sum([text_bytes(name) for name in names])
    if "errsample.group.types" in (attributes or ()) or size > room or len(extra) >= MOST_ATTRIBUTES:
        return room
    extra["errsample.group.types"] = names
    return room - size


cdef put_chain(dict extra, object attributes, ErrorFacts facts, Py_ssize_t room):
    cdef tuple names
    if facts.chain is None or len(extra) >= MOST_ATTRIBUTES:
        return
    if attributes is not None and "errsample.chain" in attributes:
        return
    names = names_that_fit(facts.chain[:CHAIN_NAMES])
    room -= len("errsample.chain")
    for name in names:
        room -= text_bytes(name)
    if names and room >= 0:
        extra["errsample.chain"] = names


@cython.final
cdef class Enrichment:
    """The extra attributes of errors that are alike, and their bytes on the wire."""
    cdef dict extra             # not to be changed
    cdef bytes encoded          # as fields of the span
    cdef ErrorFacts facts       # what they were made of; of another span it says nothing, since that is no error's own
    cdef object rule, scope
    cdef int own


cdef bint alike(ErrorFacts one, ErrorFacts other) except -1:
    """Whether two errors get the same attributes."""
    return (
        one.fingerprint is other.fingerprint and one.culprit is other.culprit
        and one.kind_code == other.kind_code and one.fault_code == other.fault_code
        and one.severity_code == other.severity_code and one.recovery_code == other.recovery_code
        and one.source_code == other.source_code and <str> one.code == <str> other.code
        and <str> one.domain == <str> other.domain
        and <str> one.exception == <str> other.exception and <str> one.cause == <str> other.cause
        and (one.chain is other.chain or one.chain == other.chain)
        and <str> one.stack_hash == <str> other.stack_hash and one.group_size == other.group_size
        and (one.group_types is other.group_types or one.group_types == other.group_types)
    )


cdef bint brief(ErrorFacts facts) except -1:
    """Whether the texts are short enough to be kept."""
    cdef Py_ssize_t size = 0
    for text in (facts.exception, facts.cause, facts.code) + (facts.chain or ()) + (facts.group_types or ()):
        if text is not None:
            size += len(<str> text)
    return size <= MOST_BYTES


@cython.final
cdef class Enrichments:
    """Remembers what errors were enriched with: they repeat themselves, and a kept error costs 7,200 instructions of
    33,000 less where its attributes need neither be made nor encoded again.
    """
    cdef list made
    cdef unsigned int turn
    cdef tuple aliases          # of the fingerprint, besides our own name for it

    def __cinit__(self, tuple aliases not None):
        self.made = [None] * REMEMBERED
        self.aliases = aliases

    cdef Enrichment of(self, ErrorFacts facts, object attributes, object rule, object scope, int own):
        """What an error's span gets beside `errsample.suppressed`; None where it is not worth remembering."""
        cdef Enrichment known
        if own == NOT_ASKED:
            own = own_names(attributes)
        # One error passes several spans, on whose side of a call these depend.
        cdef uint64_t place = facts.fingerprint_hash + 101 * facts.fault_code + 53 * facts.severity_code + 29 * own
        cdef Py_ssize_t slot = place % REMEMBERED
        cdef Py_ssize_t way
        if own == OTHER_NAMES or (self.aliases and self.has_alias(attributes)):
            return None
        for way in range(WAYS):
            known = self.made[slot ^ way]
            if (known is not None and known.own == own and known.rule is rule and known.scope is scope
                    and alike(known.facts, facts)):
                return known
        if not brief(facts):
            return None
        # Of errors that meet at one place none may put out the other each time.
        self.turn += 1
        return self.remember(slot ^ self.turn % WAYS, facts, attributes, rule, scope, own)

    cdef dict anew(
        self, ErrorFacts facts, object attributes, object rule, object scope, uint64_t carried, bint by_processor
    ):
        return enrich(facts, attributes, rule, scope, carried, by_processor, self.aliases)

    cdef bint has_alias(self, object attributes) except -1:
        for alias in self.aliases:
            if attributes is not None and find_quietly(attributes, alias) != NULL:
                return True
        return False

    cdef Enrichment remember(
        self, Py_ssize_t slot, ErrorFacts facts, object attributes, object rule, object scope, int own
    ):
        cdef Enrichment made = Enrichment.__new__(Enrichment)
        made.facts = ErrorFacts.__new__(ErrorFacts)
        made.facts.error = True
        made.facts.fingerprint, made.facts.culprit = facts.fingerprint, facts.culprit
        made.facts.kind_code, made.facts.fault_code = facts.kind_code, facts.fault_code
        made.facts.severity_code, made.facts.recovery_code = facts.severity_code, facts.recovery_code
        made.facts.source_code, made.facts.code, made.facts.domain = facts.source_code, facts.code, facts.domain
        made.facts.exception, made.facts.cause, made.facts.chain = facts.exception, facts.cause, facts.chain
        made.facts.stack_hash = facts.stack_hash
        made.facts.group_size, made.facts.group_types = facts.group_size, facts.group_types
        made.extra = enrich(made.facts, attributes, rule, scope, 0, True, self.aliases)
        made.encoded = extra_fields(made.extra)
        if made.encoded is None:
            return None
        made.rule, made.scope = rule, scope
        made.own = own
        self.made[slot] = made
        return made


cdef bytes origin_fields(ErrorFacts facts):
    """What `put_origin` adds, as fields of a span, the digits written into what is the same for all."""
    cdef bytes pattern = PROPAGATED_FIELDS if facts.propagated else ORIGIN_FIELDS
    cdef bytes made = PyBytes_FromStringAndSize(PyBytes_AS_STRING(pattern), PyBytes_GET_SIZE(pattern))
    cdef char *digits = PyBytes_AS_STRING(made) + ORIGIN_DIGITS
    cdef int place
    for place in range(16):
        digits[place] = HEX_DIGITS[(facts.origin >> (60 - 4 * place)) & 15]
    return made


cdef object plain_value(object value):
    """A str, bool, int or float of exactly those types, bounded; None for anything else."""
    cdef int overflow = 0
    if value is True or value is False or type(value) is float:
        return value
    if PyLong_CheckExact(value):
        PyLong_AsLongLongAndOverflow(value, &overflow)
        return None if overflow else value
    if PyUnicode_Check(value):
        return PyUnicode_Substring(value, 0, USER_TEXT)
    return None


cpdef int merge_user(dict extra, object result, object attributes=None) except -1:
    """Add what a user's callback answered, a dict, to `extra`; answers how many entries were refused.

    Refused are keys that are no str, longer than 128 characters or taken, values that are no str, bool, int of 64
    bits or float, and what exceeds 16 entries. Texts are cut at 1024 characters. Anything but a dict counts as one.
    """
    cdef int taken = 0
    cdef int refused = 0
    if result is None:
        return 0
    if not PyDict_CheckExact(result):
        return 1
    for key, value in list((<dict> result).items()):
        key = exact_text(key)
        value = plain_value(value)
        if (
            not key or value is None or taken == USER_ATTRIBUTES or len(key) > USER_KEY
            or key in extra or (attributes is not None and key in attributes)
        ):
            refused += 1
            continue
        extra[key] = value
        taken += 1
    return refused
