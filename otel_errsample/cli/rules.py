"""`otel-errsample rules`: the default rules, or the canonical form of others."""

from __future__ import annotations

import argparse
from typing import Any

from otel_errsample.cli.rulefile import load, rules_of
from otel_errsample.cli.terminal import Screen
from otel_errsample.rules import Rules


def add(commands: Any) -> None:
    command = commands.add_parser("rules", help="print the default rules, or others in canonical form")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="a YAML file, rule text in a file named *.rules, or - for rule text from the standard input",
    )
    which.add_argument("--default", action="store_true", help="the rules that follow yours")
    command.add_argument("--json", action="store_true", help="print a list of rules")
    command.set_defaults(run=run)


def run(options: argparse.Namespace, screen: Screen) -> int:
    """Print one rule a line, each with its name."""
    rules = Rules.default() if options.default else rules_of(load(options.file, options.texts))
    if options.json:
        parts = [
            {"name": str(rule.name), "action": str(rule.action), "condition": str(rule.condition or "") or None}
            for rule in rules._rules
        ]
        screen.json(parts)
    else:
        for rule in rules._rules:
            screen.line((f"{rule.name}:", "name"), str(rule).removeprefix(f"{rule.name}:"))
    return 0
