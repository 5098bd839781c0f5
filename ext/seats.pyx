"""Where an instance keeps the values of its attributes, so that one is read without looking for its name.

Python 3.11 to 3.13 put them into an array, at places that all instances of a class share and that never move. A value
read from its place costs 10 instructions, by PyObject_GenericGetAttr 200, and a kept error span has 40 of them. The
places are found by looking at an instance whose values are known; where there is none, or an instance has got a
dictionary of its own, the value is read by its name as ever. Entered under the GIL; runs no Python code.
"""

from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_TYPE

cdef extern from *:
    """
    /* Internal headers pycore_dict.h and pycore_object.h: the same in all releases of one minor version. */
    #if CYTHON_COMPILING_IN_CPYTHON && !defined(Py_GIL_DISABLED) && PY_VERSION_HEX >= 0x030B0000 \\
        && PY_VERSION_HEX < 0x030E0000
    #define ERRSAMPLE_SEATS 1
    #else
    #define ERRSAMPLE_SEATS 0
    #endif
    #ifndef Py_TPFLAGS_MANAGED_DICT
    #define Py_TPFLAGS_MANAGED_DICT 0
    #endif

    /* The values of an instance and how many there are, NULL where they are in a dictionary. */
    static inline PyObject** errsample_values(PyObject* owner, int* count) {
    #if !ERRSAMPLE_SEATS
        return NULL;
    #elif PY_VERSION_HEX >= 0x030D0000
        /* A PyDictValues behind the object: capacity, size, embedded, valid, then the values. */
        uint8_t* head = (uint8_t*) owner + sizeof(PyObject);
        *count = head[1];
        return head[3] ? (PyObject**) (head + sizeof(PyObject*)) : NULL;
    #else
    #if PY_VERSION_HEX >= 0x030C0000
        uintptr_t tagged = ((uintptr_t*) owner)[-3];
        PyObject** values = (tagged & 1) ? (PyObject**) (tagged + 1) : NULL;
    #else
        PyObject** values = ((PyObject***) owner)[-4];
    #endif
        if (values != NULL) *count = ((uint8_t*) values)[-2];
        return values;
    #endif
    }

    /* Whether the instances of a class may have such an array. */
    static inline int errsample_has_seats(PyTypeObject* type) {
    #if ERRSAMPLE_SEATS && PY_VERSION_HEX >= 0x030D0000
        return (type->tp_flags & Py_TPFLAGS_INLINE_VALUES) && type->tp_basicsize == sizeof(PyObject);
    #else
        return ERRSAMPLE_SEATS && (type->tp_flags & Py_TPFLAGS_MANAGED_DICT);
    #endif
    }

    /* The place of a value among those of its instance, -1 where it has none or more than one. */
    static int errsample_seat_of(PyObject* owner, PyObject* value) {
        int count = 0, found = -1, seat;
        PyObject** values = errsample_has_seats(Py_TYPE(owner)) ? errsample_values(owner, &count) : NULL;
        for (seat = 0; values != NULL && seat < count; seat++) {
            if (values[seat] != value) continue;
            if (found >= 0) return -1;
            found = seat;
        }
        return found;
    }

    /* A borrowed value by its place in the instances of a class that was asked for it; NULL: look for its name. */
    static inline PyObject* errsample_seated(PyObject* owner, int seat) {
        int count = 0;
        PyObject** values = seat < 0 ? NULL : errsample_values(owner, &count);
        return values == NULL ? NULL : values[seat];
    }
    """
    bint errsample_has_seats(PyTypeObject* type) noexcept
    int errsample_seat_of(object owner, object value) noexcept
    PyObject* errsample_seated(object owner, int seat) noexcept


def seat_of(owner, value):
    """The place of `value` among the attributes of `owner`, -1 where it has none or several. For tests."""
    return errsample_seat_of(owner, value)


def seated(owner, int seat):
    """The attribute of `owner` at a place found in an instance of the same class, None where it is read by name."""
    cdef PyObject* found = errsample_seated(owner, seat) if errsample_has_seats(Py_TYPE(owner)) else NULL
    return None if found == NULL else <object> found
