"""Coverage-guided fuzzing of what reads bytes that nobody vouches for: spans, rules, files, answers of servers.

    make fuzz                                   # each target for FUZZ_SECONDS (600)
    python -m fuzz rules recovery --seconds 60  # some of them
    make fuzz FUZZ_SECONDS=0                    # the kept inputs alone: what a change must pass
    python -m fuzz --replay                     # the same without atheris

`targets/` holds what is asked of every input, a module each; `corpus/<target>/` the inputs worth keeping, which
tests/test_fuzz_corpora.py replays on every Python. atheris drives the targets where it has a wheel (Python 3.11 to 3.13
on Linux). The Python code of the package is instrumented by it, and the extension by gcc: `make fuzz` builds it a second
time with -fsanitize-coverage=trace-pc,trace-cmp, and coverage.c passes on to libFuzzer what that sees. So the fuzzer
finds its way through the C code too, checksums included.

A finding is in build/fuzz/found. Put it in the corpus, mend the defect, and write a test that says what was wrong.
`python -m fuzz --keep` adds to the corpora what new inputs reach that no kept one does.
"""
