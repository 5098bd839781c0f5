"""`otel-errsample schema`: the JSON Schema of the configuration file, for editors."""

from __future__ import annotations

import argparse
from typing import Any

from otel_errsample.cli.terminal import Screen
from otel_errsample.rules.schema import schema


def add(commands: Any) -> None:
    command = commands.add_parser("schema", help="print the JSON Schema of the configuration file")
    command.add_argument("--json", action="store_true", help="as without it; every command has this option")
    command.set_defaults(run=run)


def run(_: argparse.Namespace, screen: Screen) -> int:
    """Print the schema."""
    screen.json(schema())
    return 0
