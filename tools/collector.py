"""`python -m tools.collector`: build the OpenTelemetry Collector that tests and benchmarks run, unless it is there.

Its own builder puts it together from the modules that the manifest pins. The binary is kept outside the tree, under
`$XDG_CACHE_HOME` or ~/.cache, in a directory named after the version and the manifest's content. Exit status 0 also
where Go is missing, which is said: what needs the Collector is skipped there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

MANIFEST: Final = Path(__file__).parent.parent / "tests" / "collector" / "manifest.yaml"
_BUILDER: Final = "go.opentelemetry.io/collector/cmd/builder"


def version() -> str:
    """The Collector's, and its builder's."""
    return str(_dist()["version"])


def binary() -> Path:
    """Where the Collector of this manifest is, or would be."""
    digest = hashlib.sha256(MANIFEST.read_bytes()).hexdigest()[:8]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "otel-errsample" / f"collector-{version()}-{digest}" / str(_dist()["name"])


def missing() -> str:
    """Why there is no Collector to run; empty where there is one."""
    if binary().exists():
        return ""
    return no_go() or f"{binary()} is not built; `make collector` does"


def no_go() -> str:
    return "" if shutil.which("go") else "Go is missing, and the Collector is built from Go modules (https://go.dev/dl)"


def build() -> None:
    """Build it beside its place and move it there: of two builds at once the second one wins."""
    path = binary()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        builder = f"{_BUILDER}@v{version()}"
        subprocess.run(["go", "run", builder, "--config", str(MANIFEST)], cwd=folder, check=True)
        Path(folder, _dist()["output_path"], path.name).replace(path)


def _dist() -> dict[str, Any]:
    dist: dict[str, Any] = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["dist"]
    return dist


def main() -> int:
    if not missing():
        print(binary())
        return 0
    if no_go():
        print(f"skipped: {no_go()}", file=sys.stderr)
        return 0
    try:
        build()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the Collector could not be built: {error}", file=sys.stderr)
        return 1
    print(binary())
    return 0


if __name__ == "__main__":
    sys.exit(main())
