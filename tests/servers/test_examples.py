"""The examples run, and print what their README files show. With RECORD=1 these are brought up to date."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.servers.harness import ROOT, Program
from tests.servers.packages import require

NEEDED = {
    "flask_gunicorn": ("flask", "gunicorn", "opentelemetry-instrumentation-flask"),
    "fastapi_uvicorn": ("fastapi", "uvicorn", "opentelemetry-instrumentation-fastapi"),
    "django_gunicorn": ("django", "gunicorn", "opentelemetry-instrumentation-django"),
    "celery_worker": ("celery", "opentelemetry-instrumentation-celery"),
}
SHOWN = re.compile(r"(?<=<!-- begin trace -->\n).*(?=<!-- end trace -->)", re.DOTALL)
# A failure inside a library is another one in another Python: 3.10 calls its TimeoutError otherwise.
RECORDED_ON = (3, 11)


def printed_by(example: str) -> str:
    with Program((sys.executable, "-m", f"examples.{example}"), {"PYTHONIOENCODING": "utf-8"}) as program:
        status = program.wait()
    assert status == 0, program.printed
    return program.printed


@pytest.mark.parametrize("example", NEEDED)
def test_an_example_prints_what_its_readme_shows(example: str) -> None:
    require(NEEDED[example])
    readme = ROOT / "examples" / example / "README.md"
    text = readme.read_text(encoding="utf-8")
    block = f"```text\n{printed_by(example)}\n```\n"
    if sys.version_info[:2] != RECORDED_ON:
        assert headings(block) == headings(text)
        return
    if os.environ.get("RECORD"):
        readme.write_text(SHOWN.sub(lambda _: block, text), encoding="utf-8")
    else:
        assert [block] == SHOWN.findall(text)


def headings(text: str) -> list[str]:
    return re.findall(r"(?:SERVER|INTERNAL|CONSUMER) .*", text)


def test_every_example_is_run() -> None:
    found: set[str] = {path.parent.name for path in Path(ROOT, "examples").glob("*/__main__.py")}
    assert set(NEEDED) == found
