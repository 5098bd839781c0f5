"""The command `otel-errsample`: look at rules, at what they would do with recorded spans, and at what is active."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from otel_errsample import __version__
from otel_errsample.cli import check, doctor, explain, replay, rules, schema
from otel_errsample.cli.files import Unreadable
from otel_errsample.cli.problems import show
from otel_errsample.cli.terminal import Screen, safe
from otel_errsample.errors import RuleError

_UNUSABLE: Final = 2
_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it

_COMMANDS: Final = (check, doctor, explain, replay, rules, schema)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # The message repeats arguments, which a shell may have made of hostile file names.
        super().error(safe(message))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 fine, 1 problems found, 2 usage or unreadable input."""
    # What the SDK logs about a recorded span (a malformed trace state) is no news of this process.
    logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # a C locale must not turn a message into a traceback
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options, Screen(sys.stdout))
        sys.stdout.flush()
    except Unreadable as error:
        Screen(sys.stderr).line("otel-errsample: ", str(error))
        return _UNUSABLE
    except RuleError as error:
        # `check` reports these as its result; to every other command they are unusable input.
        show(error.problems, options.texts, Screen(sys.stderr))
        return _UNUSABLE
    except BrokenPipeError:
        # The reader had enough (`| head`). What is still buffered must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="otel-errsample",
        description="Look at rules, at what they would do with recorded spans, and at what is active here.",
        epilog="Exit codes: 0 fine, 1 problems found, 2 usage or unreadable input.",
    )
    parser.add_argument("--version", action="version", version=f"otel-errsample {__version__}")
    parser.set_defaults(texts={})
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands)
    return parser
