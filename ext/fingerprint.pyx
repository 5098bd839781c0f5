"""Which errors are the same: the type chain and the innermost frame of the application, as a short hash.

An error like an earlier one costs the search for that frame and one look-up of the hash. Names, modules and hashing are
left to otel_errsample.fingerprint, once per code object and once per new error.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DATA, PyUnicode_KIND, PyUnicode_Substring

from otel_errsample import fingerprint, wording

cdef enum:
    GROUPED = 8         # leaves of a group that take part


@cython.final
cdef class Print:
    """A fingerprint as text and as number, and the frame it was made of."""
    cdef str text
    cdef uint64_t number
    cdef str culprit


cdef tuple group_types(list names):
    """The types of a group's members as they are told: in an order that timing does not change."""
    return tuple(sorted(set(names))[:GROUPED])


@cython.final
cdef class Fingerprints:
    """Makes and remembers fingerprints; `in_app_include` and `helper_frames` as for fingerprint.Frames."""
    cdef object frames      # otel_errsample.fingerprint.Frames
    cdef Places places
    cdef dict live_prints   # serials and codes as bytes -> Print
    cdef dict plain_prints  # (type, code or template, endpoint, peer) -> Print
    cdef dict stacks        # key of the digest of a stack text without its message -> StackNote
    cdef dict stack_prints  # (StackNote, code) -> Print
    cdef list known         # STACKS_KNOWN places for KnownStack, by samples of the text
    cdef StackNote partial  # of every text that is not whole
    cdef bint stack_hashes
    cdef object scrubber    # a Scrubber with the user's patterns, or None

    def __init__(self, in_app_include=(), helper_frames=(), stack_hashes=False, scrubber=None):
        self.stack_hashes = stack_hashes
        self.scrubber = scrubber
        self.frames = fingerprint.Frames(in_app_include, helper_frames)
        self.places = Places(self.frames)
        self.live_prints, self.plain_prints = {}, {}
        self.stacks, self.stack_prints = {}, {}
        self.known = [None] * STACKS_KNOWN
        self.partial = StackNote.__new__(StackNote)
        self.partial.blocks = []
        self.partial.culprits = []
        self.partial.partial = True

    cdef Print live(self, list links, str code):
        """The fingerprint of a live chain; None where the outermost exception has no frame.

        The outermost exception, what led to it directly and the root take part; `code` is that of the outermost
        where codes tell errors of its class apart.
        """
        cdef uint64_t serials[6]
        cdef Py_ssize_t count = min(<Py_ssize_t> len(links), 3)
        cdef Py_ssize_t slot
        cdef Link link
        cdef CodeNote note
        cdef Code own
        cdef str name
        cdef list names = []
        cdef list groups = None
        cdef str extra = code
        for slot in range(count):
            link = links[slot if slot < 2 else len(links) - 1]
            if link.info.group:
                groups = [None] * 3 if groups is None else groups
                groups[slot] = (
                    self.written_leaves(link.told.leaves) if link.exception is None
                    else self.live_leaves(link.exception)
                )
                extra = f"{extra}|{groups[slot]}"
            traceback = None if link.exception is None else owned(PyException_GetTraceback(link.exception))
            if link.told is not None:
                name = self.frames.own(link.told.frames, link.info.recursion)
            else:
                name = self.places.cycle(traceback) if link.info.recursion else None
            serials[2 * slot] = 2 * link.info.serial + (link.relation == "context")
            serials[2 * slot + 1] = 0
            if name is not None:
                extra = f"{extra}@{name}"
            else:
                note = self.places.innermost(traceback, slot == 0)
                if link.told is not None and (note is None or not note.flags & FRAME_IN_APP):
                    name = self.frames.innermost(link.told.frames)
                    extra = f"{extra}@{name}"
                elif note is not None:
                    name = note.name
                    serials[2 * slot + 1] = note.serial
            if slot == 0 and name is None:
                return None
            names.append(name)
            if slot and link.info.coded and link.exception is not None:
                own = own_code(link.exception, link.info)
                if own is not None:
                    names[slot] = f"{own.text}@{name}"
                    extra = f"{extra}#{own.text}"
        raw = PyBytes_FromStringAndSize(<char *> serials, 16 * count)
        key = raw if extra is None else (raw, extra)
        found = self.live_prints.get(key)
        if found is None:
            found = remember(self.live_prints, key, self.combine(links, code, names, groups))
        return found

    cdef str live_hash(self, list links):
        """The hash of the path to a live exception: of those that take part in a fingerprint, with more frames."""
        cdef list parts = []
        cdef list frames
        cdef Py_ssize_t slot
        cdef Link link
        cdef str name
        for slot in range(min(<Py_ssize_t> len(links), 3)):
            link = links[slot if slot < 2 else len(links) - 1]
            traceback = None if link.exception is None else owned(PyException_GetTraceback(link.exception))
            frames = self.places.walked(traceback)
            if link.told is not None:
                told = [self.frames.frame(filename, function) for filename, function, _ in link.told.frames[::-1]]
                frames = told + frames
            name = self.places.cycle(traceback) if link.info.recursion else None
            frames = fingerprint.nearest(frames) if name is None else [name]
            if not slot and not frames:
                return None
            parts += [link.relation, link.info.alias, *frames]
        return fingerprint.digest(parts)[0]

    cdef list live_leaves(self, object group):
        """What the leaves of a group add to a fingerprint: type and frame, in an order that timing does not change."""
        cdef set found = set()
        cdef CodeNote note
        cdef str name
        for exception in printed_leaves(group):
            traceback = owned(PyException_GetTraceback(exception))
            name = None
            if PyType_IsSubtype(<type> type(exception), <type> RecursionError):
                name = self.places.cycle(traceback)
            if name is None:
                note = self.places.innermost(traceback, False)
                name = "" if note is None else note.name
            found.add(f"{alias_of(full_name(type(exception)))}@{name}")
        return sorted(found)[:GROUPED]

    cdef list written_leaves(self, list leaves):
        """The same of what a stack text says."""
        cdef set found = set()
        for name, frames in leaves:
            found.add(f"{alias_of(name)}@{self.frames.innermost(frames, name == 'RecursionError') or ''}")
        return sorted(found)[:GROUPED]

    cdef Print combine(self, list links, str code, list names, list groups):
        """Hash relation, type and frame of the exceptions that take part, and the leaves of the groups among them.

        `code` belongs to the first.
        """
        cdef list parts = []
        cdef Py_ssize_t slot
        cdef Link link
        for slot in range(len(names)):
            link = links[slot if slot < 2 else len(links) - 1]
            parts += (link.relation, link.info.alias, names[slot] or "")
            if groups is not None and groups[slot] is not None:
                parts += groups[slot]
        if code is not None:
            parts[1] = f"{parts[1]}#{code}"
        return self.hashed(parts, names[0])

    cdef Print hashed(self, list parts, str culprit):
        cdef Print made = Print.__new__(Print)
        made.text, made.number = fingerprint.digest(parts)
        made.culprit = culprit
        return made

    cdef StackNote stack(self, Failure it, str text, str type_name, str message):
        """What a stack text says; parsed once for all the messages that a place raises with.

        Comparing a text of 2.2 kB with the one before takes 400 instructions, its digest and the look-up 1,500.
        """
        cdef Py_ssize_t above = above_message(text, type_name, message)
        cdef uint64_t slot
        if not 0 < above <= LONGEST_KNOWN:
            return self.noted(text, type_name, message, above)
        slot = sampled(text, above) ^ <uint64_t> hash(type_name)     # one line may raise what it was given
        it.known = known_as(self.known, slot, text)
        if it.known is None or it.known.above != above or it.known.note.type_name != type_name:
            it.known = KnownStack.__new__(KnownStack)
            it.known.text, it.known.above = beginning_of(text, above), above
            it.known.note = self.noted(text, type_name, message, above)
            keep_known(self.known, it.known, slot)
        return it.known.note

    cdef StackNote noted(self, str text, str type_name, str message, Py_ssize_t length):
        """What a stack text says; `length` of it stand above the message, less than 0 where that has to be found."""
        cdef StackNote note
        cdef Digest digest
        cdef PyObject *found
        cdef str body = text
        cdef str below = ""
        if length < 0:
            if len(text) > LONGEST_SEARCHED:
                return self.partial
            body = stacktext.above_message(text, type_name, message)
            if body is None:
                return self.partial
            length = len(body)
            if stacktext.is_group(text, body):
                below = text[length:]
                body = text
                length = len(text)
        digest = digest_of(<const char *> PyUnicode_DATA(body), length * PyUnicode_KIND(body))
        key = digest.key
        found = find_quietly(self.stacks, key)
        if found != NULL:
            note = <StackNote> found
            if note.check == digest.check and note.length == length and note.type_name == type_name:
                return note
        note = StackNote.__new__(StackNote)
        note.check, note.length, note.type_name = digest.check, length, type_name
        blocks = stacktext.parse_stack(PyUnicode_Substring(body, 0, length - len(below)), type_name, below, message)
        note.blocks = [(block.relation, block.type, self.caught_in(block.frames)) for block in blocks]
        telling = [block for at, block in enumerate(blocks) if at < 2 or at == len(blocks) - 1]
        note.culprits = [self.frames.innermost(block.frames, block.type == "RecursionError") for block in telling]
        note.groups = [self.written_leaves(block.leaves) if block.leaves else None for block in telling]
        if blocks[0].leaves:
            note.group_size = len(blocks[0].leaves) + blocks[0].left_out
            note.members = tuple([leaf.type for leaf in blocks[0].leaves])
            note.group_types = group_types(list(note.members))
        if self.stack_hashes and note.culprits[0] is not None:
            note.stack_hash = self.written_hash(telling)
        return remember(self.stacks, key, note)

    cdef str written_hash(self, list telling):
        """The hash of the path of what a stack text says."""
        cdef list parts = []
        for block in telling:
            named = self.frames.path(block.frames, block.type == "RecursionError")
            parts += [block.relation, alias_of(block.type or "<unknown>"), *named]
        return fingerprint.digest(parts)[0]

    cdef str caught_in(self, list frames):
        """The frame in which a traceback that is printed ends; None for one without frames."""
        return self.frames.frame(frames[0][0], frames[0][1])[0] if frames else None

    cdef Print parsed(self, StackNote note, list links, str code):
        """The fingerprint of a stack text; None where its outermost exception has no frame."""
        if note.partial or note.culprits[0] is None:
            return None
        if code is None:
            if note.uncoded is None:
                note.uncoded = self.combine(links, code, note.culprits, note.groups)
            return note.uncoded
        key = (note, code)
        found = self.stack_prints.get(key)
        if found is None:
            found = remember(self.stack_prints, key, self.combine(links, code, note.culprits, note.groups))
        return found

    cdef Print plain(self, str alias, str code, str message, str endpoint, str peer):
        """The fingerprint where there is no frame: by code, else by message, and by endpoint, and on a client by peer.

        A client's span is called GET whomever it calls.
        """
        cdef str label = wording.template(without_secrets(message, self.scrubber)) if code is None else code
        if endpoint is not None:
            endpoint = endpoint[:LONGEST_ENDPOINT]
        if peer is not None:
            peer = peer[:LONGEST_ENDPOINT]
        cdef object key = (alias, label, endpoint, peer)
        cdef object found = self.plain_prints.get(key)
        if found is None:
            parts = [alias, label, endpoint or ""]
            if peer is not None:
                parts.append(wording.peer_template(peer))
            found = remember(self.plain_prints, key, self.hashed(parts, None))
        return found
