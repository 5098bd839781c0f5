"""`otel-errsample replay`: what the rules would have made of recorded traffic."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from otel_errsample.cli import recording
from otel_errsample.cli.files import Unreadable, name_of
from otel_errsample.cli.progress import progress
from otel_errsample.cli.replaying import Replay
from otel_errsample.cli.rulefile import load
from otel_errsample.cli.terminal import Piece, Screen, table
from otel_errsample.ledger import size_text

_PROBLEMS, _UNREADABLE, _INTERRUPTED = 1, 2, 130


def add(commands: Any) -> None:
    command = commands.add_parser(
        "replay",
        help="what the rules would make of recorded traffic",
        description="Run recorded OTLP JSON through the rules. Limits go by the spans' own end times, and all spans "
        "count as those of one process.",
    )
    command.add_argument(
        "file", metavar="FILE", help="a YAML file, rule text in a file named *.rules, or - for rule text"
    )
    command.add_argument(
        "traces",
        metavar="TRACES",
        nargs="+",
        help="OTLP JSON, one TracesData a line, as the Collector's file exporter writes it; may be gzip; "
        "- reads the standard input",
    )
    recording.add_options(command)
    command.add_argument("--json", action="store_true", help="print the counts as an object")
    command.set_defaults(run=run)


def run(options: argparse.Namespace, screen: Screen) -> int:
    """0, or 1 where lines could not be read, or 2 where files could not."""
    if (options.file, *options.traces).count("-") > 1:
        raise Unreadable("the standard input can be read only once")
    recording.prepare(options)
    replay = Replay(load(options.file, options.texts), options.head)
    unreadable: list[str] = []
    code = 0
    try:
        with progress(_total(options.traces)) as tell:
            _read(options.traces, replay, unreadable, tell)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    if options.json:
        screen.json({**replay.as_dict(), "unreadable": unreadable})
    else:
        show(replay, screen)
    errors = Screen(sys.stderr)
    for message in unreadable:
        errors.line("otel-errsample: ", message)
    return code or (_UNREADABLE if unreadable else _PROBLEMS if replay.bad_lines else 0)


def _read(paths: Iterable[str], replay: Replay, unreadable: list[str], tell: Callable[[int], object]) -> None:
    before = 0
    for path in paths:
        try:
            with recording.opened_recording(path) as (stream, raw):
                for number, line in recording.lines_of(stream):
                    replay.line(name_of(path), number, line)
                    tell(before + (raw.tell() if raw.seekable() else 0))
        except Unreadable as error:
            unreadable.append(str(error))
        before += _total([path]) or 0


def _total(paths: Iterable[str]) -> int | None:
    """Bytes of the files, None where one is a pipe or none at all."""
    files = [Path(path) for path in paths]
    return sum(file.stat().st_size for file in files) if all(file.is_file() for file in files) else None


# Text


def show(replay: Replay, screen: Screen) -> None:
    """The counts as a table, and whatever could not be read."""
    ledger = replay.trial.ledger
    share = f" ({100 * replay.kept / replay.spans:.1f} %)" if replay.spans else ""
    screen.line(
        (f"{replay.spans:,} spans", "strong"),
        f" on {replay.lines:,} lines, {ledger.errors:,} of them errors",
        (f"; {replay.bad_lines:,} bad lines", "bad") if replay.bad_lines else "",
    )
    sizes = f": {size_text(replay.bytes)} to export, {size_text(replay.recorded_bytes)} were recorded"
    screen.line("kept ", (f"{replay.kept:,}{share}", "good"), sizes)
    others = {name: count for name, count in ledger.endings.items() if count and name != "delivered"}
    if others:
        screen.wrapped(["not kept "], _listed(others))
    if replay.kinds:
        screen.wrapped(["errors by kind: "], _listed(dict(replay.kinds.most_common())))
    screen.line()
    for line in table(*_table(replay), screen.width):
        screen.line(*line)
    _show_bad(replay, screen)


def _table(replay: Replay) -> tuple[tuple[str, ...], list[tuple[Piece, ...]]]:
    rows: list[tuple[Piece, ...]] = []
    for rule in replay.outcomes():
        name = f"{rule.name} (shadow)" if rule.shadow else rule.name
        counts = (rule.matched, rule.kept, rule.suppressed, rule.sampled_out, rule.dropped)
        style = "dim" if rule.shadow or not rule.matched else ""
        rows.append(
            ((name, "name"), *((f"{count:,}" if count else "-", style) for count in counts), (_size(rule.bytes), style))
        )
    rest = replay.rest()
    if rest.matched:
        rows.append(("no rule", f"{rest.matched:,}", f"{rest.kept:,}", "", "", "", _size(rest.bytes)))
    if replay.pulled:
        rows.append(("pulled in", "", f"{replay.pulled:,}", "", "", "", _size(replay.pulled_bytes)))
    return ("rule", "matched", "kept", "suppressed", "sampled out", "dropped", "bytes"), rows


def _size(count: int) -> str:
    return size_text(count) if count else "-"


def _show_bad(replay: Replay, screen: Screen) -> None:
    for message in replay.bad:
        screen.wrapped([("bad line ", "bad")], message)
    if replay.bad_lines > len(replay.bad):
        screen.line(("bad line ", "bad"), f"{replay.bad_lines - len(replay.bad):,} more")
    if replay.bad_lines and not replay.spans:
        screen.wrapped(
            [], "One TracesData a line is expected; `jq -c .` writes one that is laid out over many lines so."
        )
    for place, count in replay.trial.ledger.internal_errors.items():
        screen.line(("internal error ", "bad"), f"{count:,} in {place}")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
