"""Faults and outages, stock beside ours: `python -m chaos [--seed N] [--only NAME ...] [--protocol ...] [--json FILE]`.

In a row of the matrix an application ends a random number of failed spans, meets its fault, and is started once more. In
one of the outages it goes on working while the receiver is away. What arrived is compared with what was ended. Exit
status 1 where ours lost a span that nothing accounts for, or sent more than one batch twice.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

from chaos import matrix, outages, render
from chaos.clock import CAN_STEP
from chaos.faults import FAULTS


def main() -> int:
    names = [*(fault.name for fault in FAULTS), "outages"]
    parser = argparse.ArgumentParser(prog="python -m chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", default=names)
    parser.add_argument(
        "--protocol", nargs="+", choices=matrix.PROTOCOLS, default=matrix.PROTOCOLS, help="outages: the first of them"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    spans = {fault.name: chance.randint(20, 200) for fault in FAULTS}
    results: dict[str, list[matrix.Cell]] = {"faults": [], "outages": []}
    chosen = [fault for fault in FAULTS if fault.name in options.only and (CAN_STEP or not fault.steps_the_clock)]
    for cell in matrix.cells(chosen, options.protocol, spans):
        results["faults"].append(cell)
        what = f"{cell['fault']}, {cell['protocol']}, {cell['arm']}: {matrix.tell(cell, timed=True)}"
        print(what, file=sys.stderr, flush=True)
    if "outages" in options.only:
        for cell in outages.cells(outages.OUTAGES, options.protocol[0]):
            results["outages"].append(cell)
            print(f"{cell['outage']}, {cell['arm']}: lost {cell['lost']}", file=sys.stderr, flush=True)
    print(f"seed {options.seed}\n\n{render.faults(results)}\n\n{render.away(results)}")
    if options.json:
        record = {"seed": options.seed, "with": render.surroundings(), **results}
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    failed = [
        *(cell["fault"] for cell in results["faults"] if matrix.fails(cell)),
        *(cell["outage"] for cell in results["outages"] if outages.fails(cell)),
    ]
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
