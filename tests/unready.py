"""Texts as extensions of the time before Python 3.3 make them: until they are made ready they have no characters."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pytest

needs_unready = pytest.mark.skipif(sys.version_info >= (3, 12), reason="3.12 has no such texts any more")


def unready(text: str) -> str:
    """Called where they exist; whatever looks at the answer may make it ready."""
    api: Any = ctypes.pythonapi
    make = api.PyUnicode_FromUnicode
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_ssize_t]
    place = api.PyUnicode_AsUnicode
    place.restype, place.argtypes = ctypes.c_void_p, [ctypes.py_object]
    made: str = make(None, len(text))
    ctypes.memmove(place(made), ctypes.create_unicode_buffer(text), len(text) * ctypes.sizeof(ctypes.c_wchar))
    return made
