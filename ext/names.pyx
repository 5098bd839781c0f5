"""What the attributes of a span are asked for by name before it is known whether anything failed.

Six look-ups take a healthy span of ten attributes 500 instructions, and telling an error's own names from ours 1,100
more; one walk over the table answers all of it in 300. Entered under the GIL; runs no Python code.
"""

from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_DATA
from libc.string cimport memcmp

cdef enum:
    MOST_WALKED = 48        # of more attributes the six look-ups cost less

cdef enum:                  # which names of ours a span has itself
    NO_NAMES
    ERROR_TYPE              # as the instrumentations of HTTP set it
    OTHER_NAMES
    NOT_ASKED

cdef enum:                  # the attribute errsample.keep
    UNDECIDED
    TO_KEEP
    TO_DROP


cdef struct Asked:
    SpanCodes codes
    int own                 # NO_NAMES and so on
    int keep                # UNDECIDED and so on
    bint database           # db.response.status_code may be there


cdef inline bint is_named(PyObject* key, const char* name, Py_ssize_t size) noexcept:
    return errsample_ascii_length(key) == size and memcmp(errsample_ascii_data(key), name, size) == 0


cdef inline int said_of_keeping(PyObject* value) noexcept:
    if value == NULL:
        return UNDECIDED
    if <object> value is True:
        return TO_KEEP
    return TO_DROP if <object> value is False else UNDECIDED


cdef void ask_by_name(object attributes, Asked* asked) noexcept:
    """Look for each name; what only a kept error is asked for is left."""
    read_codes(attributes, &asked.codes)
    asked.own = NOT_ASKED
    asked.database = True
    asked.keep = UNDECIDED if attributes is None else said_of_keeping(find_quietly(attributes, "errsample.keep"))


cdef void ask_names(object attributes, Asked* asked) noexcept:
    """Everything that is asked, of a dict or None."""
    cdef PyObject* http = NULL
    cdef PyObject* rpc = NULL
    cdef PyObject* key
    cdef PyObject* value
    cdef PyObject** entry
    cdef Py_ssize_t at
    cdef Py_ssize_t entries = -1 if attributes is None else errsample_entries(attributes)
    cdef bint http_is_new = False
    cdef int rpc_rank = 0       # the names go before one another, wherever they stand
    cdef char first
    if not 0 <= entries <= MOST_WALKED:
        ask_by_name(attributes, asked)
        return
    asked.own = NO_NAMES
    asked.keep = UNDECIDED
    asked.database = False
    # Nothing in here runs Python code: the table stays where it is, and is not looked for at each step.
    entry = errsample_first_entry(attributes)
    for at in range(entries):
        key, value = entry[2 * at], entry[2 * at + 1]
        if value == NULL:
            continue
        if not errsample_ascii(key):
            if asked.own != OTHER_NAMES:
                asked.own = max(asked.own, own_name(<object> key))
            continue
        first = errsample_ascii_data(key)[0]
        if first == c"h":
            if is_named(key, b"http.response.status_code", 25):
                http_is_new = True
                http = value
            elif not http_is_new and is_named(key, b"http.status_code", 16):
                http = value
        elif first == c"r":
            if is_named(key, b"rpc.grpc.status_code", 20):
                rpc_rank = 3
                rpc = value
            elif rpc_rank < 2 and is_named(key, b"rpc.response.status_code", 24):
                rpc_rank = 2
                rpc = value
            elif rpc_rank < 1 and is_named(key, b"rpc.status_code", 15):
                rpc_rank = 1
                rpc = value
        elif first == c"d":
            asked.database = asked.database or is_named(key, b"db.response.status_code", 23)
        elif first == c"e":
            asked.own = max(asked.own, own_name(<object> key))
            if is_named(key, b"errsample.keep", 14):
                asked.keep = said_of_keeping(value)
    asked.codes.http = 0 if http == NULL else http_number(<object> http)
    asked.codes.rpc = NO_RPC if rpc == NULL else grpc_number(<object> rpc)


cdef inline int own_name(object key) noexcept:
    """What a key makes of the names: one that begins as ours do, and is no text of the usual kind, counts as ours."""
    cdef const char* text
    if not PyUnicode_CheckExact(key) or not errsample_ready(key):
        return OTHER_NAMES
    text = <const char*> PyUnicode_DATA(key)      # of wider characters too it ends with a zero
    if text[0] == c"e" and text[1] == c"r" and text[2] == c"r":
        return ERROR_TYPE if <str> key == "error.type" else OTHER_NAMES
    return NO_NAMES


cdef int own_names(object attributes) noexcept:
    cdef PyObject* key
    cdef PyObject* value
    cdef Py_ssize_t position = 0
    cdef int own = NO_NAMES
    while attributes is not None and own != OTHER_NAMES and errsample_next(attributes, &position, &key, &value):
        own = max(own, own_name(<object> key))
    return own


def asked_of(attributes, *, bint by_name=False):
    """What a span's attributes, a dict or None, answer: (http, rpc, own names, keep, database). For tests."""
    cdef Asked asked
    if by_name:
        ask_by_name(attributes, &asked)
    else:
        ask_names(attributes, &asked)
    if asked.own == NOT_ASKED:
        asked.own = own_names(attributes)
    return asked.codes.http, asked.codes.rpc, asked.own, asked.keep, asked.database
