"""`python -m demo`: a run, its page, and exit status 0 only where every count agrees to the span."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager

from opentelemetry.sdk.version import __version__ as sdk_version

from demo import simulation
from demo.books import Check, Received, audit
from demo.progress import Progress
from demo.report import page
from demo.text import Style
from otel_errsample.testing.receiver import Receiver

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 where the books balance, 1 where they do not."""
    options = _parser().parse_args(arguments)
    style = Style(sys.stdout)
    with receiver(os.environ) as embedded:
        print(heading(style, options, embedded))
        progress = Progress(sys.stdout, options.requests + options.storm)
        start = time.monotonic()
        try:
            outcome = simulation.run(options.requests, options.storm, options.seed, progress)
        finally:
            progress.close()
        seconds = time.monotonic() - start
        received = None
        if embedded is not None:
            received = Received.of(item.span for item in embedded.spans())
    checks = audit(outcome.answers.total(), outcome.witness, outcome.stats, outcome.groups, received)
    print(page(style, outcome.stats, outcome.groups.by_size(), outcome.answers, checks))
    print()
    print(conclusion(style, checks, seconds, received is not None))
    return 0 if all(check.agrees for check in checks) else 1


@contextmanager
def receiver(environ: MutableMapping[str, str]) -> Iterator[Receiver | None]:
    """The embedded receiver, with `environ` leading to it; None where the user named a collector."""
    if any(environ.get(name) for name in _ENDPOINTS):
        yield None
        return
    with Receiver(protocol="grpc") as embedded:
        before = {name: environ.get(name) for name in embedded.environ}
        environ.update(embedded.environ)
        try:
            yield embedded
        finally:
            for name, value in before.items():
                if value is None:
                    del environ[name]
                else:
                    environ[name] = value


def heading(style: Style, options: argparse.Namespace, embedded: Receiver | None) -> str:
    """What is about to run."""
    if embedded is not None:
        destination = f"an embedded receiver on {embedded.endpoint}"
    else:
        destination = "the collector that OTEL_EXPORTER_OTLP_ENDPOINT names"
    instrumentations = ", ".join(simulation.installed()) or "none"
    lines = [
        style.bold("otel-errsample demo: a web shop that fails in real ways"),
        f"  Python {platform.python_version()}, OpenTelemetry SDK {sdk_version}, instrumentations: {instrumentations}",
        f"  {options.requests:,} requests, and in their middle a storm of {options.storm:,} failing payments",
        f"  head sampling {simulation.HEAD_RATIO:.0%}, OTLP to {destination}",
        "",
        style.bold("Rules, followed by the default ones"),
        *(f"  {rule}" for rule in simulation.RULES.splitlines()),
        "",
    ]
    return "\n".join(lines)


def conclusion(style: Style, checks: Sequence[Check], seconds: float, looked: bool) -> str:
    """The last lines: the verdict on the run."""
    differing = [check for check in checks if not check.agrees]
    lines = []
    if not looked:
        lines.append("The receiver's side was not checked: it is the user's collector.")
    if differing:
        lines += [
            style.bad(f"{check.left:,} {check.left_label}, but {check.right:,} {check.right_label}.")
            for check in differing
        ]
    else:
        lines.append(style.good(f"Every span is accounted for; the run took {seconds:.1f} s."))
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--requests", type=_count, default=5000, metavar="N", help="mixed requests (default %(default)s)"
    )
    parser.add_argument(
        "--storm", type=_count, default=2000, metavar="N", help="failing payments (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides order and sampled traces (default %(default)s)")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"a number of requests is expected to be at least 0, got {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
