"""The items of a dict, one after another, read from its table.

PyDict_Next and the call of it take 35 instructions an item, this 8; a kept error span has 38 items that are walked. The
table is read where it is one of str keys alone and laid out as a dict was found to be whose items are known; any other
dict is left to PyDict_Next, of which this has everything: what changes the dict meanwhile makes the walk go on
somewhere in the new items. Entered under the GIL; runs no Python code.
"""

from cpython.object cimport PyObject

cdef extern from *:
    """
    #if ERRSAMPLE_SEATS
    /* Internal header pycore_dict.h: the same from 3.11 to 3.13. Entries of str keys are a key and a value each. */
    typedef struct {
        Py_ssize_t references;
        uint8_t log2_size, log2_index_bytes, kind;
        uint32_t version;
        Py_ssize_t usable, entries;
        char indices[];
    } errsample_table;
    static int errsample_tables_known = 0;
    #define errsample_table_of(items) ((errsample_table*) ((PyDictObject*) (items))->ma_keys)
    /* How many entries the table of str keys has, deleted ones too; -1 where it is another kind of dict. */
    #define errsample_entries(items) \\
        (PyDict_Check(items) && errsample_tables_known && ((PyDictObject*) (items))->ma_values == NULL \\
         && errsample_table_of(items)->kind == 1 ? errsample_table_of(items)->entries : -1)
    /* Where they begin, a key and a value each, if it is no other kind. */
    #define errsample_first_entry(items) \
        ((PyObject**) (errsample_table_of(items)->indices \
                       + ((size_t) 1 << errsample_table_of(items)->log2_index_bytes)))
    #else
    #define errsample_entries(items) ((Py_ssize_t) -1)
    #define errsample_first_entry(items) NULL
    #endif

    static inline int errsample_next(PyObject* items, Py_ssize_t* position, PyObject** key, PyObject** value) {
    #if ERRSAMPLE_SEATS
        Py_ssize_t at = *position, entries = errsample_entries(items);
        if (entries >= 0) {
            PyObject** entry = errsample_first_entry(items) + 2 * at;
            for (; at < entries; at++, entry += 2) {
                if (entry[1] == NULL) continue;
                *position = at + 1;
                *key = entry[0];
                *value = entry[1];
                return 1;
            }
            return 0;
        }
    #endif
        return PyDict_Next(items, position, key, value);
    }

    /* Reads tables from now on if the items of `sample`, one of which was deleted, are found where they should be. */
    static void errsample_look_at_table(PyObject* sample) {
    #if ERRSAMPLE_SEATS
        PyObject *key, *value, *expected_key, *expected_value;
        Py_ssize_t here = 0, there = 0, count = 0;
        int more = 1;
        errsample_tables_known = ((PyDictObject*) sample)->ma_values == NULL
            && errsample_table_of(sample)->entries == PyDict_GET_SIZE(sample) + 1
            && errsample_table_of(sample)->log2_size == 3 && errsample_table_of(sample)->log2_index_bytes == 3;
        while (errsample_tables_known && more) {
            more = PyDict_Next(sample, &there, &expected_key, &expected_value);
            count += more;
            if (errsample_next(sample, &here, &key, &value) != more
                || (more && (here != there || key != expected_key || value != expected_value)))
                errsample_tables_known = 0;
        }
        if (count != PyDict_GET_SIZE(sample)) errsample_tables_known = 0;
    #endif
    }
    """
    Py_ssize_t errsample_entries(object items) noexcept
    PyObject** errsample_first_entry(object items) noexcept
    bint errsample_next(object items, Py_ssize_t* position, PyObject** key, PyObject** value) noexcept
    void errsample_look_at_table(object sample) noexcept


cdef look_at_table():
    cdef dict sample = {}
    for name in ("a", "b", "c", "d"):
        sample[name] = object()
    del sample["b"]
    errsample_look_at_table(sample)


look_at_table()


def walked(items):
    """The items as a walk meets them, and whether it reads the table. For tests."""
    cdef PyObject* key
    cdef PyObject* value
    cdef Py_ssize_t position = 0
    cdef list found = []
    while errsample_next(items, &position, &key, &value):
        found.append((<object> key, <object> value))
    return found, errsample_entries(items) >= 0
