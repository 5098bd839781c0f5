"""The `ot` entry of a trace state: how many spans an exported one stands for.

`ot=th:<hex>;rv:<hex>`. th is the rejection threshold T: 56 bits, trailing zeros left out. A trace is in when its
randomness R >= T, R being rv or else the low 56 bits of the trace id (OpenTelemetry specification, "TraceState:
Probability Sampling"). Only the API's own TraceState is read, and only through its public methods: a class of the
user's is left as it is, so that none of its code runs here. What the SDK's ratio sampler decides by other bits, and
without a word in the trace state, is told in the same terms by a class of our own.
"""

from cpython.long cimport PyLong_AsUnsignedLongLongMask
from libc.math cimport frexp
from libc.stdint cimport uint64_t

from opentelemetry.trace import DEFAULT_TRACE_STATE, TraceState

cdef enum:
    OT_LENGTH = 256     # characters of one value (W3C Trace Context, 3.3.1.3.2), and of the whole `ot` list
    OT_ENTRIES = 32     # entries of a trace state (W3C Trace Context, 3.3.1.1)
    OT_DIGITS = 14      # 56 bits in hexadecimal

cdef uint64_t OT_SCALE = 1 << 56


cdef bint ot_is_hex(str text):
    cdef Py_UCS4 c
    for c in text:
        if not (c'0' <= c <= c'9' or c'a' <= c <= c'f' or c'A' <= c <= c'F'):
            return False
    return True


cdef bint ot_is_member(str key, str value):
    """Whether key and value follow the grammar of the specification's "TraceState Handling"."""
    cdef Py_UCS4 c
    if key == "th":
        return 1 <= len(value) <= OT_DIGITS and ot_is_hex(value)
    if key == "rv":
        return len(value) == OT_DIGITS and ot_is_hex(value)
    if not key or not c'a' <= key[0] <= c'z':
        return False
    for c in key:
        if not (c'a' <= c <= c'z' or c'0' <= c <= c'9'):
            return False
    for c in value:
        if not (c'a' <= c <= c'z' or c'A' <= c <= c'Z' or c'0' <= c <= c'9' or c in u"._-"):
            return False
    return True


cdef dict ot_members(str text):
    """The well-formed members of an `ot` value; of a repeated key the last one, as other readers take it."""
    cdef dict members = {}
    cdef str member, key, value
    if text is None or len(text) > OT_LENGTH:
        return members
    for member in text.split(";"):
        key, _, value = member.partition(":")
        if len(key) < len(member) and ot_is_member(key, value):
            members[key] = value
    return members


cdef str ot_join(str th, dict members):
    """The members as one value: th, rv, then the others as long as they fit."""
    cdef list parts = []
    cdef str rv = members.pop("rv", None)
    cdef str key, value
    cdef Py_ssize_t length
    if th is not None:
        parts.append("th:" + th)
    if rv is not None:
        parts.append("rv:" + rv)
    length = 3 + OT_DIGITS + 1 + 3 + OT_DIGITS  # th and rv at their longest
    for key, value in members.items():
        length += len(key) + len(value) + 2
        if length > OT_LENGTH:
            break
        parts.append(f"{key}:{value}")
    return ";".join(parts)


cdef uint64_t ot_decode(str th):
    return <uint64_t> int(th, 16) << 4 * (OT_DIGITS - len(th))


class ClassicState(TraceState):
    """The trace state of a trace that began here and was decided by the SDK's ratio sampler: empty, as that leaves it.

    That sampler takes traces whose id has its low 64 bits below `bound`, and writes nothing. In the terms of th and rv
    R counts down from the top 56 of these bits, and T is where `bound` falls. Children inherit the object and a remote
    parent never has it, which is how the two are told apart. On the wire and in a pickle it is any empty trace state.
    """

    def __init__(self, bound):
        super().__init__()
        self.bound = bound
        self.threshold = ((1 << 64) - bound + 128) >> 8
        if 0 < bound < 1 << 64:
            self.threshold = min(max(self.threshold, 1), OT_SCALE - 1)  # something is sampled, and something is not

    def __reduce__(self):
        return TraceState, ()


cdef uint64_t classic_randomness(object state, uint64_t trace):
    """R >= T exactly where the classic sampler takes the trace: `bound` may fall inside the 256 ids of one R."""
    cdef uint64_t r = ~trace >> 8
    cdef uint64_t threshold = state.threshold
    return max(r, threshold) if trace < state.bound else min(r, threshold - 1)


cdef dict ot_of(object trace_state, uint64_t trace):
    """The members of the `ot` entry, or what is known without one; `trace` is the low half of the trace id."""
    cdef dict members
    if type(trace_state) is ClassicState:
        members = {"rv": f"{classic_randomness(trace_state, trace):014x}"}
        if trace_state.threshold < OT_SCALE:
            members["th"] = format_threshold(trace_state.threshold)
        return members
    if type(trace_state) is TraceState and trace_state is not DEFAULT_TRACE_STATE:
        for key, value in trace_state.items():
            if type(key) is str and key == "ot" and type(value) is str:
                return ot_members(value)
    return {}


cdef uint64_t randomness_in_ot(dict members, uint64_t trace):
    cdef str rv = members.get("rv")
    return trace & (OT_SCALE - 1) if rv is None else int(rv, 16)


cdef uint64_t least_claim(dict members, uint64_t trace, uint64_t floor):
    """The least threshold a span may claim, which is that of arriving here; 2**56 where that is not known."""
    cdef str head = members.get("th")
    if head is not None:
        return min(floor, ot_decode(head))
    if floor == 0 or floor < OT_SCALE and randomness_in_ot(members, trace) >= floor:
        return floor
    return OT_SCALE


cdef object claim_of(object trace_state, uint64_t trace, uint64_t threshold, uint64_t floor):
    """The threshold that is written for a decision of this one, None where none is."""
    cdef uint64_t least = least_claim(ot_of(trace_state, trace), trace, floor)
    return None if least == OT_SCALE else max(threshold, least)


cpdef object reweigh(object trace_state, uint64_t trace, int weight, uint64_t threshold, uint64_t floor):
    """The tracestate header of an exported span so that it says its weight, or None to leave it as it is.

    `trace` is the low half of the trace id, `weight` one of TH_*, `threshold` below 2**56. An empty string means that
    no entry is left. `floor` tells which spans reach the processor: those of traces whose R is at least as much, and
    those that the head sampler takes; 0 means all, 2**56 the head sampler's alone. A th below that by which the span
    arrived is never written, and none at all where that is unknown.

    A changed `ot` entry moves to the front (W3C Trace Context, 3.5); the other entries keep their order, and the last
    one goes when there would be more than 32. Malformed members of `ot` are left out.
    """
    cdef list entries = []
    cdef dict members
    cdef str old = None, new, th
    cdef uint64_t least
    if type(trace_state) is ClassicState:
        members = ot_of(trace_state, trace)
    elif weight == TH_AS_IS:
        return None
    elif trace_state is None or trace_state is DEFAULT_TRACE_STATE:
        if weight == TH_SET and floor == 0:
            return "ot=th:" + format_threshold(threshold)
        members = {}
    elif type(trace_state) is TraceState:
        for key, value in trace_state.items():
            if type(key) is not str or type(value) is not str:
                return None
            if key == "ot":
                old = value
            else:
                entries.append(f"{key}={value}")
        members = ot_members(old)
    else:
        return None
    least = least_claim(members, trace, floor)
    th = members.pop("th", None)
    if weight == TH_LEAST:
        if th is not None:
            threshold = min(threshold, ot_decode(th))
        weight = TH_SET
    if weight == TH_SET:
        if least == OT_SCALE:
            return None
        th = format_threshold(max(threshold, least))
    elif weight == TH_ERASED:
        th = None
    new = ot_join(th, members)
    if new == (old or ""):
        return None
    if not entries:
        return "ot=" + new if new else ""
    if new:
        entries.insert(0, "ot=" + new)
    return ",".join(entries[:OT_ENTRIES])


cdef uint64_t floor_of(object sampler):
    """From which randomness on a sampler lets unsampled spans arrive; only ours says so."""
    cdef object floor = getattr(sampler, "recorded_from", None)
    return floor if type(floor) is int and 0 <= floor < OT_SCALE else OT_SCALE


cdef uint64_t head_threshold(object trace_state, uint64_t trace) except? 0:
    """The threshold of the head sampler; 0 where it is not known, or everything is sampled."""
    cdef str th = ot_of(trace_state, trace).get("th")
    return 0 if th is None else ot_decode(th)


def weigh(trace_state, threshold):
    """`trace_state` with its th set to `threshold`, or erased where that is None; both may be None."""
    header = reweigh(trace_state, 0, TH_ERASED if threshold is None else TH_SET, threshold or 0, 0)
    return trace_state if header is None else TraceState.from_header([header])


cpdef uint64_t randomness_of(object trace_state, object trace_id):
    """R, the 56 bits by which every participant decides on this trace: rv where there is one, else of the trace id.

    A trace id that is not an int counts as 0.
    """
    cdef uint64_t trace = PyLong_AsUnsignedLongLongMask(trace_id) if isinstance(trace_id, int) else 0
    return randomness_in_ot(ot_of(trace_state, trace), trace)


def threshold_of(double ratio):
    """The rejection threshold T of a sampling ratio from 0 to 1, on the scale of 2**56.

    Rounded to the nearest threshold of four significant hexadecimal digits, leading f's not counted, which is the
    precision the specification recommends: 0.01 becomes fd70a, which is 0.0100002. The least ratio above 0 is 2**-56.
    The ratio 0 gives 2**56, above every R. Raises ValueError for anything else, nan included.
    """
    cdef int exponent, digits
    cdef uint64_t unit
    if not 0.0 <= ratio <= 1.0:
        raise ValueError(f"ratio is expected to be from 0 to 1, got {ratio}")
    if ratio == 0.0:
        return OT_SCALE
    frexp(ratio, &exponent)
    digits = 4 + -exponent // 4  # a digit more for every leading f: ratio < 2**exponent
    unit = 1 if digits >= OT_DIGITS else <uint64_t> 1 << 4 * (OT_DIGITS - digits)
    exact = OT_SCALE - round(ratio * OT_SCALE)
    return min((exact + unit // 2) // unit * unit, OT_SCALE - 1)


cpdef str format_threshold(uint64_t threshold):
    """A threshold below 2**56 as th has it: `0`, or 14 hexadecimal digits without the trailing zeros."""
    if threshold == 0:
        return "0"
    if threshold >= OT_SCALE:
        raise ValueError(f"threshold is expected to be below 2**56, got {threshold}")
    return f"{threshold:014x}".rstrip("0")


def parse_ot(str text):
    """An `ot` value as (th, rv, others): th and rv as ints or None, others as a dict of strings.

    Malformed members are left out; a value of more than 256 characters has none.
    """
    cdef dict members = ot_members(text)
    th = members.pop("th", None)
    rv = members.pop("rv", None)
    return None if th is None else ot_decode(th), None if rv is None else int(rv, 16), members
