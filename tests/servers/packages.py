"""What is installed beside the tests."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

import pytest


def missing(distributions: Iterable[str]) -> str:
    """The first that is not installed."""
    for name in distributions:
        try:
            version(name)
        except PackageNotFoundError:
            return name
    return ""


def require(distributions: Iterable[str]) -> None:
    if name := missing(distributions):
        reason = f"{name} is not installed; `make test-servers` makes an environment that has it"
        (pytest.fail if os.environ.get("SERVERS") == "required" else pytest.skip)(reason)
