"""Run the targets one after another: `python -m fuzz [TARGET ...] [--seconds N] [--replay | --keep]`.

Prints a line for each: executions, executions a second, places reached, inputs kept. Exit status 1 where an input broke
a promise; it is then in build/fuzz/found, and the end of its log is shown.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import re
import subprocess
import sys
import time
from pathlib import Path

from fuzz.engine import BUILT, FILE
from fuzz.targets import CORPUS, NAMES, target

ROOT = Path(__file__).parent.parent
SLOWEST = 10  # seconds for one input, on a crowded machine
MOST_MEGABYTES = 2048
_GRACE = 300.0  # for the inputs of earlier runs
_LAST = 4000  # characters of a log that are shown


def run(name: str, seconds: int) -> tuple[bool, str]:
    """One target for so many seconds, in a process of its own: whether all promises held, and a line about it.

    No seed makes two runs alike, as addresses and clocks have a part in what reaches a new place.
    """
    found = BUILT / "found"
    grown = BUILT / "corpus" / name
    for directory in (found, grown):
        directory.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}" if seconds else "-runs=0",
        f"-timeout={SLOWEST}",
        f"-rss_limit_mb={MOST_MEGABYTES}",
        f"-artifact_prefix={found}/{name}-",
        "-print_final_stats=1",
    ]
    log = BUILT / f"{name}.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "fuzz.engine", name, *options, str(grown), str(CORPUS / name)]
        try:
            ended = subprocess.run(
                command, cwd=ROOT, stdout=output, stderr=output, timeout=seconds + _GRACE, check=False
            ).returncode
        except subprocess.TimeoutExpired:  # libFuzzer looks at the time between inputs, and not while it reads them
            ended = -1
    text = log.read_text(encoding="utf-8", errors="replace")
    line = f"{name:12} {_told(text)}"
    return ended == 0, line if ended == 0 else f"{line}\n{text[-_LAST:]}"


def _told(log: str) -> str:
    last = re.findall(r"^#\d+\s.*?cov: (\d+) ft: (\d+) corp: (\d+)", log, re.MULTILINE)
    stats = dict(re.findall(r"^stat::(\w+):\s+(\d+)", log, re.MULTILINE))
    places, features, inputs = last[-1] if last else (0, 0, 0)
    runs, speed = stats.get("number_of_executed_units", "0"), stats.get("average_exec_per_sec", "0")
    return f"{runs:>10} executions {speed:>6} a second {places:>6} places {features:>7} features {inputs:>5} inputs"


def replay(name: str) -> tuple[bool, str]:
    """Every kept input once, in this process."""
    one = target(name)
    begun = time.perf_counter()
    inputs = sorted((CORPUS / name).iterdir())
    for path in inputs:
        try:
            one.check(path.read_bytes())
        except Exception as error:
            return False, f"{name:12} {path.relative_to(ROOT)}: {type(error).__name__}: {error}"
    return True, f"{name:12} {len(inputs):5} inputs in {time.perf_counter() - begun:.1f} s"


def keep(name: str) -> tuple[bool, str]:
    """Add to the corpus, of what was found in earlier runs, as little as reaches the same places."""
    before = len(list((CORPUS / name).iterdir()))
    found = BUILT / "found"
    found.mkdir(parents=True, exist_ok=True)
    options = ["-set_cover_merge=1", f"-artifact_prefix={found}/{name}-"]
    command = [sys.executable, "-m", "fuzz.engine", name, *options, str(CORPUS / name), str(BUILT / "corpus" / name)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    line = f"{name:12} {before} inputs, now {len(list((CORPUS / name).iterdir()))}"
    return done.returncode == 0, line if done.returncode == 0 else f"{line}\n{done.stderr[-_LAST:]}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="*", default=NAMES, metavar="TARGET", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=int, default=600, help="for each target; 0: the kept inputs alone")
    parser.add_argument("--replay", action="store_true", help="run every kept input once")
    parser.add_argument("--keep", action="store_true", help="put into the corpora what earlier runs found")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(NAMES):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if not options.replay:
        if importlib.util.find_spec("atheris") is None:
            print("atheris is not installed (it has wheels for Python 3.11 to 3.13 on Linux): replaying the corpora")
            options.replay = True
        elif not FILE.exists():
            parser.error(f"{FILE.relative_to(ROOT)} is missing: make fuzz builds it")
    logging.disable()
    sound = True
    for name in options.targets:
        if options.replay:
            held, line = replay(name)
        elif options.keep:
            held, line = keep(name)
        else:
            held, line = run(name, options.seconds)
        print(line, flush=True)
        sound &= held
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
