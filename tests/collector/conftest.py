"""Each receiver runs once for a module; what is not there is skipped and says why."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tools.collector import missing


@pytest.fixture(scope="session")
def collector_is_there() -> None:
    if reason := missing():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def rotel_is_there() -> None:
    if find_spec("rotel") is None:
        pytest.skip("rotel is not installed; `make test-collector` does that")
