"""Texts, events and attributes without their secrets; what has none stays the same object."""

from cpython.bool cimport PyBool_Check
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_Check, PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_Substring
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc

from otel_errsample import readable

cdef enum:
    # Characters of one text, and of all the texts of a span: more are cut off first, whatever they hold. 0.02 ms, and
    # 0.4 ms where every word looks like a secret; twice that where one is found at last.
    LONGEST_SCRUBBED = 49152
    MOST_SCRUBBED = 49152
    FRAMES_SHARE = 4            # what is looked at for its lines alone counts as the fourth part
    MOST_FINDS = 256            # secrets of one text: behind the last the text is left out
    LONGEST_TAIL = 256          # characters without a blank that are left out where a text was cut off

cdef str REDACTED = scrub.REDACTED


cdef struct View:
    const uint8_t* s
    Py_ssize_t n
    uint8_t* copy       # of a text whose characters are wider than a byte


cdef struct Scrubbing:      # of one span
    bint strict
    int also            # what is taken out besides
    PyObject* scrubber  # whose patterns are asked too, or NULL
    uint64_t found
    uint64_t cut        # texts that were longer than is looked at
    Py_ssize_t left     # characters that may still be looked at


cdef inline bint view_open(View* view, object text, Py_ssize_t most) noexcept:
    """The characters of a str, by its base type, as bytes; False without memory for them."""
    view.s = b""
    view.n = 0
    view.copy = NULL
    if not errsample_ready(text):
        return True         # the encoder writes nothing of it
    view.n = min(PyUnicode_GET_LENGTH(text), most)
    if PyUnicode_KIND(text) == 1:
        view.s = <const uint8_t*> PyUnicode_DATA(text)
        return True
    return view_narrow(view, text)


cdef bint view_narrow(View* view, object text) noexcept:
    """All characters beyond ASCII look alike."""
    cdef Py_ssize_t i
    cdef Py_UCS4 c
    view.copy = <uint8_t*> malloc(view.n + 1)
    if view.copy is NULL:
        return False
    for i in range(view.n):
        c = PyUnicode_READ(PyUnicode_KIND(text), PyUnicode_DATA(text), i)
        view.copy[i] = <uint8_t> (c if c < 0x80 else 0x80)
    view.s = view.copy
    return True


cdef int view_made(View* view, object text, Py_ssize_t most) except -1:
    if not view_open(view, text, most):
        raise MemoryError("no memory to look for secrets")
    return 0


cdef inline Text part_of(const View* view, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    cdef Text t
    t.s = view.s
    t.low = start
    t.n = end
    return t


cdef inline void scrubbing_open(Scrubbing* job, bint strict, int also, Scrubber scrubber) noexcept:
    """`scrubber` has to live as long, or is None."""
    job.strict = strict
    job.also = also
    job.scrubber = NULL if scrubber is None or scrubber.patterns is None else <PyObject*> scrubber
    job.found = job.cut = 0
    job.left = MOST_SCRUBBED


cdef inline void lines_open(Lines* lines, const View* view) noexcept:
    lines.t = part_of(view, 0, view.n)
    lines.at = 0
    lines.state = BEFORE_BLOCK


cdef list collect(Scrubbing* job, list pieces, object text, const Text* t, Py_ssize_t* done):
    """Add to `pieces` what of a part of the text may stay; None for no pieces as long as nothing was found."""
    cdef Search search
    cdef Find f
    cdef int finds = 0
    cdef list marked = None if job.scrubber == NULL else pattern_finds(<Scrubber> job.scrubber, text, t)
    search_open(&search, t, job.also, marked)
    while finds <= MOST_FINDS and next_find(&search, &f):
        finds += 1
        if pieces is None:
            pieces = []
        if finds > MOST_FINDS:
            f.end = t.n
        pieces.append(PyUnicode_Substring(text, done[0], f.start))
        pieces.append(REDACTED)
        job.found += 1
        done[0] = f.end
    return pieces


cdef object clean_text(Scrubbing* job, object text):
    """A str without its secrets: the same object where it has none."""
    cdef View view
    cdef Text t
    cdef Py_ssize_t n = text_length(text)
    cdef Py_ssize_t most = min(n, LONGEST_SCRUBBED, max(job.left, 0))
    cdef Py_ssize_t done = 0
    cdef Py_ssize_t least
    cdef list pieces
    view_made(&view, text, most)
    try:
        most = view.n
        job.left -= most
        if most < n:
            # What is half inside: the rest could not be told from a word.
            least = max(0, most - LONGEST_TAIL)
            while most > least and not is_class(view.s[most - 1], C_BLANK):
                most -= 1
        t = part_of(&view, 0, most)
        pieces = collect(job, None, text, &t, &done)
    finally:
        free(view.copy)
    if pieces is None and most == n:
        return text
    rest = PyUnicode_Substring(text, done, most)
    if most < n:
        job.cut += 1
        rest = f"{rest}\n... {n - most} characters left out ..."
    return "".join(pieces or ()) + rest


cdef object without_far_middle(Scrubbing* job, object text):
    """A stack text of a length that is looked at: a quarter from its beginning, the rest from its end, whole lines."""
    cdef Py_ssize_t n = text_length(text)
    cdef Py_ssize_t most = min(<Py_ssize_t> LONGEST_SCRUBBED, max(job.left, 0))
    if n <= most:
        return text
    job.cut += 1
    head = PyUnicode_Substring(text, 0, most // 4).rpartition("\n")[0]
    tail = PyUnicode_Substring(text, n - most // 2, n).partition("\n")[2]
    return f"{head}\n... {n - len(head) - len(tail)} characters left out ...\n{tail}"


cdef object clean_stack(Scrubbing* job, object text):
    """A stack text without the secrets of its messages; in strict mode without messages, notes and source lines."""
    cdef View view
    cdef Lines lines
    cdef Text t
    cdef Find message
    cdef Py_ssize_t done = 0
    cdef list pieces = None
    text = without_far_middle(job, text)
    view_made(&view, text, LONGEST_SCRUBBED + LONGEST_TAIL)
    try:
        job.left -= view.n // FRAMES_SHARE
        lines_open(&lines, &view)
        while next_message(&lines, &message):
            job.left -= message.end - message.start
            t = part_of(&view, message.start, message.end)
            if job.strict:
                pieces = pieces or []
                put_frames(pieces, text, &view, done, message.start)
                pieces.append(type_line(text, &t))
                job.found += 1
                done = message.end
            else:
                pieces = collect(job, pieces, text, &t, &done)
    finally:
        free(view.copy)
    if pieces is None:
        return text
    return "".join(pieces) + PyUnicode_Substring(text, done, PyUnicode_GET_LENGTH(text))


cdef put_frames(list pieces, object text, const View* view, Py_ssize_t start, Py_ssize_t end):
    """The lines before a message that are no source."""
    cdef Text t = part_of(view, start, end)
    cdef Py_ssize_t at = start
    cdef Py_ssize_t after
    while at < end:
        after = min(line_end(&t, at) + 1, end)
        if kind_of_line(&t, at, after - 1) != LINE_CODE:
            pieces.append(PyUnicode_Substring(text, at, after))
        at = after


cdef str type_line(object text, const Text* t):
    """What strict mode leaves of a message: the type of the first exception line, behind the bars of a group."""
    cdef Py_ssize_t at = t.low
    cdef Py_ssize_t body, end
    while at < t.n:
        body = body_of(t, at, t.n)
        end = run_of(t, body, C_KEY)
        if end > body and (end == t.n or t.s[end] == c"\n" or stands(t, end, b": ", 2)):
            return f"{PyUnicode_Substring(text, at, end)}: {REDACTED}\n"
        at = line_end(t, at) + 1
    return f"{REDACTED}\n"


cdef object clean_description(Scrubbing* job, object text):
    if not PyUnicode_Check(text):
        return text
    if not job.strict:
        return clean_text(job, text)
    job.found += 1
    return None


cdef object clean_event(Scrubbing* job, object event, PyObject* bare):
    """The event, or a copy of it without its secrets."""
    cdef uint64_t before = job.found + job.cut
    cdef object name = event_name(event)
    if PyUnicode_Check(name):
        name = clean_text(job, name)
    own = event_attributes(event)
    if own is not None and <PyObject*> own == bare:
        own = {key: own[key] for key in own if not (type(key) is str and <str> key == "exception.stacktrace")}
    attributes = clean_items(job, own, 0)
    if job.found + job.cut == before:
        return event
    return readable.event_with(event, name, attributes)


cdef dict clean_items(Scrubbing* job, object attributes, int depth):
    cdef dict kept = {}
    for key, value in (attributes.items() if attributes is not None else ()):
        if depth == 0 and job.strict and type(key) is str and <str> key == "exception.message":
            job.found += 1
            continue
        kept[key] = clean_item(job, key, value, depth)
    return kept


cdef object clean_item(Scrubbing* job, object key, object value, int depth):
    """The value of an attribute, whose name may tell that it is secret."""
    if type(key) is str and depth == 0 and (<str> key).startswith("exception."):
        if <str> key == "exception.stacktrace" and PyUnicode_Check(value):
            return clean_stack(job, value)
        if <str> key == "exception.type" or <str> key == "exception.escaped":
            # The SDK asks any other value for its text when it takes the copy.
            return value if PyUnicode_Check(value) or PyBool_Check(value) else clean_value(job, value, depth)
    if PyUnicode_Check(key) and name_shows(key) and holds_text(value):
        job.found += 1
        return REDACTED
    return clean_value(job, value, depth)


cdef inline bint holds_text(object value) noexcept:
    """Whether a value can hold a secret: no flag, no emptiness, nothing that was taken out before."""
    return value is not None and value is not True and value is not False and not (
        PyUnicode_Check(value) and (text_length(value) == 0 or type(value) is str and <str> value == REDACTED)
    )


cdef bint name_shows(object key) noexcept:
    """Whether the name of an attribute says that its value is secret."""
    cdef View view
    cdef bint shows
    if not view_open(&view, key, LONGEST_SCRUBBED):
        return True
    shows = key_says(view.s, 0, view.n, True) != KEY_PLAIN
    free(view.copy)
    return shows


cdef object clean_value(Scrubbing* job, object value, int depth):
    """A value of an attribute without its secrets; what is no plain container or text stays or becomes its type."""
    if PyUnicode_Check(value):
        return clean_text(job, value)
    if PyBytes_Check(value) or PyByteArray_Check(value):
        text = bytes(value).decode("latin-1")
        cleaned = clean_text(job, text)
        return value if cleaned is text else cleaned.encode("latin-1", "replace")
    if value is None or PyLong_Check(value) or PyFloat_Check(value):
        return value
    if depth >= DEEPEST:
        return type_label(value)
    if not is_container(value):
        value = common_value(value)
        if PyUnicode_Check(value) or PyBytes_Check(value):
            return clean_value(job, value, depth)
    if PyDict_CheckExact(value):
        return clean_items(job, value, depth + 1)
    if is_container(value):
        return tuple([clean_value(job, item, depth + 1) for item in value])
    return value


cdef object common_value(object value):
    """What the encoder would make of a value of an uncommon type."""
    cdef Writer w
    cdef Encoder e
    w.size = w.room = 0
    w.cap = LONGEST_SCRUBBED
    e.w = &w
    e.cuts = &CUTS[0]
    e.repaired = 0
    return stand_in(&e, value, 0)


def scrub_text(str text, also=()):
    """A text without its secrets, and what of `scrub.ALSO` is asked for, and how many there were."""
    cdef Scrubbing job
    scrubbing_open(&job, False, also_bits(also), None)
    return clean_text(&job, text), job.found


def scrub_stack(str text, *, bint strict=False, also=()):
    """A stack text without the secrets in its messages and how many there were; `strict` leaves frames and types."""
    cdef Scrubbing job
    scrubbing_open(&job, strict, also_bits(also), None)
    return clean_stack(&job, text), job.found
