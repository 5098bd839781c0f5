"""Forks while requests are on their way: nobody hangs, and every span that parent or child has ended arrives."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from otel_errsample.testing.receiver import Receiver, TlsFiles
from otel_errsample.testing.replies import Reply
from tests.tls_files import Authority

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
LONG = os.environ.get("ERRSAMPLE_LONG") == "1"
SEED = int(os.environ.get("ERRSAMPLE_SEED", "1"))

pytestmark = [pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork"), pytest.mark.timeout(900)]


class Way(NamedTuple):
    """How spans travel, and what gRPC is told about forks."""

    protocol: str
    secure: bool = False
    support: str | None = None


WAYS = {
    "grpc": Way("grpc"),
    "grpc with fork support": Way("grpc", support="1"),
    "grpc without fork support": Way("grpc", support="0"),
    "grpc over TLS": Way("grpc", secure=True),
    "http": Way("http"),
    "https": Way("http", secure=True),
}
FORKS = (720 if LONG else 24) // len(WAYS)


def slow() -> Callable[[bytes], Reply]:
    """Answers after up to 50 ms: a fork finds a request on its way, and waits for its answer or aborts it."""
    chance = random.Random(SEED)
    return lambda _: Reply(delay=chance.random() * 0.05)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def run(
    way: Way, authority: Authority, ended: Path, script: str, *arguments: str
) -> tuple[dict[str, Any], Counter[str]]:
    """What the script says in the end, and how often each span arrived."""
    server = authority.issue("server")
    tls = TlsFiles(server.certificate, server.key) if way.secure else None
    ended.touch()
    with Receiver(way.protocol, slow(), tls=tls) as receiver:
        environ = {**os.environ, **receiver.environ, "PYTHONPATH": str(ROOT)}
        if way.secure:
            environ["OTEL_EXPORTER_OTLP_CERTIFICATE"] = authority.roots
        if way.support is not None:
            environ["GRPC_ENABLE_FORK_SUPPORT"] = way.support
        done = subprocess.run(
            # From 3.12 on Python says of every fork beside threads what this is about.
            [sys.executable, "-W", "ignore:This process:DeprecationWarning", str(HERE / script), *arguments, str(ended)],
            env=environ, capture_output=True, text=True, timeout=800, check=False,
        )  # fmt: skip
        assert (0, "") == (done.returncode, done.stderr)
        spans = [one.span for one in receiver.spans()]
    arrived = Counter(f"{span.name} {span.trace_id.hex()} {span.span_id.hex()}" for span in spans)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result, arrived


CHILDREN = {"threads": 16, "double": 4, "handler": 12}
"""Made in each of these ways of multiplying.py."""


def names(lines: Iterable[str]) -> Counter[str]:
    return Counter(line.split()[0] for line in lines)


@pytest.mark.scenario("G1", "G2")
@pytest.mark.parametrize("name", WAYS)
def test_forking_while_exporting_hangs_nobody_and_every_span_arrives(
    name: str, authority: Authority, tmp_path: Path
) -> None:
    ended = tmp_path / "ended"
    result, arrived = run(WAYS[name], authority, ended, "forking.py", str(FORKS), str(SEED))
    known = ended.read_text(encoding="ascii").splitlines()
    again = names(line for line, times in arrived.items() if times > 1)
    print(f"{name}: {FORKS} forks, {len(known)} spans, twice {dict(again)}, {result}")
    assert {"0": FORKS} == result["statuses"], result
    assert result["in_flight"] >= FORKS // 4, "what was to be tried"
    assert (True, True) == (result["delivered"], result["balanced"])
    assert set(known) == set(arrived)
    # What a fork interrupted is sent again by who has it, the parent.
    assert set(again) <= {"parent"}


@pytest.mark.scenario("G4")
@pytest.mark.parametrize(
    ("way", "children", "protocol"),
    [
        *((way, children, protocol) for way, children in CHILDREN.items() for protocol in ("grpc", "http")),
        ("commands", 1000, "grpc"),
    ],
)
def test_however_processes_are_made_nobody_hangs_and_nothing_is_left(
    way: str, children: int, protocol: str, authority: Authority, tmp_path: Path
) -> None:
    ended = tmp_path / "ended"
    result, arrived = run(WAYS[protocol], authority, ended, "multiplying.py", way)
    assert {"0": children} == result["statuses"], result
    assert (True, True) == (result["delivered"], result["balanced"])
    assert (0, 0) == (result["threads"], result["descriptors"])
    assert set(ended.read_text(encoding="ascii").splitlines()) == set(arrived)


@pytest.mark.scenario("G3")
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_spans_that_wait_when_the_process_forks_are_sent_once_by_the_parent(
    protocol: str, authority: Authority, tmp_path: Path
) -> None:
    ended = tmp_path / "ended"
    result, arrived = run(WAYS[protocol], authority, ended, "multiplying.py", "pending")
    assert {"0": 1} == result["statuses"], result
    assert Counter(ended.read_text(encoding="ascii").splitlines()) == arrived
    assert {"parent": 15, "child": 3} == names(arrived)
