"""`otel-errsample doctor`: what is active in this environment, and whether the endpoint takes an error."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from otel_errsample.cli.terminal import Piece, Screen

if TYPE_CHECKING:
    from otel_errsample.cli.diagnosis import Active
    from otel_errsample.cli.sending import Sent

_SECONDS: Final = 10.0
_INDENT: Final = "  "
_SEEN: Final = "recorded, so that their errors are seen"
_UNSEEN: Final = "not recorded, and errors among them never seen; OTEL_TRACES_SAMPLER=errsample records them"


def add(commands: Any) -> None:
    command = commands.add_parser(
        "doctor",
        help="tell what is active in this environment, and send a test error",
        description="Configures this process as opentelemetry-instrument would, tells what is active and where it is "
        "from, and sends one test error. Exit code 0: errors are kept and the endpoint took it.",
    )
    command.add_argument("--no-send", action="store_true", help="send nothing")
    command.add_argument("--timeout", type=_seconds, default=_SECONDS, help="seconds for the test error (default 10)")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)


def run(options: argparse.Namespace, screen: Screen) -> int:
    """0 where it is switched on and the endpoint took the error, else 1."""
    from otel_errsample.cli.diagnosis import as_json, heard, look
    from otel_errsample.cli.sending import send

    active, processor = look()
    sent = None if options.no_send else send(processor, options.timeout)
    with heard():  # that the test error was given up is no news any more
        processor.shutdown(0)
    failed = bool(active.problems) or (sent is not None and not sent.taken)
    if options.json:
        screen.json({**as_json(active), "sent": sent._asdict() if sent is not None else None, "healthy": not failed})
    else:
        _show(active, sent, screen)
    return int(failed)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 600:
        raise argparse.ArgumentTypeError("is expected to be a number of seconds up to 600")
    return seconds


def _show(active: Active, sent: Sent | None, screen: Screen) -> None:
    _section(screen, "installed", list(active.versions.items()))
    _section(screen, "set", list(active.switches.items()) or [("nothing", "")])
    _section(
        screen,
        "active",
        [
            ("configured by", active.configured_by),
            ("provider", active.provider + (f" for {active.service}" if active.service else "")),
            ("sampler", active.sampler or "none"),
            ("unsampled", _SEEN if active.sees_unsampled else _UNSEEN),
            *((f"processor {number}", text) for number, text in enumerate(active.processors, 1)),
            ("rules", ", ".join(active.rules)),
            ("rules from", active.rules_source),
        ],
    )
    _section(screen, "endpoint", list(active.endpoint.items()))
    _section(screen, "settings", [(name, value, source) for name, value, source in active.settings])
    for title, lines in (("overrides", active.overrides), ("said at start", active.said)):
        if lines:
            screen.line((title, "strong"))
            for line in lines:
                screen.wrapped([_INDENT], line)
    screen.line(("result", "strong"))
    for problem in active.problems:
        screen.wrapped([_INDENT, ("problem  ", "bad")], problem)
    if sent is None:
        screen.line(_INDENT, "no test error was sent")
    else:
        screen.wrapped([_INDENT, ("taken    ", "good") if sent.taken else ("not taken  ", "bad")], sent.what)


def _section(screen: Screen, title: str, rows: list[Any]) -> None:
    screen.line((title, "strong"))
    names = max(len(row[0]) for row in rows)
    values = max(len(row[1]) for row in rows)
    for name, value, *source in rows:
        lead: list[Piece] = [_INDENT, (name.ljust(names), "name"), "  "]
        if source:
            screen.line(*lead, value.ljust(min(values, 40)), "  ", (source[0], "dim" if source[0] == "default" else ""))
        else:
            screen.wrapped(lead, value)
