"""Starts the applications of the soak, and brings trouble on them at random moments of a seeded order."""

from __future__ import annotations

import heapq
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chaos.clock import HOUR, WallClock, set_clock
from chaos.soak.endpoints import Arrivals, Endpoint
from chaos.soak.said import last_words

ROOT: Final = Path(__file__).parent.parent.parent
BUFFER_BYTES: Final = 4 << 20
SPOOL_BYTES: Final = 4 << 20
EXPORT_SECONDS: Final = 5
END_WITHIN: Final = 60.0
ADOPTED_WITHIN: Final = 120.0

# New errors are kept by every set of rules; what else is kept changes.
_RULES: Final = """rules: |
  storm: keep {storm} per second by fingerprint if name == "storm"
  whole: keep {healthy}% if not error
  rest: keep if error
"""
_BROKEN: Final = """rules: |
  storm: keep many per second
"""

Trouble = Iterator[float]


class Soak:
    """Two applications that share a spool: one lives from the first to the last second, one is killed and started anew.

    Which of them speaks gRPC, and which keeps whole traces, goes by the seed.
    """

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory = directory
        self.seed = seed
        self.arrivals = Arrivals()
        self.troubles: Counter[str] = Counter()
        self.faults: list[str] = []
        protocols = ("http", "grpc") if seed % 2 else ("grpc", "http")
        scopes = ("trace", "path") if seed // 2 % 2 else ("path", "trace")
        self.endpoints = [Endpoint(protocol, self.arrivals) for protocol in protocols]
        self._clock = WallClock(directory)
        self._steady = self._variables(self.endpoints[0], scopes[0])
        self._mortal = self._variables(self.endpoints[1], scopes[1])
        self._chance = random.Random(seed)
        self._actors = [
            self._behaviour(self.endpoints[0]),
            self._behaviour(self.endpoints[1]),
            self._life_and_death(),
            self._rules(),
            self._time(),
        ]
        self.mood("calm")
        self._write_rules(_RULES.format(storm=5, healthy=5))
        self.steady = self._start("steady", self._steady)
        self.mortal = self._start("mortal", self._mortal)

    def _variables(self, endpoint: Endpoint, scope: str) -> dict[str, str]:
        return {
            **os.environ,
            **endpoint.variables,
            **self._clock.variables,
            "OTEL_ERRSAMPLE_SPOOL_DIR": str(self.directory / "spool"),
            "OTEL_ERRSAMPLE_SPOOL_BYTES": str(SPOOL_BYTES),
            "OTEL_ERRSAMPLE_MAX_BUFFER_BYTES": str(BUFFER_BYTES),
            "OTEL_ERRSAMPLE_CONFIG": str(self.directory / "rules.yaml"),
            "OTEL_ERRSAMPLE_SCOPE": scope,
            "OTEL_ERRSAMPLE_TRACE_WAIT_MS": "5000",
            "OTEL_EXPORTER_OTLP_TIMEOUT": str(EXPORT_SECONDS),
            # What the allocator keeps for each thread would hide a leak of some MiB.
            "MALLOC_ARENA_MAX": "2",
        }

    def _start(self, name: str, variables: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "chaos.soak.service", str(self.directory), name, str(self.seed), *arguments]
        errors = (self.directory / "stderr").open("ab")
        with errors:
            return subprocess.Popen(command, env=variables, cwd=ROOT, stdout=errors, stderr=errors)

    # -- time

    def mood(self, word: str) -> None:
        """What the applications are to do: "calm" or "busy"."""
        fresh = self.directory / "mood.new"
        fresh.write_text(word)
        fresh.replace(self.directory / "mood")

    def trouble(self, end: float) -> None:
        """Let things go wrong until then, on the monotonic clock."""
        self.mood("busy")
        due = [(time.monotonic() + next(actor), number) for number, actor in enumerate(self._actors)]
        heapq.heapify(due)
        while due[0][0] < end:
            at, number = heapq.heappop(due)
            time.sleep(max(0.0, at - time.monotonic()))
            heapq.heappush(due, (time.monotonic() + next(self._actors[number]), number))
            self._look_after_steady()
        time.sleep(max(0.0, end - time.monotonic()))

    def calm(self, seconds: float) -> None:
        """Let everything be well for so long; the applications go on with some work."""
        self.mood("calm")
        for endpoint in self.endpoints:
            endpoint.behave()
        time.sleep(seconds)
        self._look_after_steady()

    def _look_after_steady(self) -> None:
        if self.steady.poll() is not None:
            self.faults.append(f"the steady application has ended with {self.steady.returncode}")
            self.steady = self._start("steady", self._steady)

    def end(self) -> None:
        """Stop both in order, and have what they left sent by a next start."""
        for process in (self.steady, self.mortal):
            self._stop(process)
        last = self._start("last", self._steady, "0")
        deadline = time.monotonic() + ADOPTED_WITHIN
        # Its own file is there as well.
        while len(self.spools()) > 1 and time.monotonic() < deadline:
            time.sleep(0.2)
        self._stop(last)
        left = self.spools()
        if left:
            self.faults.append(f"{len(left)} files are left in the spool: {', '.join(left[:5])}")
        for endpoint in self.endpoints:
            endpoint.down()

    def spools(self) -> list[str]:
        return sorted(path.name for path in (self.directory / "spool").glob("*"))

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        self._wait_for_words(process)
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            self.faults.append(f"an application did not end within {END_WITHIN:.0f} s of SIGTERM")
            process.kill()
            process.wait()
        else:
            if status:
                self.faults.append(f"an application ended with {status}")

    # -- what goes wrong; each yields the seconds until it acts again

    def _behaviour(self, endpoint: Endpoint) -> Trouble:
        chance = self._fork_of_chance()
        while True:
            yield chance.uniform(1.0, 6.0)
            what = chance.choice([*endpoint.misdeeds, "picky", "away", "restarts"])
            self.troubles[what] += what != "restarts"
            if what == "away":
                endpoint.down()
                yield chance.uniform(1.0, 15.0)
            elif what == "restarts":
                for _ in range(chance.randint(1, 5)):
                    self.troubles[what] += 1
                    endpoint.down()
                    endpoint.up()
                    yield 1.0
            else:
                endpoint.misbehave(what)
                yield chance.uniform(1.0, 15.0)
            endpoint.behave()

    def _life_and_death(self) -> Trouble:
        chance = self._fork_of_chance()
        while True:
            yield chance.uniform(4.0, 20.0)
            without_room = chance.random() < 0.2
            self._wait_for_words(self.mortal)
            # Errors are in memory alone where there is no file: nobody promises that these survive a kill.
            if not self._has_spool(self.mortal.pid) or chance.random() < 0.2:
                self.troubles["SIGTERM"] += 1
                self._stop(self.mortal)
            else:
                self.troubles["SIGKILL"] += 1
                self.mortal.kill()
                self.mortal.wait()
            self.troubles["no room for a file"] += without_room
            # One that starts with broken rules has the default ones, and these may suppress any error but a new one.
            self._write_rules(_RULES.format(storm=5, healthy=5))
            more = {"SOAK_LARGEST_FILE": str(SPOOL_BYTES - 8192)} if without_room else {}
            self.mortal = self._start("mortal", {**self._mortal, **more})

    def _has_spool(self, pid: int) -> bool:
        return any(said.pid == pid and said.has_spool for said in last_words(self.directory))

    def _wait_for_words(self, process: subprocess.Popen[bytes]) -> None:
        """Until it has handlers for signals."""
        deadline = time.monotonic() + END_WITHIN
        while time.monotonic() < deadline and all(said.pid != process.pid for said in last_words(self.directory)):
            time.sleep(0.1)

    def _rules(self) -> Trouble:
        chance = self._fork_of_chance()
        while True:
            yield chance.uniform(3.0, 15.0)
            broken = chance.random() < 0.25
            self.troubles["broken rules" if broken else "other rules"] += 1
            text = _RULES.format(storm=chance.randint(1, 50), healthy=chance.randint(1, 20))
            self._write_rules(_BROKEN if broken else text)

    def _write_rules(self, text: str) -> None:
        fresh = self.directory / "rules.new"
        fresh.write_text(text)
        fresh.replace(self.directory / "rules.yaml")

    def _time(self) -> Trouble:
        chance = self._fork_of_chance()
        while True:
            yield chance.uniform(5.0, 20.0)
            step = chance.choice((-HOUR, -1, 0, 1, HOUR))
            self.troubles["steps of the wall clock"] += bool(self._clock.variables)
            set_clock(self._clock.file, step)

    def _fork_of_chance(self) -> random.Random:
        return random.Random(self._chance.random())
