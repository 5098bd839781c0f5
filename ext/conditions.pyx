"""Whether the condition of a rule holds for a span: a walk over flat tests, each with two places to go on at.

No stack and no memory is needed for the walk itself. A value is fetched from the span when the first test asks for it
and kept for the others. Values take part only with exactly the types str, int, float and bool, so that no code of the
application runs.

What a span can cost is bounded: text operators that look inside a value see its first 4096 characters and count their
steps; when those of a span are spent, its further looks inside find nothing. The other tests take a few ns each, and a
rule set has at most 8000.
"""

cimport cython
from cpython.bool cimport PyBool_Check
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.dict cimport PyDict_GetItemWithError, PyDict_Size
from cpython.float cimport PyFloat_CheckExact
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact, PyLong_FromVoidPtr
from cpython.object cimport (
    Py_EQ, Py_GE, Py_GT, Py_LE, Py_LT, Py_NE, PyObject, PyObject_RichCompareBool,
)
from cpython.ref cimport Py_INCREF
from cpython.set cimport PySet_Contains
from cpython.tuple cimport PyTuple_GET_ITEM
from cpython.unicode cimport (
    PyUnicode_CheckExact, PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_KIND, PyUnicode_READ,
    PyUnicode_Substring, PyUnicode_Tailmatch,
)
from libc.stdint cimport int8_t, int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
import sys

from otel_errsample.rules.classes import Targets

cdef extern from "Python.h":
    Py_ssize_t PyUnicode_FindChar(object text, Py_UCS4 wanted, Py_ssize_t start, Py_ssize_t end, int direction)

cdef enum:
    SEEN_CHARACTERS = 4096
    SEARCH_STEPS = 1000         # of RE2, which does not tell: 2 us, and 8 ns a character
    SEARCH_STEPS_EACH = 4
    LONGEST_CONSTANT = 256      # lexer.MAX_STRING; a longer value is in no set, and need not be hashed to know
    REMEMBERED_CLASSES = 256
    LONGEST_CLASS_NAME = 300    # classes.resolve refuses longer ones
    FINAL = -1

cdef enum:                      # what a test does
    TEST_COMPARE, TEST_IN, TEST_NOT_IN, TEST_EXISTS
    TEST_CONTAINS, TEST_STARTSWITH, TEST_ENDSWITH, TEST_LIKE, TEST_MATCHES
    TEST_CHOICE, TEST_ERROR, TEST_ROOT, TEST_SAMPLED, TEST_EXCEPTION_IS, TEST_CAUSE_IS

cdef enum:                      # types of constants
    TYPE_NONE, TYPE_TEXT, TYPE_NUMBER, TYPE_BOOL

cdef dict RULE_TESTS = {
    "in": TEST_IN, "not in": TEST_NOT_IN, "exists": TEST_EXISTS, "contains": TEST_CONTAINS,
    "startswith": TEST_STARTSWITH, "endswith": TEST_ENDSWITH, "like": TEST_LIKE, "matches": TEST_MATCHES,
    "error": TEST_ERROR, "root": TEST_ROOT, "sampled": TEST_SAMPLED,
    "exception is": TEST_EXCEPTION_IS, "cause is": TEST_CAUSE_IS,
}
cdef dict RULE_COMPARISONS = {"==": Py_EQ, "!=": Py_NE, "<": Py_LT, "<=": Py_LE, ">": Py_GT, ">=": Py_GE}
cdef dict RULE_CHOICES = {
    "kind": CHOICE_KIND, "fault": CHOICE_FAULT, "severity": CHOICE_SEVERITY, "recovery": CHOICE_RECOVERY,
    "span.kind": CHOICE_SPAN_KIND,
}
cdef dict IMPORTED = sys.modules


cdef struct TestNode:
    uint8_t test
    uint8_t type            # of the constant
    int8_t comparison       # Py_EQ .. for TEST_COMPARE
    uint8_t choice          # which fact, for TEST_CHOICE
    int32_t operand
    uint32_t number         # mask of choices, or index of a class
    int32_t yes
    int32_t no
    PyObject* constant      # kept alive by Conditions.table


cdef bint glob_covers(str pattern, str text, Py_ssize_t length, int* work) noexcept:
    """Whether a pattern of `*` (any run), `?` (any one) and characters (after a backslash: as they are) covers a text.

    Only the last `*` is ever returned to, so the time is linear in the text for a given pattern: at most pattern times
    text steps, each of which is taken from `work`; without any left the answer is no.
    """
    cdef int pattern_kind = PyUnicode_KIND(pattern), text_kind = PyUnicode_KIND(text)
    cdef void* pattern_data = PyUnicode_DATA(pattern)
    cdef void* text_data = PyUnicode_DATA(text)
    cdef Py_ssize_t end = PyUnicode_GET_LENGTH(pattern)
    cdef Py_ssize_t here = 0, at = 0, star = -1, resume = 0
    cdef Py_UCS4 wanted
    cdef bint literal
    while at < length:
        work[0] -= 1
        if work[0] < 0:
            return False
        wanted = PyUnicode_READ(pattern_kind, pattern_data, here) if here < end else 0
        literal = wanted == u"\\" and here + 1 < end
        if literal:
            wanted = PyUnicode_READ(pattern_kind, pattern_data, here + 1)
        if here < end and wanted == u"*" and not literal:
            here += 1
            star = here
            resume = at
        elif here < end and (
            (wanted == u"?" and not literal) or wanted == PyUnicode_READ(text_kind, text_data, at)
        ):
            here += 2 if literal else 1
            at += 1
        elif star >= 0:
            resume += 1
            at = resume
            here = star
        else:
            return False
    while here < end and PyUnicode_READ(pattern_kind, pattern_data, here) == u"*":
        here += 1
    return here == end


cdef bint glob_covers_text(str pattern, str text) noexcept:
    """The same for a text outside rules, with steps of its own."""
    cdef int work = WORK_A_SPAN
    return glob_covers(pattern, text, min(len(text), <Py_ssize_t> SEEN_CHARACTERS), &work)


cdef bint text_holds(str wanted, str text, Py_ssize_t length, int* work) noexcept:
    """Whether a text occurs among the first `length` characters of another.

    As PyUnicode_Find, which does not tell its steps: 4096 times 100 are possible. Here a character that is compared
    is a step, and so are 64 that are passed over at once; without any left the answer is no.
    """
    cdef int wanted_kind = PyUnicode_KIND(wanted), text_kind = PyUnicode_KIND(text)
    cdef void* wanted_data = PyUnicode_DATA(wanted)
    cdef void* text_data = PyUnicode_DATA(text)
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH(wanted)
    cdef Py_ssize_t at = 0, found, same
    cdef Py_UCS4 first
    if size == 0:
        return True
    first = PyUnicode_READ(wanted_kind, wanted_data, 0)
    while work[0] >= 0 and at + size <= length:
        found = PyUnicode_FindChar(text, first, at, length - size + 1, 1)
        work[0] -= 4 + <int> ((length if found < 0 else found) - at) // 64
        if found < 0:
            return False
        same = 1
        while same < size and PyUnicode_READ(text_kind, text_data, found + same) == PyUnicode_READ(
            wanted_kind, wanted_data, same
        ):
            same += 1
        work[0] -= <int> same
        if same == size:
            return work[0] >= 0
        at = found + 1
    return False


@cython.final
cdef class Conditions:
    """The tests of a rule set, ready to be walked."""
    cdef object table           # keeps the constants alive
    cdef tuple operands         # (source code, names)
    cdef object targets         # rules.classes.Targets
    cdef dict rows              # id of a class, or a class name -> (row, imported modules then or FINAL, the class)
    cdef TestNode* nodes

    def __cinit__(self, table):
        cdef Py_ssize_t place
        cdef TestNode* node
        self.table = table
        self.operands = tuple([(RULE_OPERANDS[source], names) for source, names in table.operands])
        self.targets = Targets(table.targets)
        self.rows = {}
        self.nodes = <TestNode*> calloc(len(table.nodes) + 1, sizeof(TestNode))
        if self.nodes == NULL:
            raise MemoryError
        for place, (op, operand, constant, yes, no) in enumerate(table.nodes):
            node = &self.nodes[place]
            node.operand = operand
            node.yes = yes
            node.no = no
            node.constant = <PyObject*> constant
            if op in RULE_CHOICES:
                node.test = TEST_CHOICE
                node.choice = RULE_CHOICES[op]
                node.number = constant
            elif op in RULE_COMPARISONS:
                node.test = TEST_COMPARE
                node.comparison = RULE_COMPARISONS[op]
                node.type = value_type(constant)
            else:
                node.test = RULE_TESTS[op]
                if node.test in (TEST_IN, TEST_NOT_IN):
                    node.type = value_type(next(iter(constant)))
                elif node.test in (TEST_EXCEPTION_IS, TEST_CAUSE_IS):
                    node.number = constant

    def __dealloc__(self):
        free(self.nodes)

    cdef object fetch(self, Look* look, int operand):
        """The value of an operand, None where it is missing."""
        cdef object value
        cdef bint remembered = operand < REMEMBERED_VALUES
        cdef int word = (operand >> 6) & 1
        cdef uint64_t bit = <uint64_t> 1 << (operand & 63)
        if remembered and look.fetched[word] & bit:
            return <object> look.values[operand]
        value = read_operand(look, <tuple> PyTuple_GET_ITEM(self.operands, operand))
        # Reading may run code (a property of a foreign span), which may in turn end a span: but that one has its own
        # Look, so nothing was fetched here meanwhile.
        if remembered:
            Py_INCREF(value)
            look.values[operand] = <PyObject*> value
            look.fetched[word] |= bit
        return value

    cdef bytes row(self, object cls, object name):
        """Which targets a class passes (or the class of that name), one byte each; None where nothing is known."""
        cdef object key
        cdef PyObject* known
        cdef Py_ssize_t imported = PyDict_Size(IMPORTED)
        if cls is not None:
            # By address, since hashing a class may run its metaclass; the entry keeps the class, hence its address.
            key = PyLong_FromVoidPtr(<void*> cls)
        elif PyUnicode_CheckExact(name) and PyUnicode_GET_LENGTH(name) <= LONGEST_CLASS_NAME:
            key = name
        else:
            return None
        known = PyDict_GetItemWithError(self.rows, key)
        if known != NULL:
            entry = <tuple> known
            if <Py_ssize_t> entry[1] == FINAL or <Py_ssize_t> entry[1] == imported:
                return <bytes> entry[0]
        row, final = self.targets.row(cls, name if cls is None else None)
        if len(self.rows) >= REMEMBERED_CLASSES:
            self.rows = {}
        self.rows[key] = (row, FINAL if final else imported, cls)
        return row

    cdef PyObject* rows_of(self, object cls, object name, object leaves) except? NULL:
        """What an exception and the leaves of its group pass; a new reference."""
        cdef bytes row = self.row(cls, name)
        for leaf in leaves or ():
            row = passing_either(row, self.row(leaf, None))
        Py_INCREF(row)
        return <PyObject*> row

    cdef bint exception_is(self, Look* look, uint32_t target) except -1:
        cdef ErrorFacts facts = <ErrorFacts> look.facts
        if look.exception_row == NULL:
            look.exception_row = self.rows_of(facts.exception_class, facts.exception, facts.leaf_classes)
        return row_passes(look.exception_row, target)

    cdef bint cause_is(self, Look* look, uint32_t target) except -1:
        cdef ErrorFacts facts = <ErrorFacts> look.facts
        if look.cause_row == NULL:
            look.cause_row = self.rows_of(facts.cause_class, facts.cause, facts.cause_leaf_classes)
        return row_passes(look.cause_row, target)

    cdef bint hold(self, int entry, Look* look) except -1:
        """Whether the condition that begins at `entry` holds."""
        cdef TestNode* node
        cdef bint passed
        cdef int test
        while entry >= 0:
            node = &self.nodes[entry]
            test = node.test
            if test == TEST_CHOICE:
                if look.choices[node.choice] < 0:
                    look.choices[node.choice] = span_kind_code(<object> look.span)
                passed = (node.number >> look.choices[node.choice]) & 1
            elif test == TEST_ERROR:
                passed = look.error
            elif test == TEST_SAMPLED:
                passed = look.sampled
            elif test == TEST_ROOT:
                passed = span_parent(<object> look.span) is None
            elif test == TEST_EXCEPTION_IS:
                passed = self.exception_is(look, node.number)
            elif test == TEST_CAUSE_IS:
                passed = self.cause_is(look, node.number)
            else:
                passed = value_passes(node, self.fetch(look, node.operand), &look.work)
            entry = node.yes if passed else node.no
        return entry == -1      # table.MATCH


cdef inline bint row_passes(PyObject* row, uint32_t target) noexcept:
    return row != <PyObject*> None and PyBytes_AS_STRING(<object> row)[target] != 0


cdef bytes passing_either(bytes one, bytes other):
    """The targets that one of two classes passes; None where nothing is known of them."""
    cdef Py_ssize_t target
    if one is None or other is None:
        return other if one is None else one
    return bytes([one[target] | other[target] for target in range(len(one))])


cdef int value_type(object value) noexcept:
    if PyUnicode_CheckExact(value):
        return TYPE_TEXT
    if PyLong_CheckExact(value) or PyFloat_CheckExact(value):
        return TYPE_NUMBER
    return TYPE_BOOL if PyBool_Check(value) else TYPE_NONE


cdef bint is_wide(object value) noexcept:
    """Whether hashing the value would take longer than any constant could be worth: long text, more than 64 bits."""
    cdef int overflow = 0
    if PyUnicode_CheckExact(value):
        return PyUnicode_GET_LENGTH(value) > LONGEST_CONSTANT
    if PyLong_CheckExact(value):
        PyLong_AsLongLongAndOverflow(value, &overflow)
    return overflow != 0


cdef bint value_passes(TestNode* node, object value, int* work) except -1:
    cdef int test = node.test
    cdef object constant = <object> node.constant
    cdef Py_ssize_t seen
    if value is None:
        return False
    if test == TEST_EXISTS:
        return True
    if PyUnicode_CheckExact(value) and not errsample_ready(value):
        return False
    if test == TEST_COMPARE:
        if value_type(value) != node.type:
            return False
        # Most texts that differ do in length: half of what a comparison costs.
        if node.type == TYPE_TEXT and (node.comparison == Py_EQ or node.comparison == Py_NE) and (
            PyUnicode_GET_LENGTH(value) != PyUnicode_GET_LENGTH(constant)
        ):
            return node.comparison == Py_NE
        return PyObject_RichCompareBool(value, constant, node.comparison)
    if test == TEST_IN or test == TEST_NOT_IN:
        if value_type(value) != node.type:
            return False
        return (test == TEST_IN) == (not is_wide(value) and PySet_Contains(constant, value))
    if not PyUnicode_CheckExact(value):
        return False
    # What a beginning or an end costs is bounded by the constant, so these two see the whole value.
    if test == TEST_STARTSWITH:
        return PyUnicode_Tailmatch(value, constant, 0, PyUnicode_GET_LENGTH(value), -1)
    if test == TEST_ENDSWITH:
        return PyUnicode_Tailmatch(value, constant, 0, PyUnicode_GET_LENGTH(value), 1)
    if work[0] < 0:
        return False
    seen = min(PyUnicode_GET_LENGTH(value), <Py_ssize_t> SEEN_CHARACTERS)
    if test == TEST_CONTAINS:
        return text_holds(constant, value, seen, work)
    if test == TEST_LIKE:
        return glob_covers(constant, value, seen, work)
    work[0] -= SEARCH_STEPS + SEARCH_STEPS_EACH * <int> seen
    try:
        return constant(PyUnicode_Substring(value, 0, SEEN_CHARACTERS)) is not None
    except Exception:
        pass    # RE2 works on UTF-8 and refuses lone surrogates
    return False
