"""One target in this process, driven by atheris: `python -m fuzz.engine NAME [options and folders of libFuzzer]`.

atheris sees Python code alone. The extension is another build of the same sources, in build/fuzz, that tells libFuzzer
about its branches and comparisons by way of coverage.c; without it the fuzzer would be blind to most of what it runs.
"""

from __future__ import annotations

import ctypes
import importlib.abc
import importlib.util
import logging
import sys
import sysconfig
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

EXTENSION = "otel_errsample._hot"
BUILT = Path(__file__).parent.parent / "build" / "fuzz"
FILE = BUILT / f"otel_errsample/_hot{sysconfig.get_config_var('EXT_SUFFIX')}"


class InstrumentedExtension(importlib.abc.MetaPathFinder):
    """Finds the build for fuzzing in the place of the one beside the package."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return importlib.util.spec_from_file_location(name, FILE) if name == EXTENSION else None


def listen() -> None:
    """Have libFuzzer hear of what the extension does."""
    core = importlib.util.find_spec("atheris.core_with_libfuzzer")
    assert core is not None
    assert core.origin is not None
    libfuzzer = ctypes.CDLL(core.origin)
    begin = ctypes.CDLL(str(FILE)).errsample_listen
    begin.argtypes = [ctypes.c_void_p]
    if begin(libfuzzer._handle):
        raise SystemExit(f"{core.origin} has no libFuzzer that can be told of coverage")


def quoted(word: bytes) -> str:
    """As dictionaries of libFuzzer have it."""
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\x{byte:02x}" for byte in word)


def main() -> None:
    import atheris

    name, *options = sys.argv[1:]
    sys.meta_path.insert(0, InstrumentedExtension())
    with atheris.instrument_imports(include=["otel_errsample"]):
        from fuzz.targets import target

        one = target(name)
    listen()
    logging.disable()  # what is wrong with an input is said to nobody, a thousand times a second
    words = BUILT / f"{name}.dict"
    words.write_text("".join(f'"{quoted(word)}"\n' for word in one.WORDS), encoding="ascii")
    again = f"{sys.executable} -m {__spec__.name} {name}"  # what a merge runs, by a shell, for some of the inputs
    atheris.Setup([again, f"-max_len={one.MOST}", f"-dict={words}", *options], one.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
