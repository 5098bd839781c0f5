"""Secrets do not leave the process: messages, the message lines of stacks, notes, descriptions, events, span names.

The encoder shows every such text to `Scrubber` on its way to the wire. A span in which nothing looks like a secret
costs the look. Another is not written: its cleaned copy is, which a user's exporter receives too. Whatever reaches the
wire was looked at whole or was cleaned, so that no later cut can take the name from a secret and leave the rest.
"""

cimport cython
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_Check, PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND
from libc.stdint cimport uint64_t
from libc.stdlib cimport free
from libc.string cimport memcmp

cdef enum:
    SECRETS = -2                # of `encode_span`: nothing was written, the span has to be cleaned

cdef enum:
    SCRUB_OFF
    SCRUB_DEFAULT
    SCRUB_STRICT


# Answers are "is clean", so that what fails (no memory for the characters, say) answers no and the span is cleaned.


@cython.final
cdef class Scrubber:
    """Looks for secrets in what is about to leave, and takes them out.

    `mode` is one of `scrub.MODES`, `also` holds some of `scrub.ALSO`; in strict mode numbers of cards go in any case.
    `patterns`, of type `patterns.Patterns` or None, may fail, which is counted in `ledger`.
    """
    cdef int mode
    cdef int also               # what is taken out besides secrets
    cdef object patterns        # of the user, or None
    cdef Ledger ledger
    cdef list known             # STACKS_KNOWN places for KnownStack, by fingerprint and samples of the text
    cdef object clean_name      # the last span name without secrets: they repeat themselves

    def __cinit__(self, str mode, also=(), patterns=None, Ledger ledger=None):
        self.mode = scrub.MODES.index(mode)
        self.also = also_bits(also) | (ALSO_CARD_NUMBERS if self.mode == SCRUB_STRICT else 0)
        self.patterns = patterns
        self.ledger = ledger
        self.known = [None] * STACKS_KNOWN

    cdef inline bint part_is_clean(
        self, object text, const View* view, Py_ssize_t start, Py_ssize_t end, Py_ssize_t stop
    ) noexcept:
        cdef Text t = part_of(view, start, end)
        cdef Find f
        return not (
            next_secret(&t, start, stop, &f)
            or self.also and next_also(&t, start, stop, self.also, &f)
            or self.patterns is not None and pattern_occurs(self, text, &t)
        )

    cdef bint text_is_clean(self, object text, Py_ssize_t stop) noexcept:
        """Whether nothing that is to go shows itself before `stop`; a text that is too long to tell is not clean."""
        cdef View view
        cdef bint clean
        if text_length(text) > LONGEST_SCRUBBED <= stop:
            return False
        if not view_open(&view, text, LONGEST_SCRUBBED):
            return False
        clean = self.part_is_clean(text, &view, 0, view.n, min(stop, view.n))
        free(view.copy)
        return clean

    cdef bint bytes_are_clean(self, object value) noexcept:
        try:
            return self.text_is_clean(bytes(value[:LONGEST_SCRUBBED + 1]).decode("latin-1"), LONGEST_SCRUBBED)
        except BaseException:
            pass
        return False

    cdef bint stack_is_clean(self, Encoder* e, object text) noexcept:
        """Whether no message line holds a secret; opens a gap for what the text has in common with other errors."""
        cdef PyObject* message = e.message if e.message_clean else NULL
        cdef KnownStack known = None if e.stack != <PyObject*> text else <KnownStack> e.known
        cdef Py_ssize_t n = text_length(text)
        cdef Py_ssize_t rest = n - (0 if message is NULL else PyUnicode_GET_LENGTH(<object> message))
        cdef CommonText common
        cdef uint64_t slot
        cdef View view
        cdef bint clean
        if n > LONGEST_SCRUBBED or not errsample_ready(text):
            return False
        e.scrubbed += n // FRAMES_SHARE
        if known is None:
            slot = e.place + sampled(text, rest - 1)     # without the message and the end of its line
            known = known_as(self.known, slot, text)
            if known is None:
                return self.new_stack_is_clean(text, slot, None, &e.scrubbed)
        elif not known.clean:
            return self.new_stack_is_clean(text, 0, known, &e.scrubbed)
        common = common_of(known)
        if common is not None:
            open_gap(&e.w.gap, common)
        if rest == known.clean + 1 and n > rest and stands_in(text, known.clean, message):
            return True
        if not view_open(&view, text, LONGEST_SCRUBBED):
            return False
        e.scrubbed += n - known.clean
        clean = self.part_is_clean(text, &view, known.clean, n, n)
        free(view.copy)
        return clean

    cdef bint new_stack_is_clean(self, object text, uint64_t slot, KnownStack known, Py_ssize_t* looked) noexcept:
        cdef View view
        cdef Lines lines
        cdef Text t
        cdef Find message
        cdef Py_ssize_t last = -1
        cdef bint clean = True
        if not view_open(&view, text, LONGEST_SCRUBBED):
            return False
        lines_open(&lines, &view)
        while clean and next_message(&lines, &message):
            last = message.start
            looked[0] += message.end - last
            clean = self.part_is_clean(text, &view, last, message.end, message.end)
        if clean and last > 0 and view.n <= LONGEST_KNOWN and type(text) is str:
            t = part_of(&view, last, view.n)
            # A pattern may want the type too.
            self.remember(text, last, last + (inert_head(&t) if self.patterns is None else 0), slot, known)
        free(view.copy)
        return clean

    cdef void remember(self, object text, Py_ssize_t above, Py_ssize_t clean, uint64_t slot, KnownStack known) noexcept:
        if known is not None:
            if known.above == above:
                known.clean = clean
            return
        try:
            known = KnownStack.__new__(KnownStack)
            known.text = beginning_of(text, above)
            known.above, known.clean = above, clean
            keep_known(self.known, known, slot)
        except BaseException:
            pass    # no memory: it is looked at again next time

    cdef object clean(self, object span, object events, object status, PyObject* bare, Scrubbing* job):
        """A copy of the span without its secrets, or the span itself where it has none.

        `bare` are the attributes of the event of which the stack text is not written; its copy has none.
        """
        cdef object name = span_name(span)
        cdef object attributes = None
        cdef object description = None
        cdef list cleaned = None
        cdef uint64_t before
        scrubbing_open(job, self.mode == SCRUB_STRICT, self.also, self)
        if PyUnicode_Check(name):
            name = clean_text(job, name)
        if status is not None:
            description = clean_description(job, status_description(status))
        if events is not None:
            cleaned = [clean_event(job, event, bare) for event in events]
        if job.strict:
            before = job.found + job.cut
            attributes = clean_items(job, span_attributes(span), 0)
            attributes = attributes if job.found + job.cut > before else None
        if not job.found and not job.cut:
            return span
        return readable.replaced(span, name, attributes, cleaned, description)

    cdef object message(self, object text):
        """A message as callbacks may have it; None in strict mode."""
        cdef Scrubbing job
        if self.mode == SCRUB_OFF or text is None:
            return text
        if self.mode == SCRUB_STRICT:
            return None
        scrubbing_open(&job, False, self.also, self)
        return clean_text(&job, text)

    cdef uint64_t clean_added(self, dict extra, Py_ssize_t before) except? 0xFFFFFFFF:
        """Clean the entries of `extra` behind the first `before`; answers how many secrets they held."""
        cdef Scrubbing job
        scrubbing_open(&job, self.mode == SCRUB_STRICT, self.also, self)
        if self.mode != SCRUB_OFF:
            for key in list(extra)[before:]:
                extra[key] = clean_item(&job, key, extra[key], 0)
        return job.found


cdef inline bint stands_in(object text, Py_ssize_t at, PyObject* part) noexcept:
    """Whether a text goes on with another at `at`; False for one of another width. Both are long enough and ready."""
    cdef int kind = PyUnicode_KIND(text)
    return PyUnicode_KIND(<object> part) == kind and memcmp(
        <const char*> PyUnicode_DATA(text) + at * kind, PyUnicode_DATA(<object> part),
        PyUnicode_GET_LENGTH(<object> part) * kind
    ) == 0


cdef Py_ssize_t inert_head(const Text* t) noexcept nogil:
    """The length of `Type: ` where no message behind it can make a secret of it, else 0."""
    cdef Py_ssize_t end = run_of(t, t.low, C_KEY)
    if not stands(t, end, b": ", 2) or key_says(t.s, t.low, end, True) != KEY_PLAIN:
        return 0
    return end + 2 - t.low


cdef dict note_scrubbed(Ledger ledger, dict extra, object attributes, uint64_t found):
    """The extra attributes with the number of secrets that were taken out; `extra` itself may be shared."""
    cdef dict noted
    if not found:
        return extra
    ledger.scrubbed += found
    if attributes is not None and "errsample.scrubbed" in attributes:
        return extra
    noted = dict(extra or ())
    if len(noted) >= MOST_ATTRIBUTES:
        noted.pop("errsample.chain", None)
    earlier = noted.get("errsample.scrubbed")       # by a user's callback it may be anything
    noted["errsample.scrubbed"] = found + (earlier if PyLong_CheckExact(earlier) else 0)
    return noted


cdef str without_secrets(str message, object scrubber):
    """A message as it may be hashed: not even the hash of a secret, or of what a pattern matches, leaves."""
    cdef Scrubbing job
    scrubbing_open(&job, False, 0, <Scrubber> scrubber)
    return clean_text(&job, PyUnicode_Substring(message or "", 0, LONGEST_TEXT))


# What the encoder asks, while `Encoder.scrubber` is set.


cdef inline void expect(Encoder* e, bint clean) noexcept:
    if not clean:
        e.secret = True
        e.w.overflow = True     # nothing more is written


cdef void watch_text(Encoder* e, object text) noexcept:
    expect(e, not PyUnicode_Check(text) or (<Scrubber> e.scrubber).text_is_clean(text, LONGEST_SCRUBBED))


cdef void watch_value(Encoder* e, object value) noexcept:
    """A value in an event, but for the items of containers, which come by themselves."""
    if PyUnicode_Check(value):
        e.scrubbed += text_length(value)
        expect(e, e.scrubbed <= MOST_SCRUBBED and (<Scrubber> e.scrubber).text_is_clean(value, LONGEST_SCRUBBED))
    elif PyBytes_Check(value) or PyByteArray_Check(value):
        expect(e, (<Scrubber> e.scrubber).bytes_are_clean(value))


cdef void watch_attribute(Encoder* e, object key, const Utf8* k, object value) noexcept:
    """An attribute of an event, by its name where that is one of the semantic conventions'."""
    cdef const char* name = <const char*> k.data
    if k.kind == 0 and k.size >= 14 and memcmp(name, b"exception.", 10) == 0:
        if k.size == 20 and memcmp(name + 10, b"stacktrace", 10) == 0 and PyUnicode_Check(value):
            if e.stack_elsewhere:
                return
            expect(e, (<Scrubber> e.scrubber).stack_is_clean(e, value) and e.scrubbed <= MOST_SCRUBBED)
            return
        if k.size == 17 and memcmp(name + 10, b"message", 7) == 0:
            if not PyUnicode_Check(value):
                watch_value(e, value)
                return
            e.scrubbed += min(text_length(value), <Py_ssize_t> (e.cuts.message + FAR_BACK))
            # What is not written need not be clean, but for the `@` that tells of a password before it.
            expect(e, e.scrubbed <= MOST_SCRUBBED and (<Scrubber> e.scrubber).text_is_clean(
                value, e.cuts.message + FAR_BACK
            ))
            e.message_clean |= (
                <PyObject*> value == e.message and not e.secret
                and <size_t> PyUnicode_GET_LENGTH(value) <= e.cuts.message
            )
            return
        if k.size == 14 and memcmp(name + 10, b"type", 4) == 0:
            return
        if k.size == 17 and memcmp(name + 10, b"escaped", 7) == 0:
            return
    expect(e, not name_shows(key) or not holds_text(value))
    watch_value(e, value)


cdef void watch_description(Encoder* e, object text) noexcept:
    """A status description: the SDK writes `Type: message`, of which the message was looked at before."""
    cdef Py_ssize_t rest = 0
    if not PyUnicode_Check(text):
        return
    if e.message_clean:
        rest = text_length(text) - PyUnicode_GET_LENGTH(<object> e.message)
        rest = rest if rest > 0 and errsample_ready(text) and stands_in(text, rest, e.message) else 0
    expect(e, (<Scrubber> e.scrubber).text_is_clean(text, rest or <Py_ssize_t> (e.cuts.description + FAR_BACK)))


cdef void watch_name(Encoder* e, object name) noexcept:
    cdef Scrubber scrubber = <Scrubber> e.scrubber
    if name is not scrubber.clean_name:
        watch_text(e, name)
        if not e.secret:
            scrubber.clean_name = name
