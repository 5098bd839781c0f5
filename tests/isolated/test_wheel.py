"""What users install: the sdist holds all it needs, the wheel made from it works away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

USE = """
import otel_errsample
from importlib.metadata import entry_points
from opentelemetry.sdk.trace import TracerProvider
from otel_errsample.testing.transport import CollectingTransport

assert "site" in otel_errsample.__file__, otel_errsample.__file__
processor = otel_errsample.ErrorSpanProcessor("keep", transport=CollectingTransport())
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(processor)
provider.get_tracer("t").start_span("s").end()
assert processor.shutdown(5000)
assert processor.stats().endings["delivered"] == 1
(sampler,) = entry_points(group="opentelemetry_traces_sampler", name="errsample")
assert isinstance(sampler.load()("0.01"), otel_errsample.ErrorAwareSampler)
"""


def run(*command: str, cwd: Path, **variables: str) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr


def test_the_wheel_made_from_the_sdist_works_elsewhere(tmp_path: Path) -> None:
    # -O0: what is tested is the packaging, and the optimiser takes most of a minute.
    run("-m", "build", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT), cwd=tmp_path, CFLAGS="-O0")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for part in ("py.typed", "_hot.pyi", "taxonomy.tsv", "config.schema.json"):
        assert f"otel_errsample/{part}" in names
    assert not [name for name in names if name.endswith((".pyx", ".c")) or name.startswith(("tests/", "benchmarks/"))]
    run("-m", "pip", "install", "--no-deps", "--target", str(tmp_path / "site"), str(wheel), cwd=tmp_path)
    run("-m", "otel_errsample", "rules", "--default", cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    run("-c", USE, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
