"""What the errors were: how many of each kind, from each source, of each class and code.

Every error is counted once in each of these, in memory of a fixed size: 28 KB and the texts of a hundred classes and a
hundred codes. Classes and codes have places in the order in which they are first met and keep them, since a count that
moved from one name to another would be a count that goes back; those that come after a hundred share one place.
"""

cimport cython
from cpython.dict cimport PyDict_GetItemWithError
from cpython.list cimport PyList_GET_ITEM
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

cdef enum:
    KINDS_COUNTED = 15
    FAULTS_COUNTED = 4
    SEVERITIES_COUNTED = 5
    RECOVERIES_COUNTED = 11
    SOURCES_COUNTED = 5
    AXES_COUNTED = 3300         # of the four axes together; a service has a few dozen of them
    NAMES_COUNTED = 100
    OTHER_NAME = 100            # places behind the names'
    NO_NAME = 101
    PLACES_OF_NAMES = 102
    LATELY = 16                 # a power of two

cdef str OTHER_LABEL = "_OTHER"     # of the semantic conventions, for error.type

assert (KINDS_COUNTED, FAULTS_COUNTED, SEVERITIES_COUNTED, RECOVERIES_COUNTED, SOURCES_COUNTED) == tuple(
    map(len, (KINDS, FAULTS, SEVERITIES, RECOVERIES, SOURCES))
)
assert AXES_COUNTED == KINDS_COUNTED * FAULTS_COUNTED * SEVERITIES_COUNTED * RECOVERIES_COUNTED


cdef struct ErrorCounts:
    uint64_t errors         # the sum of each of the arrays
    uint64_t[AXES_COUNTED] axes
    uint64_t[SOURCES_COUNTED] sources
    uint64_t[PLACES_OF_NAMES] types
    uint64_t[PLACES_OF_NAMES] codes


cdef inline int axes_place(ErrorFacts facts) noexcept:
    cdef int place = facts.kind_code * FAULTS_COUNTED + facts.fault_code
    return (place * SEVERITIES_COUNTED + facts.severity_code) * RECOVERIES_COUNTED + facts.recovery_code


cdef list axes_of(uint64_t* counts):
    """(kind, fault, severity, recovery, count) of what was met."""
    cdef int place, severity, fault
    cdef list met = []
    for place in range(AXES_COUNTED):
        if counts[place]:
            severity = place // RECOVERIES_COUNTED
            fault = severity // SEVERITIES_COUNTED
            met.append((
                KINDS[fault // FAULTS_COUNTED], FAULTS[fault % FAULTS_COUNTED],
                SEVERITIES[severity % SEVERITIES_COUNTED], RECOVERIES[place % RECOVERIES_COUNTED], counts[place],
            ))
    return met


cdef inline size_t lately_slot(str text) noexcept:
    return (<size_t> <PyObject*> text // sizeof(PyObject)) % LATELY


@cython.final
cdef class Names:
    """The places of the first hundred texts, and how each is told: short, and valid Unicode."""
    cdef dict places        # by the text as it was met
    cdef list told          # by place; what is told alike has one place
    # The name of a class and the text of a code are the same objects in every error: a look at the address spares 250
    # instructions of a look-up.
    cdef list lately        # texts, by their addresses
    cdef int[LATELY] theirs     # places of these

    def __cinit__(self):
        self.places = {}
        self.told = []
        self.lately = [None] * LATELY

    cdef inline int place_lately(self, str text) noexcept:
        """The place of a text that was met lately, or -1."""
        cdef size_t slot = lately_slot(text)
        return self.theirs[slot] if PyList_GET_ITEM(self.lately, slot) == <PyObject*> text else -1

    cdef int place_of(self, str text, Py_ssize_t longest, ErrorFacts facts) except -1:
        """`facts`: where the text stands for the class, which is told as error.type is; else None."""
        cdef size_t slot = lately_slot(text)
        cdef int place = self.find(text, longest, facts)
        if len(text) <= longest:    # a pair that is set without running Python code
            self.theirs[slot] = place
            self.lately[slot] = text
        return place

    cdef int find(self, str text, Py_ssize_t longest, ErrorFacts facts) except -1:
        cdef PyObject *found
        cdef str label
        if len(text) > longest:
            text = text[:longest]
        found = <PyObject*> PyDict_GetItemWithError(self.places, text)
        if found != NULL:
            return PyLong_AsLong(<object> found)
        if len(self.places) >= NAMES_COUNTED:
            return OTHER_NAME
        label = text if facts is None else (error_type(facts) or text)[:longest]
        # One lone surrogate would cost all metrics of the application.
        label = label.encode("utf-8", "replace").decode()
        if label not in self.told:
            self.told.append(label)
        place = self.told.index(label)
        self.places[text] = place
        return place

    cdef dict read(self, uint64_t* counts):
        """Counts by name, those after the first hundred as `_OTHER`, and where there is none, by an empty one."""
        cdef Py_ssize_t place
        cdef Py_ssize_t known = len(self.told)
        cdef dict by_name = {}
        for place in range(NAMES_COUNTED):
            if counts[place]:
                name = self.told[place] if place < known else OTHER_LABEL
                by_name[name] = by_name.get(name, 0) + counts[place]
        if counts[OTHER_NAME]:
            by_name[OTHER_LABEL] = by_name.get(OTHER_LABEL, 0) + counts[OTHER_NAME]
        if counts[NO_NAME]:
            by_name[""] = by_name.get("", 0) + counts[NO_NAME]
        return by_name
