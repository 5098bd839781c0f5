"""Generate the tables of the README and of docs/, and the JSON Schema, from what they describe.

`python -m tools.readme [--check] [file ...]`. A file holds a generated block between `<!-- begin generated: NAME -->` and
`<!-- end generated: NAME -->`; NAME is a key of BLOCKS. One whose name ends in `.schema.json` is generated as a whole.
With `--check` nothing is written, and the exit status is 1 where a file would change.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import yaml

from benchmarks.collector.policies import POLICIES, RULES
from benchmarks.collector.render import markdown as beside_tail_sampling
from benchmarks.render import markdown as benchmarks
from chaos import render as chaos
from chaos.soak.render import markdown as soaks
from otel_errsample.cli import main as run_command
from otel_errsample.config import IGNORED, OTLP_VARIABLES, SETTINGS
from otel_errsample.ledger import ENDING_MEANINGS
from otel_errsample.rules import Rules
from otel_errsample.rules.schema import schema
from otel_errsample.setting import Setting
from tests.instrumentations.table import PROGRAMS, ROWS, Row
from tests.servers.table import LINES
from tests.servers.table import ROWS as SERVER_ROWS
from tests.servers.table import Row as ServerRow
from tools import ran, scenarios
from tools.table import table

SCHEMA: Final = Path("otel_errsample/config.schema.json")
_MARKER: Final = re.compile(r"^<!-- (begin|end) generated: (.+?) -->$")


class BlockError(ValueError):
    """The markers of a file do not name blocks that can be generated; says which line."""


def environment() -> str:
    """Every environment variable that is read, and the ones that are known and ignored."""
    rows = [(f"`{row.variable}`", _default(row), _values(row), row.help) for row in SETTINGS]
    for otlp in OTLP_VARIABLES:
        names = f"`OTEL_EXPORTER_OTLP_{otlp.suffix}`, `OTEL_EXPORTER_OTLP_TRACES_{otlp.suffix}`"
        rows.append((names, otlp.default or "unset", "", otlp.help))
    ignored = "Ignored, and named in the line logged at start: the budget is in bytes."
    rows.extend((f"`{name}`", "", "", ignored) for name in IGNORED)
    return table(("Variable", "Default", "Values", "Meaning"), rows)


def endings() -> str:
    """The closed list of endings."""
    return table(("Ending", "Meaning"), [(f"`{name}`", meaning) for name, meaning in ENDING_MEANINGS.items()])


def default_rules() -> str:
    """The rules that hold where the user's say nothing."""
    return f"```rules\n{Rules.default().text.strip()}\n```"


def instrumentations() -> str:
    """What the failing spans of released instrumentations become, as their tests expect it."""
    head = ("Instrumentation", "What fails", "Span", "Kind", "Fault", "Recovery", "Code", "Source")
    return table(head, [(PROGRAMS[row.program].title, row.what, row.span, *_told(row)) for row in ROWS])


def servers() -> str:
    """What arrived of what was queued when a server ended, on the newest of the stacks with the most records."""
    records = ran.load(ran.ROOT / "tests" / "servers" / ran.NAME)
    stack = max(reversed(ran.stacks(records)), key=lambda stack: sum(one.stack == stack for one in records))
    found = {one.row: one for one in records if one.stack == stack}
    head = ("Server", "How it runs and ends", "Stock lost", "Ours lost", "What to write", "Ours lost then")
    rows = [_server(row, found[row.id]) for row in SERVER_ROWS if row.id in found]
    return f"{table(head, rows)}\n\nPython {stack[0]}, opentelemetry-sdk {stack[1]}."


def compatibility() -> str:
    """The stacks that the suites ran on."""
    return table(*ran.compatibility())


def policies() -> str:
    """The rules and the policies of the Collector's tail_sampling that were compared."""
    theirs = yaml.safe_dump({"tail_sampling": {"policies": POLICIES}}, sort_keys=False, width=1000)
    return f"```rules\n{RULES.strip()}\n```\n\n```yaml\n{theirs}```"


EXAMPLES: Final = Path(__file__).parent.parent / "docs" / "examples"
COMMANDS: Final = (
    "check wrong.rules",
    "explain shop.rules --span checkout.jsonl --span-id 0c5c7fd0a6a3a450",
    "replay shop.rules traffic.jsonl --head 0.1",
)


def command(line: str) -> str:
    """What a command prints in the directory of the examples."""
    output = io.StringIO()
    here = Path.cwd()
    os.chdir(EXAMPLES)
    try:
        with contextlib.redirect_stdout(output):
            run_command(line.split())
    finally:
        os.chdir(here)
    return f"```console\n$ otel-errsample {line}\n{output.getvalue()}```"


BLOCKS: Final[dict[str, Callable[[], str]]] = {
    "benchmarks": benchmarks,
    "beside tail_sampling": beside_tail_sampling,
    "compatibility": compatibility,
    "default rules": default_rules,
    "endings": endings,
    "faults": partial(chaos.recorded, chaos.faults),
    "environment": environment,
    "instrumentations": instrumentations,
    "outages": partial(chaos.recorded, chaos.away),
    "policies": policies,
    "scenarios": scenarios.markdown,
    "servers": servers,
    "soaks": soaks,
    **{f"otel-errsample {line}": partial(command, line) for line in COMMANDS},
}


def schema_text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def render(text: str, blocks: Mapping[str, Callable[[], str]]) -> str:
    """`text` with the content of every block made anew. Raises BlockError for unknown, open or crossing blocks."""
    lines: list[str] = []
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        marker = _MARKER.match(line)
        if marker is None:
            if not inside:
                lines.append(line)
            continue
        side, name = marker.groups()
        if (side == "begin") == bool(inside) or (inside and inside != name):
            raise BlockError(f"line {number}: {line!r} is not expected {f'inside {inside!r}' if inside else 'here'}")
        if name not in blocks:
            raise BlockError(f"line {number}: {name!r} is no block; hint: the blocks are {', '.join(sorted(blocks))}")
        if side == "begin":
            lines += [line, blocks[name]()]
            inside = name
        else:
            lines.append(line)
            inside = ""
    if inside:
        raise BlockError(f"line {number}: the end of the block {inside!r} is missing")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.readme", description="Generate the README's tables and the schema."
    )
    parser.add_argument(
        "files", nargs="*", type=Path, default=[Path("README.md"), *sorted(Path("docs").glob("*.md")), SCHEMA]
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file would change")
    options = parser.parse_args(arguments)
    stale = False
    for path in options.files:
        old = path.read_text(encoding="utf-8")
        try:
            new = schema_text() if path.name.endswith(".schema.json") else render(old, BLOCKS)
        except (BlockError, scenarios.MismatchError) as error:
            sys.exit(f"{path}: {error}")
        if new == old:
            continue
        if options.check:
            stale = True
            print(f"{path}: generated text is out of date; run python -m tools.readme {path}", file=sys.stderr)
        else:
            path.write_text(new, encoding="utf-8")
    return int(stale)


def _server(row: ServerRow, record: ran.Record) -> tuple[str, ...]:
    total = record.figures["total"]
    lost = {side: f"{total - arrived} of {total}" for side, arrived in record.figures.items()}
    name = f"{row.server} {record.version}" if row.distributions else row.server
    if "bare" in lost:
        return name, row.how, lost["stock"], lost["bare"], LINES[row.line], lost["ours"]
    return (
        name,
        row.how,
        lost["stock"],
        lost["ours"],
        LINES[""] if row.clean else "for errors the [spool](reliability.md)",
        "",
    )


def _told(row: Row) -> tuple[str, ...]:
    if not row.error:
        return (f"no error ({row.told.kind})" if row.told.kind else "no error", "", "", "", "")
    return (*row.told[:3], f"`{row.told.code}`" if row.told.code else "", row.told.source)


def _default(setting: Setting) -> str:
    if isinstance(setting.default, bool):
        return str(setting.default).lower()
    if isinstance(setting.default, int):
        unit = {"milliseconds": " ms", "spans": " spans"}.get(setting.unit, "")
        return _number(setting.default, setting.unit) + unit
    return f"`{setting.default}`" if isinstance(setting.default, str) and setting.default else "unset"


def _values(setting: Setting) -> str:
    if isinstance(setting.default, int) and not isinstance(setting.default, bool):
        return f"{_number(setting.low, setting.unit)} to {_number(setting.high, setting.unit)}"
    return setting.expectation


def _number(number: int, unit: str) -> str:
    """Bytes with the binary multiple beside them: the variables take the plain number only."""
    for name, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if unit == "bytes" and number % scale == 0:
            return f"{number} ({number // scale} {name})"
    return str(number)


if __name__ == "__main__":
    sys.exit(main())
