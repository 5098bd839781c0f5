"""Codes of failures: on the span (HTTP, RPC, SQLSTATE) and on the exception (those, errno, AWS, Kafka, flags).

Nothing is allocated for a healthy span (see names.pyx). Of an exception only what taxonomy.CARRIERS
names is read, by the generic attribute rules: its class's __getattribute__ and __getattr__ do not run, a property
does, guarded.
"""

from cpython.dict cimport PyDict_CheckExact
from cpython.exc cimport PyErr_Clear, PyErr_Occurred
from cpython.long cimport PyLong_AsLongAndOverflow, PyLong_Check
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from cpython.set cimport PyAnySet_CheckExact
from cpython.tuple cimport PyTuple_CheckExact
from cpython.unicode cimport PyUnicode_CheckExact, PyUnicode_Substring

from otel_errsample import errnos

cdef extern from "Python.h":
    # Cython's own declaration turns an error into an exception, which here is only another way of being missing.
    PyObject* lookup_quietly "PyDict_GetItemWithError"(object items, object key) noexcept
    PyObject *_PyObject_GenericGetAttrWithDict(object owner, object name, PyObject *d, int suppress) except? NULL

cdef enum:
    SCHEME_HTTP
    SCHEME_GRPC
    SCHEME_SSL
    SCHEME_SERVER   # of a database's server: SQLSTATE, MySQL's numbers
    SCHEME_OTHER

cdef enum:
    SPAN_INTERNAL = 0   # numbers of opentelemetry.trace.SpanKind
    SPAN_SERVER = 1
    SPAN_CLIENT = 2
    SPAN_PRODUCER = 3
    SPAN_CONSUMER = 4

cdef enum:
    GRPC_UNKNOWN = 2
    GRPC_EXHAUSTED = 8
    NO_RPC = -1
    NO_NUMBER = -100000
    LONGEST_TEXT = 1024     # characters of a str() of an exception that are kept

cdef int SEVERITY_DEBUG = SEVERITIES.index("debug")
cdef int SEVERITY_INFO = SEVERITIES.index("info")
cdef int SEVERITY_WARN = SEVERITIES.index("warn")
cdef int SEVERITY_ERROR = SEVERITIES.index("error")
cdef int SEVERITY_FATAL = SEVERITIES.index("fatal")
cdef int GRPC_COUNT = len(taxonomy.GRPC)
cdef dict GRPC_NUMBERS = {row[0]: number for number, row in enumerate(taxonomy.GRPC)}
cdef unsigned int GRPC_SERVER_BITS = sum([1 << number for number in taxonomy.GRPC_SERVER_ERRORS])


@cython.final
@cython.freelist(8)
cdef class Code:
    """A code and what it says: "http:503", unavailable, backoff. `text` is None for a flag without a number."""
    cdef str text
    cdef int scheme, number, kind, recovery, severity


cdef inline PyObject *find_quietly(object items, object key) noexcept:
    """A dict's value, borrowed; NULL where it is missing or comparing the keys fails.

    PyDict_GetItem would put the thread's exception aside for every look: 60 instructions of 150.
    """
    cdef PyObject *found = lookup_quietly(items, key)
    if found == NULL and PyErr_Occurred() != NULL:
        PyErr_Clear()
    return found


cdef struct SpanCodes:
    int http    # 0 where the span has none
    int rpc     # number of google.rpc.Code, NO_RPC where the span has none


cdef Code make_code(str text, int scheme, int number, object advice, object severity=None):
    """`advice` is (kind, recovery), or None where the code says nothing."""
    cdef Code code = Code.__new__(Code)
    code.text = text
    code.scheme = scheme
    code.number = number
    code.kind = KIND_UNKNOWN if advice is None else KINDS.index(advice[0])
    code.recovery = NOT_SAID if advice is None else RECOVERIES.index(advice[1])
    code.severity = NOT_SAID if severity is None else SEVERITIES.index(severity)
    return code


# An absence is often expected, a cancellation always; numbers without a row of their own fall back to their class.
cdef tuple HTTP_CODES = tuple([      # from 400 on
    make_code(
        f"http:{number}", SCHEME_HTTP, number,
        taxonomy.HTTP.get(number) or (taxonomy.HTTP_OTHER_4XX if number < 500 else taxonomy.HTTP_OTHER_5XX),
        {404: "warn", 499: "debug"}.get(number),
    )
    for number in range(400, 600)
])
cdef tuple GRPC_CODES = (None,) + tuple([
    make_code(f"grpc:{row[0]}", SCHEME_GRPC, number, row[1:], "debug" if row[1] == "cancelled" else None)
    for number, row in enumerate(taxonomy.GRPC) if number
])
cdef Code RETRY_LATER = make_code("grpc:RESOURCE_EXHAUSTED", SCHEME_GRPC, GRPC_EXHAUSTED, ("throttle", "backoff"))


cdef inline Code http_code(int number):
    """What an HTTP status from 400 to 599 says, None for any other."""
    return <Code> HTTP_CODES[number - 400] if 400 <= number < 600 else None


cdef inline Code grpc_code(int number):
    """What a failed RPC's status says, None for OK and for none."""
    return <Code> GRPC_CODES[number] if 0 < number < GRPC_COUNT else None


cdef Code sqlstate_code(object value):
    if not PyUnicode_CheckExact(value) or len(value) != 5 or not value.isalnum() or not value.isascii():
        return None
    advice = taxonomy.SQLSTATE.get(value) or taxonomy.SQLSTATE.get(value[:2])
    return make_code(f"sqlstate:{value}", SCHEME_SERVER, 0, advice)


cdef Code errno_code(object numbers, int number):
    row = numbers.get(number)
    return None if row is None else make_code(f"errno:{row[0]}", SCHEME_OTHER, number, row[1:3], row[3])


cdef Code said_errno(object numbers, str text):
    """Of a text that begins with it; an OSError whose arguments are no number and text has it there alone."""
    cdef Py_ssize_t start, end
    for beginning in errnos.TEXTS if text is not None else ():
        if text.startswith(beginning):
            start = len(beginning)
            end = text.find("]", start, start + 7)
            if end > start and text[start:end].removeprefix("-").isdecimal():
                return errno_code(numbers, int(text[start:end]))
    return None


cdef Code ssl_code(object value):
    """Of OpenSSL's reason; of most the class says as much."""
    if not PyUnicode_CheckExact(value) or not 0 < len(value) <= 60:
        return None
    advice = ("config", "fix_config") if value == taxonomy.BAD_CERTIFICATE else None
    return make_code(f"ssl:{value}", SCHEME_SSL, 0, advice)


cdef Code aws_code(object value):
    if not PyUnicode_CheckExact(value) or not 0 < len(value) <= 60:
        return None
    return make_code(f"aws:{value}", SCHEME_OTHER, 0, taxonomy.AWS.get(value.removesuffix("Exception")))


cdef Code sqlite_code(object value):
    """Of a result code, or of the message that goes with one."""
    cdef object row = None
    cdef object number = None
    if PyUnicode_CheckExact(value):
        for text, code in taxonomy.SQLITE_TEXTS.items():
            if (<str> value).startswith(text):
                number = code
                break
    elif PyLong_Check(value):
        number = small_int(value) & 0xFF
    row = taxonomy.SQLITE.get(number)
    return None if row is None else make_code(f"sqlite:{row[0]}", SCHEME_OTHER, 0, row[1:])


cdef Code mysql_code(object value):
    cdef int number = small_int(value) if PyLong_Check(value) else 0
    return make_code(f"mysql:{number}", SCHEME_SERVER, 0, taxonomy.MYSQL.get(number)) if number >= 1000 else None


cdef int small_int(object value) noexcept:
    """The value as an int of at most five digits; also of a str that begins with three; else NO_NUMBER."""
    cdef int overflow = 0
    cdef long number
    if PyLong_Check(value):
        number = PyLong_AsLongAndOverflow(value, &overflow)
        return <int> number if overflow == 0 and -99999 <= number <= 99999 else NO_NUMBER
    if PyUnicode_CheckExact(value) and text_length(value) >= 3:
        number = 0
        for digit in (<str> value)[:3]:
            if not 48 <= <long> <Py_UCS4> digit <= 57:
                return NO_NUMBER
            number = number * 10 + (<long> <Py_UCS4> digit - 48)
        return <int> number
    return NO_NUMBER


cdef int http_number(object value) noexcept:
    cdef int number = small_int(value)
    return number if 100 <= number < 600 else 0


cdef int grpc_number(object value) noexcept:
    """The number of a google.rpc.Code given as number or name, else NO_RPC."""
    cdef PyObject *found
    cdef int number
    if PyLong_Check(value):
        number = small_int(value)
        return number if 0 <= number < GRPC_COUNT else NO_RPC
    if PyUnicode_CheckExact(value):
        found = find_quietly(GRPC_NUMBERS, value)
        if found != NULL:
            return <object> found
    return NO_RPC


cdef void read_codes(object attributes, SpanCodes *codes) noexcept:
    """The HTTP and RPC code among the attributes (a dict or None), under their present and former names."""
    cdef PyObject *value
    codes.http = 0
    codes.rpc = NO_RPC
    if attributes is None:
        return
    value = find_quietly(attributes, "http.response.status_code")
    if value == NULL:
        value = find_quietly(attributes, "http.status_code")
    if value != NULL:
        codes.http = http_number(<object> value)
    value = find_quietly(attributes, "rpc.grpc.status_code")
    if value == NULL:
        value = find_quietly(attributes, "rpc.response.status_code")
    if value == NULL:
        value = find_quietly(attributes, "rpc.status_code")
    if value != NULL:
        codes.rpc = grpc_number(<object> value)


cdef bint codes_failed(SpanCodes *codes, int span_kind) noexcept:
    """Whether a code alone makes the span an error, by the semantic conventions of HTTP and RPC."""
    if codes.http >= 500 or (codes.http >= 400 and span_kind == SPAN_CLIENT):
        return True
    return codes.rpc > 0 and (span_kind == SPAN_CLIENT or (GRPC_SERVER_BITS >> codes.rpc) & 1)


cdef object attribute_of(object owner, str name):
    """One attribute or dictionary entry, None where there is none or where reading it failed."""
    cdef PyObject *found = NULL
    if PyDict_CheckExact(owner):
        return (<dict> owner).get(name)
    if PyTuple_CheckExact(owner):
        return (<tuple> owner)[0] if name == "0" and len(<tuple> owner) else None
    try:
        found = _PyObject_GenericGetAttrWithDict(owner, name, NULL, 1)
    except KeyboardInterrupt:
        raise
    except BaseException:
        pass
    if found == NULL:
        return None
    value = <object> found
    Py_DECREF(value)
    return value


cdef object follow(object owner, tuple path):
    for name in path:
        owner = attribute_of(owner, name)
        if owner is None:
            return None
    return owner


cdef object ask(object owner, str name):
    """What a method without arguments answers, None where it fails."""
    try:
        return getattr(owner, name)()
    except KeyboardInterrupt:
        raise
    except BaseException:
        pass
    return None


cdef str safe_text(object exception):
    """str() of a user's object, at most 1024 characters; None where it fails."""
    try:
        return PyUnicode_Substring(str(exception), 0, LONGEST_TEXT)
    except KeyboardInterrupt:
        raise
    except BaseException:
        pass
    return None


cdef bint has_retry_info(object exception):
    """Whether the trailing metadata of a failed gRPC call say when to try again."""
    cdef object metadata = follow(exception, ("_state", "trailing_metadata"))
    if metadata is None:
        metadata = attribute_of(exception, "_trailing_metadata")
    try:
        for key, value in metadata or ():
            if key == "google.rpc.retryinfo-bin":
                return True
            if key == "grpc-status-details-bin" and b"google.rpc.RetryInfo" in value:
                return True
    except KeyboardInterrupt:
        raise
    except BaseException:
        pass
    return False


cdef Code read_carrier(str scheme, object value, object exception):
    """The code that a value found on an exception stands for, None where it stands for none."""
    cdef Code code
    if scheme == "http":
        return http_code(http_number(value))
    if scheme == "http_retried":
        if PyUnicode_CheckExact(value) and (<str> value).startswith(taxonomy.RETRIED):
            return http_code(http_number((<str> value)[len(taxonomy.RETRIED):]))
        return None
    if scheme == "grpc" or scheme == "grpc_call":
        code = grpc_code(grpc_number(value if PyLong_Check(value) else attribute_of(value, "_name_")))
        if code is not None and code.number == GRPC_EXHAUSTED and has_retry_info(exception):
            return RETRY_LATER
        return code
    if scheme == "sqlstate":
        return sqlstate_code(value)
    if scheme == "aws":
        return aws_code(value)
    if scheme == "ssl":
        return ssl_code(value)
    if scheme == "errno_said":
        return said_errno(errnos.SYSTEM, exact_text(value))
    if scheme == "errno":
        return errno_code(errnos.SYSTEM, small_int(value))
    if scheme == "sqlite":
        return sqlite_code(value)
    if scheme == "mysql":
        return mysql_code(value)
    if scheme == "resolver":
        return errno_code(errnos.RESOLVER, small_int(value))
    if scheme == "kafka":
        return make_code(f"kafka:{small_int(value)}", SCHEME_OTHER, 0, None) if small_int(value) > 0 else None
    if scheme == "labels":
        for label, advice in taxonomy.LABELS.items() if PyAnySet_CheckExact(value) else ():
            if label in value:
                return make_code(None, SCHEME_OTHER, 0, advice)
        return None
    if scheme == "confluent":
        code = read_carrier("kafka", ask(value, "code"), exception)
        if ask(value, "retriable") is True:
            return make_code(None if code is None else code.text, SCHEME_OTHER, 0, taxonomy.RETRIABLE)
        return code
    if scheme == "malformed":
        return make_code(None, SCHEME_OTHER, 0, taxonomy.MALFORMED) if PyLong_Check(value) else None
    if value is True:
        return make_code(None, SCHEME_OTHER, 0, taxonomy.RETRIABLE if scheme == "retriable" else taxonomy.INVALIDATED)
    return None


cdef Code renamed(Code code, str text):
    cdef Code other = Code.__new__(Code)
    other.text = text
    other.scheme, other.number = code.scheme, code.number
    other.kind, other.recovery, other.severity = code.kind, code.recovery, code.severity
    return other


cdef object carried(object exception, str scheme, tuple path, bint by_class):
    """The value at the end of a path, None where there is none.

    What no class defines can only be in the dictionary of the exception: to find out by the generic rules that it is
    not there takes 350 instructions.
    """
    cdef PyObject *fields
    cdef PyObject *found
    if by_class:
        return ask(exception, path[0]) if scheme == "grpc_call" else follow(exception, path)
    fields = (<PyBaseExceptionObject *> exception).dict
    if fields == NULL:
        return None
    found = find_quietly(<object> fields, path[0])
    if found == NULL:
        return None
    return <object> found if len(path) == 1 else follow(<object> found, path[1:])


cdef Code own_code(object exception, ClassInfo info):
    """The code an exception carries: named by its first carrier that has one, of the first kind that is known."""
    cdef Code found = None
    cdef Code code
    if not info.carrying and (<PyBaseExceptionObject *> exception).dict == NULL:
        return None
    for scheme, path, by_class in info.carriers:
        value = carried(exception, scheme, path, by_class)
        code = None if value is None else read_carrier(scheme, value, exception)
        if code is None:
            continue
        if found is None:
            found = code
        elif code.kind != KIND_UNKNOWN:
            return renamed(code, found.text or code.text)
        if found.kind != KIND_UNKNOWN:
            break
    return found


cdef Code said_status(str message):
    """The HTTP status that the message of a client's exception begins with, as "503 Server Error: "."""
    cdef Py_ssize_t end
    for before in taxonomy.HTTP_TEXTS:
        if message.startswith(before):
            end = len(before) + 3
            if not message[end:end + 1].isalnum():
                return http_code(http_number(message[len(before):end]))
    return None


cdef Code written_code(ClassInfo info, str message):
    """The code in the message of an exception of which only the name is left: HTTP, errno, OpenSSL, AWS or a database.
    """
    cdef Py_ssize_t end
    cdef Code code
    if message is not None and info.coded and info.row != "Exception":
        code = said_status(message)
        if code is not None:
            return code
    if info.written is None or message is None:
        return None
    if info.written == "errno" or info.written == "resolver":
        return said_errno(errnos.SYSTEM if info.written == "errno" else errnos.RESOLVER, message)
    if info.written == "ssl" and message.startswith("[SSL: "):
        end = message.find("]", 6, 67)
        return ssl_code(message[6:end]) if end > 0 else None
    if info.written == "mysql" and message.startswith("("):
        end = message.find(",", 1, 7)
        return mysql_code(int(message[1:end])) if end > 0 and message[1:end].isdecimal() else None
    if info.written == "aws" and message.startswith("An error occurred ("):
        end = message.find(")", 19, 90)
        return aws_code(message[19:end]) if end > 0 else None
    return sqlite_code(message) if info.written == "sqlite" else None


cdef Code span_code(object attributes, SpanCodes *codes, bint database):
    """The code on the span itself: of the call, of the database's answer if there may be one, of the HTTP answer."""
    cdef PyObject *value = NULL
    cdef Code code = grpc_code(codes.rpc)
    if code is None and database and attributes is not None:
        value = find_quietly(attributes, "db.response.status_code")
        code = sqlstate_code(<object> value) if value != NULL else None
    return http_code(codes.http) if code is None else code
