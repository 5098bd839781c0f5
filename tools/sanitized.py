"""`python -m tools.sanitized [--extension]`: the tests on an extension that watches what it does with memory.

It is compiled with gcc's AddressSanitizer and UndefinedBehaviorSanitizer in a copy of the tree, `build/sanitized`:
beside these sources lies the extension that everything else uses. What the sanitizers report in any process fails the
run, also where the test that started it did not look. Where gcc has no sanitizers this says so and does nothing.
`--extension` runs the tests of the extension's fragments alone, in a third of the time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
TREE: Final = ROOT / "build" / "sanitized"
REPORTS: Final = ROOT / "build" / "sanitized-reports"
LEFT_OUT: Final = (".*", "build", "dist", "*.egg-info", "__pycache__", "*.so", "_hot.c")

# What cannot be tried under sanitizers, and why.
EXCLUDED: Final = {
    "tests/isolated/test_refusing.py": "puts another malloc in the place of theirs",
    "tests/isolated/test_isolated.py::test_the_memory_of_a_request_is_there_for_the_next_one": "is about "
    "glibc's malloc, which is not in use",
    "tests/test_block.py": "a block that is used again could not be seen to be used too late, so none is kept",
    "tests/test_sanitized.py": "plants what the run would take for its own",
    "tests/isolated/test_leaking.py": "what was freed stays in quarantine for a while, and looks held",
    "tests/test_undecided.py::test_roots_that_never_end_cost_a_bounded_number_of_traces": "what is in quarantine counts "
    "as resident",
    "tests/isolated/test_resources.py::test_two_thousand_spans_of_a_megabyte_take_what_was_configured": "what is in "
    "quarantine counts as resident",
    "tests/test_origins.py::TestMistakes::test_an_error_at_the_address_of_a_former_one_is_its_own_origin": "no "
    "address comes again while it is in quarantine",
}
# As `make test`: what these need is made by targets of their own.
ELSEWHERE: Final = ("instrumentations", "servers", "zerocode", "collector")

FLAGS: Final = "-fsanitize=address,undefined"
# Without the check of alignment: what CPython's headers do on x86 would drown all else.
COMPILE: Final = f"-O1 -g1 -fwrapv -fPIC {FLAGS} -fno-sanitize=alignment -fno-omit-frame-pointer"
# One byte too many, which a run that sees anything has to see, after a look at what is loaded.
PLANTED: Final = """
import ctypes
from otel_errsample import _hot
with open(_hot.__file__, "rb") as built:
    assert b"__asan_report" in built.read()
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_void_p
ctypes.memset(malloc(8), 0, 9)
"""


def runtimes() -> str:
    """What has to be preloaded; empty where gcc has none of it."""
    if shutil.which("gcc") is None:
        return ""
    found = []
    for name in ("libasan.so", "libubsan.so"):
        asked = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        found.append(asked.stdout.strip())
    return ":".join(found) if all(Path(path).is_absolute() for path in found) else ""


def make_tree() -> None:
    shutil.rmtree(TREE, ignore_errors=True)
    shutil.copytree(ROOT, TREE, ignore=shutil.ignore_patterns(*LEFT_OUT))
    environ = {**os.environ, "CFLAGS": COMPILE, "LDSHARED": f"gcc -shared {FLAGS}"}
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=TREE, env=environ, check=True)


def environment(preload: str) -> dict[str, str]:
    """Of a process and all that it starts; each writes what it reports to a file of its own."""
    common = "log_exe_name=1:handle_segv=0:handle_abort=0"  # tests send these signals, and Python tells of others
    return {
        **os.environ,
        "LD_PRELOAD": preload,
        "PYTHONPATH": str(TREE),
        "PYTHONMALLOC": "malloc",  # Python's own blocks have no fences
        # What CPython leaves behind at its end is no leak of ours.
        "ASAN_OPTIONS": f"log_path={REPORTS}/asan:{common}:detect_leaks=0:quarantine_size_mb=16",
        "UBSAN_OPTIONS": f"log_path={REPORTS}/ubsan:{common}:halt_on_error=1:print_stacktrace=1",
    }


def sees_a_planted_one(environ: Mapping[str, str]) -> bool:
    done = subprocess.run([sys.executable, "-c", PLANTED], cwd=TREE, env=environ, check=False)
    reported = any("heap-buffer-overflow" in path.read_text(errors="replace") for path in REPORTS.iterdir())
    for path in REPORTS.iterdir():
        path.unlink()
    return done.returncode != 0 and reported


def files(*, extension: bool) -> list[str]:
    """The test files as the tree has them."""
    found = [path.relative_to(TREE).as_posix() for path in sorted((TREE / "tests").rglob("test_*.py"))]
    names = [name for name in found if name not in EXCLUDED]
    if extension:
        fragments = {f"tests/test_{path.stem}.py" for path in (TREE / "ext").glob("*.pyx")}
        return [name for name in names if name in fragments]
    return [name for name in names if name.split("/")[1] not in ELSEWHERE]


def run(environ: Mapping[str, str], names: Sequence[str]) -> bool:
    """Whether all passed, in as many processes as there are processors."""
    deselected = [f"--deselect={test}" for test in EXCLUDED]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "timeout=600", *deselected]
    number = min(os.cpu_count() or 1, len(names))
    started = [subprocess.Popen([*command, *names[start::number]], cwd=TREE, env=environ) for start in range(number)]
    codes = [process.wait() for process in started]  # of all, before the reports are read
    return not any(codes)


def main(arguments: Sequence[str]) -> int:
    preload = runtimes()
    if not preload:
        print("skipped: gcc with libasan and libubsan is missing", file=sys.stderr)
        return 0
    make_tree()
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    environ = environment(preload)
    if not sees_a_planted_one(environ):
        print("the sanitizers do not see what was planted for them", file=sys.stderr)
        return 1
    for test, reason in EXCLUDED.items():
        print(f"without {test}: {reason}", flush=True)
    passed = run(environ, files(extension="--extension" in arguments))
    reports = sorted(REPORTS.iterdir())
    for path in reports:
        print(f"\n{path.name}\n{path.read_text(errors='replace')}", file=sys.stderr)
    print(f"{len(reports)} reports of the sanitizers")
    return 0 if passed and not reports else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
