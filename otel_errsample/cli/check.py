"""`otel-errsample check`: every problem of a rule set, with its position."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from otel_errsample.cli.files import name_of
from otel_errsample.cli.problems import show
from otel_errsample.cli.rulefile import load, rules_of
from otel_errsample.cli.terminal import Screen
from otel_errsample.errors import Problem, RuleError


def add(commands: Any) -> None:
    command = commands.add_parser("check", help="find all problems of a rule set")
    command.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="a YAML file, rule text in a file named *.rules, or - for rule text from the standard input",
    )
    command.add_argument("--json", action="store_true", help="print a list of problems")
    command.set_defaults(run=run)


def run(options: argparse.Namespace, screen: Screen) -> int:
    """0 where no file has a problem, else 1."""
    problems: list[Problem] = []
    for path in options.files:
        try:
            rules = rules_of(load(path, options.texts))
        except RuleError as error:
            problems += error.problems
            if not options.json:
                show(error.problems, options.texts, screen)
            continue
        if not options.json:
            count = "1 rule" if len(rules) == 1 else f"{len(rules)} rules"
            screen.line(name_of(path), ": ", (f"{count}, no problem", "good"))
    if options.json:
        screen.json([dataclasses.asdict(problem) for problem in problems])
    elif problems:
        screen.line("1 problem" if len(problems) == 1 else f"{len(problems)} problems")
    return 1 if problems else 0
